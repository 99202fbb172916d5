/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/result.h"

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

int tq_result_read(int fd, TqResult *ret) {
        TqResult record;
        ssize_t n;

        n = pread(fd, &record, sizeof(record), 0);
        if (n < 0)
                return tq_errno();
        if (n != sizeof(record) || record.magic == 0)
                return -ENODATA;
        if (record.magic != TQ_RESULT_MAGIC || record.version != TQ_RESULT_VERSION ||
            record.crc != tq_crc32c(&record, offsetof(TqResult, crc)))
                return -EBADMSG;
        *ret = record;
        return 0;
}
