/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/floor.h"

#include "core/retention.h"

#define LEAST_USEC (100 * TQ_USEC_PER_MSEC)
#define QUIET_USEC TQ_USEC_PER_SEC
#define MOST_USEC  (60 * TQ_USEC_PER_SEC)

/* Faster than that a file system is hardly filled: so long it takes at least to get to the floor.
 */
#define BYTES_PER_USEC 256

bool floor_is_low(const FloorSpace *s, uint64_t floor, bool was_low) {
        if (floor == 0)
                return false;
        if (was_low)
                floor = TQ_MIN(floor + TQ_MAX(floor / 10, UINT64_C(10)), TQ_RETENTION_WHOLE);
        return s->available < tq_retention_floor(s->size, floor);
}

uint64_t floor_above(const FloorSpace *s, uint64_t floor) {
        return floor == 0 ? UINT64_MAX
                          : tq_sub_u64(s->available, tq_retention_floor(s->size, floor));
}

uint64_t floor_look_usec(const FloorSpace *s, uint64_t floor, size_t n) {
        uint64_t each = n > 0 ? floor_above(s, floor) / 2 / n : floor_above(s, floor);

        return TQ_MIN(TQ_MAX(each / BYTES_PER_USEC, n > 0 ? LEAST_USEC : QUIET_USEC), MOST_USEC);
}
