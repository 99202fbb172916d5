/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/result.h"

#include <signal.h>
#include <tenantq/types.h>

#include "base/crc32c.h"

/* Apart from the slots, because tenantq-exec links this and nothing else of the layer. */

int tq_result_write(int fd, TqResult *record) {
        ssize_t n;

        record->magic = TQ_RESULT_MAGIC;
        record->version = TQ_RESULT_VERSION;
        record->crc = tq_crc32c(record, offsetof(TqResult, crc));
        n = pwrite(fd, record, sizeof(*record), 0);
        if (n < 0)
                return tq_errno();
        return n == sizeof(*record) ? 0 : -EIO;
}

/* Who wrote it ran beside a tenant's program, and the CRC is no secret. */
static bool is_sane(const TqResult *r) {
        enum { ERRNO_MOST = 4095, CALL_MOST = TQ_CALL_X32 | TQ_CALL_I386 | TQ_CALL_NUMBER };
        static const int32_t code_most[_TQ_END_MAX] = {
                [TQ_END_EXITED] = 255,
                [TQ_END_SIGNALED] = _NSIG,
                [TQ_END_NEVER_STARTED] = ERRNO_MOST,
                [TQ_END_SPAWN_FAILED] = ERRNO_MOST,
                [TQ_END_INTERRUPTED] = _NSIG,
                [TQ_END_CALL] = CALL_MOST,
        };

        if (r->job == 0 || r->job > TQ_JOB_MAX || r->attempt == 0 || r->stage >= _TQ_STAGE_MAX)
                return false;
        if (r->kind == TQ_RESULT_PREPARED)
                return true;
        return r->kind < _TQ_END_MAX && r->kind != TQ_END_CRASHED && r->code >= 0 &&
               r->code <= code_most[r->kind];
}

int tq_result_read(int fd, TqResult *ret) {
        TqResult record;
        ssize_t n;

        n = pread(fd, &record, sizeof(record), 0);
        if (n < 0)
                return tq_errno();
        if (n != sizeof(record) || record.magic == 0)
                return -ENODATA;
        if (record.magic != TQ_RESULT_MAGIC || record.version != TQ_RESULT_VERSION ||
            record.crc != tq_crc32c(&record, offsetof(TqResult, crc)) || !is_sane(&record))
                return -EBADMSG;
        *ret = record;
        return 0;
}
