/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/choose.h"

/* Age first: what is too old goes, however little there is. Then, as long as there is too much,
 * what was written longest ago. What is kept by its Keep= counts, but is passed over; so if that
 * is all there is, nothing goes, and the bound holds by dropping what is new (store/logpage.c). */

static OutputSum water(const TqRetention *h, uint64_t part) {
        /* There is always room for the two files of one more attempt. */
        return (OutputSum){
                .bytes = h->output_bytes == UINT64_MAX ? UINT64_MAX
                                                       : h->output_bytes - h->output_bytes / part,
                .files = h->output_files == UINT64_MAX
                                 ? UINT64_MAX
                                 : TQ_MIN(h->output_files - h->output_files / part,
                                          tq_sub_u64(h->output_files, 2)),
        };
}

OutputBounds choose_bounds(const TqRetention *h, uint64_t allowance, uint64_t now_usec) {
        OutputBounds b = {
                .now_usec = now_usec,
                .age_usec = h->output_age_usec,
                .high = water(h, 16),
                .low = water(h, 4),
        };

        b.high.bytes = TQ_MIN(b.high.bytes, allowance);
        b.low.bytes = TQ_MIN(b.low.bytes, allowance);
        return b;
}

bool choose_is_over(const OutputBounds *b, const OutputSum *have) {
        return have->bytes > b->high.bytes || have->files > b->high.files;
}

bool choose_may_go(const OutputItem *item, uint64_t now_usec) {
        return !item->is_live && item->keep_until_usec <= now_usec;
}

/* Of the same instant the lesser number, so that the answer is one. */
bool choose_is_older(const OutputItem *a, const OutputItem *b) {
        if (a->written_usec != b->written_usec)
                return a->written_usec < b->written_usec;
        return a->job != b->job ? a->job < b->job : a->attempt < b->attempt;
}

static int by_age(const void *a, const void *b) {
        return choose_is_older(a, b) ? -1 : choose_is_older(b, a);
}

OutputSum choose(OutputItem *items, size_t n, OutputSum have, const OutputBounds *b) {
        bool too_large = have.bytes > b->high.bytes, too_many = have.files > b->high.files;

        if (n > 0)
                qsort(items, n, sizeof(*items), by_age);
        for (size_t i = 0; i < n; i++) {
                OutputItem *item = &items[i];
                bool is_old = tq_add_u64(item->written_usec, b->age_usec) < b->now_usec;

                item->goes = choose_may_go(item, b->now_usec) &&
                             (is_old || (too_large && have.bytes > b->low.bytes) ||
                              (too_many && have.files > b->low.files));
                if (!item->goes)
                        continue;
                have.bytes = tq_sub_u64(have.bytes, item->bytes);
                have.files = tq_sub_u64(have.files, item->files);
        }
        return have;
}
