/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Which devices the processes of a cgroup may open (cgroup v2 has no file for it: a BPF program of
 * type BPF_PROG_TYPE_CGROUP_DEVICE is asked, bpf(2), Documentation/admin-guide/cgroup-v2.rst). */

#define TQ_DEVICES_MAX 64

enum { TQ_DEVICE_READ = 1 << 0, TQ_DEVICE_WRITE = 1 << 1 };

typedef struct TqDevice {
        bool is_block;
        unsigned major_number, minor_number;
        unsigned access; /* TQ_DEVICE_* */
} TqDevice;

/* Parses a path below /dev, with ":r", ":w" or ":rw" (the default), and looks up what is there.
 * path: gets the part before the colon. -EINVAL: not of that form; -ENOTBLK: no device; or why it
 * can't be looked at. */
int tq_devices_parse(const char *text, char *ret_path, size_t size, TqDevice *ret);

/* From now on the cgroup's processes may open, beside the pseudo devices and terminals, only these.
 * What an earlier call allowed and this does not is closed to new opens. Negative errno: it stays
 * as it was. */
int tq_devices_restrict(int cgroup_fd, const TqDevice *devices, size_t n);
