/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

#define TQ_IODEVICE_MAX 32

/* The whole disk behind a device given as /dev/NAME or MAJOR:MINOR, as "MAJ:MIN": io.max takes no
 * partitions. -ENODEV with err if there is none. */
int tq_iodevice_resolve(const char *device, char *ret, size_t size, TqError *err);

/* The whole disk below an open file. -ENODEV with err on tmpfs, overlay, btrfs or a network. */
int tq_iodevice_of_file(int fd, char *ret, size_t size, TqError *err);

/* Whether io.weight has any effect on the disk: io.cost is enabled for it at the cgroup root or its
 * scheduler is bfq. */
bool tq_iodevice_has_weights(const char *majmin);
