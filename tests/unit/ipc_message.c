/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/message.h"

#include "unit.h"

/* A good message of a type, with a blob of n bytes; returns its size. */
static size_t make(TqMessage *m, TqMessageType type, uint32_t n) {
        memset(m, 0, sizeof(*m));
        m->header = (TqMessageHeader){ .version = TQ_MESSAGE_VERSION,
                                       .type = (uint16_t)type,
                                       .blob_size = n };
        if (type == TQ_MESSAGE_HELLO) {
                tq_policy_init(&m->hello.policy);
                tq_retention_init(&m->hello.retention);
        }
        if (type == TQ_MESSAGE_START)
                m->start.job = m->start.attempt = 1;
        else if (type == TQ_MESSAGE_ENDED)
                m->ended.job = m->ended.attempt = 1;
        else if (type == TQ_MESSAGE_CRASHED)
                m->crashed.sig = 11;
        else if (type == TQ_MESSAGE_SPAWNED || type == TQ_MESSAGE_ADOPTED ||
                 type == TQ_MESSAGE_STALLED)
                m->attempt.job = m->attempt.attempt = 1;
        return sizeof(m->header) + tq_message_body_size(type) + n;
}

START_TEST(sizes) {
        TqMessageType type = (TqMessageType)_i;
        TqMessage m;
        size_t size = make(&m, type, 0);

        ck_assert_uint_le(size, sizeof(m));
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        ck_assert_int_eq(tq_message_check(&m, size + 1), -EBADMSG);
        for (size_t n = 0; n < size; n++)
                ck_assert_int_eq(tq_message_check(&m, n), -EBADMSG);
        m.header.version++;
        ck_assert_int_eq(tq_message_check(&m, size), -EPROTONOSUPPORT);
        m.header.version = 0;
        ck_assert_int_eq(tq_message_check(&m, size), -EPROTONOSUPPORT);
}
END_TEST

/* A status line goes to the service manager: no line break, which would begin an assignment of its
 * own. */
START_TEST(status) {
        static const struct {
                const char *text;
                int r;
        } rows[] = {
                { "", 0 },
                { "3 running, 1 waiting", 0 },
                { "x\nMAINPID=1", -EBADMSG },
                { "x\x1b[0m", -EBADMSG },
        };
        TqMessage m;

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                uint32_t n = (uint32_t)strlen(rows[i].text);
                size_t size = make(&m, TQ_MESSAGE_STATUS, n);

                memcpy((char *)&m + sizeof(m.header), rows[i].text, n);
                ck_assert_int_eq(tq_message_check(&m, size), rows[i].r);
        }
        for (uint32_t n = 256; n <= 257; n++) {
                size_t size = make(&m, TQ_MESSAGE_STATUS, n);

                memset((char *)&m + sizeof(m.header), 'x', n);
                ck_assert_int_eq(tq_message_check(&m, size), n == 256 ? 0 : -EBADMSG);
        }
}
END_TEST

/* Why a launch failed is kept for each job that waits. */
START_TEST(why) {
        TqMessage m;

        for (uint32_t n = TQ_MESSAGE_TEXT_MAX - 1; n <= TQ_MESSAGE_TEXT_MAX; n++) {
                size_t size = make(&m, TQ_MESSAGE_START_FAILED, n);

                ck_assert_int_eq(tq_message_check(&m, size),
                                 n < TQ_MESSAGE_TEXT_MAX ? 0 : -EBADMSG);
        }
}
END_TEST

START_TEST(blobs) {
        static const uint32_t blob_sizes[] = { 1, 100, TQ_MESSAGE_BLOB_MAX };
        TqMessageType type = (TqMessageType)_i;
        TqMessage m;
        size_t size;

        for (size_t i = 0; i < TQ_ELEMENTSOF(blob_sizes) && type != TQ_MESSAGE_STATUS &&
                           type != TQ_MESSAGE_START_FAILED && type != TQ_MESSAGE_ENDED;
             i++) {
                size = make(&m, type, blob_sizes[i]);
                ck_assert_int_eq(tq_message_check(&m, size),
                                 tq_message_has_blob(type) ? 0 : -EBADMSG);
                ck_assert_int_eq(tq_message_check(&m, size - 1), -EBADMSG);
        }
        size = make(&m, type, TQ_MESSAGE_BLOB_MAX + 1);
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        size = make(&m, type, UINT32_MAX);
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        /* The sum of the sizes wraps in 32 bits. */
        ck_assert_int_eq(tq_message_check(&m, (uint32_t)size), -EBADMSG);
}
END_TEST

