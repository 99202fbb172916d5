/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "conf/jobfile.h"
#include "core/jobspec.h"

/* For a tenantq-engine of the tests, linked with --wrap: as if the parser had a fault that a job
 * file with X-Crash= meets, and the encoder one that a job of a certain name does. */

int __real_tq_jobfile_parse(const char *data, size_t size, TqJobSpec *ret, TqJobfileNote note,
                            void *userdata, TqError *err);
int __wrap_tq_jobfile_parse(const char *data, size_t size, TqJobSpec *ret, TqJobfileNote note,
                            void *userdata, TqError *err);
int __real_tq_jobspec_encode(const TqJobSpec *spec, const TqJobIdentity *identity, TqBuffer *ret);
int __wrap_tq_jobspec_encode(const TqJobSpec *spec, const TqJobIdentity *identity, TqBuffer *ret);

/* Not by raise(3), which the filter may deny; not caught by a sanitizer. */
static void crash(void) {
        (void)signal(SIGSEGV, SIG_DFL);
        *(volatile int *)NULL = 1;
}

int __wrap_tq_jobfile_parse(const char *data, size_t size, TqJobSpec *ret, TqJobfileNote note,
                            void *userdata, TqError *err) {
        if (memmem(data, size, "X-Crash=", 8))
                crash();
        return __real_tq_jobfile_parse(data, size, ret, note, userdata, err);
}

int __wrap_tq_jobspec_encode(const TqJobSpec *spec, const TqJobIdentity *identity, TqBuffer *ret) {
        if (spec->name && strcmp(spec->name, "crash-start") == 0)
                crash();
        return __real_tq_jobspec_encode(spec, identity, ret);
}
