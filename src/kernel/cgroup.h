/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "core/limits.h"
#include "core/verdict.h"

/* cgroup v2 by descriptor (cgroups(7), Documentation/admin-guide/cgroup-v2.rst): what a job's leaf
 * needs. Tenants' slices are slice.h. All functions return 0 or negative errno unless said. */

enum {
        TQ_CONTROLLER_CPU = 1 << 0,
        TQ_CONTROLLER_CPUSET = 1 << 1,
        TQ_CONTROLLER_IO = 1 << 2,
        TQ_CONTROLLER_MEMORY = 1 << 3,
        TQ_CONTROLLER_PIDS = 1 << 4,
};

/* What they are called: a tenant's slice "acme.slice", below it a job's leaf "10482.1.job". */
#define TQ_SLICE_SUFFIX ".slice"
#define TQ_LEAF_SUFFIX  ".job"
const char *tq_cgroup_leaf_name(uint64_t job, unsigned attempt, char *buf, size_t size);

/* One attribute to write. */
typedef struct TqAttr {
        const char *controller;
        const char *file;
        TqKey key;
        bool is_default; /* the value is the kernel's own, nobody asked for it */
        char value[TQ_VALUE_MAX * 2];
} TqAttr;

#define TQ_ATTRS_MAX (_TQ_KEY_MAX + TQ_IO_DEVICES * 2)

/* Bit of a controller's name, or 0. */
unsigned tq_cgroup_controller_bit(const char *name);
/* "cpu io memory" for a mask. */
const char *tq_cgroup_controllers_format(unsigned mask, char *buf, size_t size);

/* Opens a directory of the cgroup2 file system; -EMEDIUMTYPE with err if it is on another (a v1 or
 * hybrid host). Returns the descriptor. */
int tq_cgroup_open(const char *path, TqError *err);

/* Controllers that may be used in this cgroup (cgroup.controllers). */
int tq_cgroup_controllers(int fd, unsigned *ret_mask);
/* Gives controllers to the children (cgroup.subtree_control). */
int tq_cgroup_enable(int fd, unsigned mask);

/* Limits → attributes. controllers: those enabled here; device: "MAJ:MIN" for io limits without
 * @device, or NULL. With with_defaults also those that are unset, so that writing all of them takes
 * back what stood there. -EOPNOTSUPP with err naming the controller or device that lacks. */
int tq_cgroup_attrs(const TqLimits *l, unsigned controllers, const char *device, bool with_defaults,
                    TqAttr *ret_attrs, size_t *ret_n, TqError *err);

/* Whether this host has the controller for every limit that is set: -EOPNOTSUPP with err. */
int tq_cgroup_check(const TqLimits *l, unsigned controllers, TqError *err);

/* Makes a job's leaf below a slice with its limits and memory.oom.group. Exclusive: -EEXIST if
 * there is one. On a failed limit the leaf is removed again and *ret_stage tells which step it was.
 */
int tq_cgroup_leaf_new(int slice_fd, const char *name, unsigned controllers, const TqAttr *attrs,
                       size_t n_attrs, int *ret_fd, TqStage *ret_stage, TqError *err);

/* Removes an unpopulated cgroup and what its processes have made below it, from the bottom up: at
 * most TQ_CGROUP_REMOVE_MAX of them at once (-EAGAIN: call again). -ENOENT: it has gone; -EBUSY:
 * something lives in it or below. */
#define TQ_CGROUP_REMOVE_MAX 256
int tq_cgroup_remove(int slice_fd, const char *name);

/* 1 if any process lives in it or below, 0 if none. */
int tq_cgroup_is_populated(int fd);

/* Kills everything in it and below, also what forks meanwhile (cgroup.kill, Linux 5.14). */
int tq_cgroup_kill(int fd);

/* CPU time of what is and was below it, and for how long that had to stand still for want of
 * cpu.max; TQ_UNKNOWN where this kernel or hierarchy does not count it. */
typedef struct TqCgroupCpu {
        uint64_t usage_usec, throttled_usec;
} TqCgroupCpu;

#define TQ_CGROUP_CPU_UNKNOWN ((TqCgroupCpu){ TQ_UNKNOWN, TQ_UNKNOWN })

void tq_cgroup_cpu(int fd, TqCgroupCpu *ret);

/* What stands in the text of a file: the number behind a word ("populated 1"; false: it is not
 * there), and the sum behind a word ("rbytes=") over the devices of io.stat. */
bool tq_cgroup_find(const char *text, const char *word, uint64_t *ret);
uint64_t tq_cgroup_sum_io(const char *text, const char *word);
/* Of a file that is one number; TQ_UNKNOWN: it is none, as "max". */
uint64_t tq_cgroup_read_number(int fd, const char *file);

/* What a job has used; TQ_UNKNOWN where this kernel or hierarchy does not count it. A shortage
 * (tq_errno_is_shortage()): it can't be read for now. */
int tq_cgroup_counters(int fd, unsigned controllers, TqCounters *ret);

/* Bytes of memory that the kernel can't have back at once: memory.current without the cache of
 * files and of names (memory.stat: *_file, slab_reclaimable). TQ_UNKNOWN if not counted. */
uint64_t tq_cgroup_memory_held(int fd);

/* How often memory ran out at this cgroup's own limit (memory.events.local: oom); 0 if not counted.
 */
uint64_t tq_cgroup_oom_events(int fd);
