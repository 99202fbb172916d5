/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/frame.h"

#include <endian.h>

#include "unit.h"

static const struct {
        uint8_t endian, type, flags, version;
        uint32_t body, fields;
        int r;
        size_t size;
} rows[] = {
        { 'l', 1, 0, 1, 0, 0, 0, 16 },
        { 'B', 1, 0, 1, 0, 0, 0, 16 },
        { 'l', 1, 0, 1, 10, 1, 0, 16 + 8 + 10 }, /* the fields are padded to eight bytes */
        { 'l', 1, 0, 1, 10, 8, 0, 16 + 8 + 10 },
        { 'l', 1, 0, 1, 10, 9, 0, 16 + 16 + 10 },
        { 'B', 2, 1, 1, 65536, 100, 0, 16 + 104 + 65536 },
        { 'l', 4, 0xFF, 1, 1, 0, 0, 17 },
        { 'l', 1, 0, 1, (1U << 27) - 16, 0, 0, 1U << 27 },
        { 'l', 1, 0, 1, (1U << 27) - 15, 0, -EBADMSG, 0 },
        { 'l', 1, 0, 1, UINT32_MAX, 0, -EBADMSG, 0 },
        { 'l', 1, 0, 1, 0, UINT32_MAX, -EBADMSG, 0 },
        { 'l', 1, 0, 1, UINT32_MAX, UINT32_MAX, -EBADMSG, 0 },
        { 'L', 1, 0, 1, 0, 0, -EBADMSG, 0 },
        { 0, 1, 0, 1, 0, 0, -EBADMSG, 0 },
        { 'l', 0, 0, 1, 0, 0, -EBADMSG, 0 },
        { 'l', 5, 0, 1, 0, 0, -EBADMSG, 0 },
        { 'l', 1, 0, 0, 0, 0, -EBADMSG, 0 },
        { 'l', 1, 0, 2, 0, 0, -EBADMSG, 0 },
};

static void make(uint8_t *header, char endian, uint8_t type, uint8_t flags, uint8_t version,
                 uint32_t body, uint32_t fields) {
        uint32_t b = endian == 'B' ? htobe32(body) : htole32(body);
        uint32_t f = endian == 'B' ? htobe32(fields) : htole32(fields);

        memset(header, 0, TQ_FRAME_HEADER);
        header[0] = (uint8_t)endian;
        header[1] = type;
        header[2] = flags;
        header[3] = version;
        memcpy(header + 4, &b, 4);
        memcpy(header + 12, &f, 4);
}

START_TEST(headers) {
        uint8_t header[TQ_FRAME_HEADER];
        TqFrame got = { .size = 12345 };

        make(header, (char)rows[_i].endian, rows[_i].type, rows[_i].flags, rows[_i].version,
             rows[_i].body, rows[_i].fields);
        ck_assert_int_eq(tq_frame_parse(header, &got), rows[_i].r);
        ck_assert_uint_eq(got.size, rows[_i].r < 0 ? 12345 : rows[_i].size);
        if (rows[_i].r == 0) {
                ck_assert_uint_eq(got.type, rows[_i].type);
                ck_assert_uint_eq(got.flags, rows[_i].flags);
        }
}
END_TEST

/* A return, a call, an error, a signal, in pieces of each size: two answers, at the right bytes. */
START_TEST(pieces) {
        static const uint8_t types[] = { TQ_FRAME_RETURN, TQ_FRAME_CALL, TQ_FRAME_ERROR,
                                         TQ_FRAME_SIGNAL };
        uint8_t stream[512];
        size_t n = 0, answers = 0, step = (size_t)_i;
        TqFramer f = {};

        memset(stream, 'x', sizeof(stream));
        for (size_t i = 0; i < TQ_ELEMENTSOF(types); i++) {
                make(stream + n, 'l', types[i], 0, 1, (uint32_t)i * 7, (uint32_t)i);
                n += 16 + (i > 0 ? 8 : 0) + i * 7;
        }
        for (size_t at = 0; at < n; at += step) {
                size_t got;

                ck_assert_int_eq(tq_framer_feed(&f, stream + at, TQ_MIN(step, n - at), &got), 0);
                answers += got;
                if (step == 1)
                        ck_assert_uint_eq(answers, (at >= 15) + (at >= 16 + 31 + 38 - 1));
        }
        ck_assert_uint_eq(answers, 2);
        ck_assert_uint_eq(f.left + f.n_header, 0);
        stream[1] = 77;
        ck_assert_int_eq(tq_framer_feed(&f, stream, 16, &answers), -EBADMSG);
}
END_TEST

static void fill(Suite *s) {
        TCase *tc = unit_case(s, "frame");

        unit_add_rows(tc, headers, rows);
        tcase_add_loop_test(tc, pieces, 1, 140);
}

int main(void) {
        return unit_main("ipc/frame", fill);
}