START_TEST(unknown_types) {
        static const uint16_t types[] = { _TQ_MESSAGE_MAX, _TQ_MESSAGE_MAX + 1, 255, 32768,
                                          UINT16_MAX };
        TqMessage m;

        (void)make(&m, TQ_MESSAGE_PING, 0);
        m.header.type = types[_i];
        for (size_t size = sizeof(m.header); size <= sizeof(m); size += 4)
                ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

/* Each string must be terminated, each count bounded, each limit in range. */

#define FILL(type, member)                                                                         \
        { (type), offsetof(TqMessage, member), sizeof(((TqMessage *)NULL)->member) }

static const struct {
        TqMessageType type;
        size_t offset, size;
} string_rows[] = {
        FILL(TQ_MESSAGE_TENANT, tenant.name), FILL(TQ_MESSAGE_TENANT, tenant.user),
        FILL(TQ_MESSAGE_TENANT, tenant.home), FILL(TQ_MESSAGE_TENANT, tenant.fault),
        FILL(TQ_MESSAGE_TENANT, tenant.pool), FILL(TQ_MESSAGE_CLAIM, claim.name),
        FILL(TQ_MESSAGE_REFUSED, claim.name), FILL(TQ_MESSAGE_ORDER, order.name),
        FILL(TQ_MESSAGE_ORDER, order.to),     FILL(TQ_MESSAGE_HELLO, hello.cgroup_root),
};

START_TEST(strings) {
        TqMessage m;
        size_t size = make(&m, string_rows[_i].type, 0);
        char *field = (char *)&m + string_rows[_i].offset;

        memset(field, 'x', string_rows[_i].size - 1);
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        field[string_rows[_i].size - 1] = 'x';
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

static const struct {
        TqMessageType type;
        size_t offset;
} limits_rows[] = {
        { TQ_MESSAGE_HELLO, offsetof(TqMessage, hello.defaults) },
        { TQ_MESSAGE_HELLO, offsetof(TqMessage, hello.ceilings) },
        { TQ_MESSAGE_TENANT, offsetof(TqMessage, tenant.limits) },
        { TQ_MESSAGE_START, offsetof(TqMessage, start.limits) },
        { TQ_MESSAGE_APPLY, offsetof(TqMessage, apply.limits) },
};

START_TEST(limits) {
        TqMessage m;
        size_t size = make(&m, limits_rows[_i].type, 0);
        TqLimits l = {};

        ck_assert_int_eq(tq_limits_set(&l, "memory", "1G", TQ_SCOPE_JOB, false, 0, NULL), 0);
        memcpy((char *)&m + limits_rows[_i].offset, &l, sizeof(l));
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        l.value[TQ_KEY_MEMORY] = 0;
        memcpy((char *)&m + limits_rows[_i].offset, &l, sizeof(l));
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        l = (TqLimits){ .n_io = TQ_IO_DEVICES + 1 };
        memcpy((char *)&m + limits_rows[_i].offset, &l, sizeof(l));
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        l = (TqLimits){ .set = UINT64_MAX };
        memcpy((char *)&m + limits_rows[_i].offset, &l, sizeof(l));
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

START_TEST(queues) {
        TqMessage m;
        size_t size = make(&m, TQ_MESSAGE_TENANT, 0);

        m.tenant.n_queues = TQ_QUEUE_LIMITS;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.tenant.n_queues = TQ_QUEUE_LIMITS + 1;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.tenant.n_queues = UINT32_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.tenant.n_queues = 2;
        memset(m.tenant.queues[1].name, 'x', sizeof(m.tenant.queues[1].name));
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.tenant.n_queues = 1;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
}
END_TEST

START_TEST(enums) {
        TqMessage m;
        size_t size = make(&m, TQ_MESSAGE_ENDED, 0);

        m.ended.end = (TqEnd){ .kind = _TQ_END_MAX - 1,
                               .stage = _TQ_STAGE_MAX - 1,
                               .oom_level = _TQ_LEVEL_MAX - 1 };
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.ended.end.kind = _TQ_END_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.ended.end.kind = 0;
        m.ended.end.stage = _TQ_STAGE_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.ended.end.stage = UINT32_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.ended.end.stage = 0;
        m.ended.end.oom_level = _TQ_LEVEL_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        size = make(&m, TQ_MESSAGE_ORDER, 0);
        m.order.step = _TQ_ORDER_STEP_MAX - 1;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.order.step = _TQ_ORDER_STEP_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        size = make(&m, TQ_MESSAGE_START_FAILED, 0);
        m.attempt.stage = _TQ_STAGE_MAX - 1;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.attempt.stage = _TQ_STAGE_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

/* Numbers of jobs and attempts, wherever the other end acts on them. */
static const TqMessageType attempt_rows[] = { TQ_MESSAGE_START, TQ_MESSAGE_ENDED,
                                              TQ_MESSAGE_SPAWNED, TQ_MESSAGE_ADOPTED,
                                              TQ_MESSAGE_STALLED };

START_TEST(attempts) {
        static const uint64_t jobs[] = { 0, TQ_JOB_MAX + UINT64_C(1), UINT64_MAX };
        TqMessage m;
        size_t size = make(&m, attempt_rows[_i], 0);

        ck_assert_int_eq(tq_message_check(&m, size), 0);
        for (size_t i = 0; i < TQ_ELEMENTSOF(jobs); i++) {
                /* All of them begin with the number. */
                m.start.job = jobs[i];
                ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        }
        m.start.job = TQ_JOB_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.start.attempt = 0;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

/* The engine's first number leaves room for as many as there will be. */
START_TEST(first_claim) {
        TqMessage m;
        size_t size = make(&m, TQ_MESSAGE_NEXT_CLAIM, 0);

        m.number.cookie = INT64_MAX / 2;
        ck_assert_int_eq(tq_message_check(&m, size), 0);
        m.number.cookie = (uint64_t)INT64_MAX / 2 + 1;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
        m.number.cookie = UINT64_MAX;
        ck_assert_int_eq(tq_message_check(&m, size), -EBADMSG);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "message");

        tcase_add_loop_test(tcase, sizes, 0, _TQ_MESSAGE_MAX);
        tcase_add_loop_test(tcase, blobs, 0, _TQ_MESSAGE_MAX);
        tcase_add_test(tcase, status);
        tcase_add_loop_test(tcase, unknown_types, 0, 5);
        unit_add_rows(tcase, strings, string_rows);
        unit_add_rows(tcase, limits, limits_rows);
        tcase_add_test(tcase, queues);
        tcase_add_test(tcase, enums);
        tcase_add_test(tcase, first_claim);
        unit_add_rows(tcase, attempts, attempt_rows);
        tcase_add_test(tcase, why);
}

int main(void) {
        return unit_main("ipc/message", fill);
}
