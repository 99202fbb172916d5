/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/message.h"

#include <signal.h>
#include <string.h>

#define BODY(member) sizeof(((TqMessage *)NULL)->member)

static const struct {
        size_t body;
        bool has_blob;
} types[_TQ_MESSAGE_MAX] = {
        [TQ_MESSAGE_HELLO] = { BODY(hello), false },
        [TQ_MESSAGE_TENANT] = { BODY(tenant), false },
        [TQ_MESSAGE_CLAIM] = { BODY(claim), true },
        [TQ_MESSAGE_REFUSED] = { BODY(claim), true },
        [TQ_MESSAGE_SPAWNED] = { BODY(attempt), false },
        [TQ_MESSAGE_START_FAILED] = { BODY(attempt), true },
        [TQ_MESSAGE_ENDED] = { BODY(ended), true },
        [TQ_MESSAGE_USED] = { BODY(used), false },
        [TQ_MESSAGE_STALLED] = { BODY(attempt), false },
        [TQ_MESSAGE_ADOPTED] = { BODY(attempt), false },
        [TQ_MESSAGE_CLAIM_STUCK] = { BODY(number), false },
        [TQ_MESSAGE_CLAIM_KEPT] = { BODY(number), false },
        [TQ_MESSAGE_CRASHED] = { BODY(crashed), false },
        [TQ_MESSAGE_STOCK_TAKEN] = { 0, false },
        [TQ_MESSAGE_ANSWER] = { BODY(number), true },
        [TQ_MESSAGE_PING] = { BODY(number), false },
        [TQ_MESSAGE_DESCRIPTOR] = { BODY(number), false },
        [TQ_MESSAGE_READY] = { 0, false },
        [TQ_MESSAGE_NEXT_CLAIM] = { BODY(number), false },
        [TQ_MESSAGE_CLAIM_DONE] = { BODY(claim_done), true },
        [TQ_MESSAGE_CLAIM_AGAIN] = { BODY(number), false },
        [TQ_MESSAGE_CLAIM_LATE] = { BODY(claim_late), false },
        [TQ_MESSAGE_CREDIT] = { BODY(credit), false },
        [TQ_MESSAGE_START] = { BODY(start), true },
        [TQ_MESSAGE_RELEASE] = { BODY(attempt), false },
        [TQ_MESSAGE_ABORT] = { BODY(attempt), false },
        [TQ_MESSAGE_TERM] = { BODY(attempt), false },
        [TQ_MESSAGE_KILL] = { BODY(attempt), false },
        [TQ_MESSAGE_ABANDON] = { BODY(attempt), false },
        [TQ_MESSAGE_SAMPLE] = { BODY(attempt), false },
        [TQ_MESSAGE_ACK] = { BODY(attempt), false },
        [TQ_MESSAGE_APPLY] = { BODY(apply), false },
        [TQ_MESSAGE_OPEN_LOG] = { BODY(open_log), false },
        [TQ_MESSAGE_RELOAD] = { BODY(number), false },
        [TQ_MESSAGE_ORDER] = { BODY(order), false },
        [TQ_MESSAGE_PONG] = { BODY(number), false },
        [TQ_MESSAGE_STATUS] = { 0, true },
};

size_t tq_message_body_size(TqMessageType type) {
        return types[type].body;
}

bool tq_message_has_blob(TqMessageType type) {
        return types[type].has_blob;
}

static bool is_terminated(const char *s, size_t size) {
        return memchr(s, '\0', size) != NULL;
}

static bool tenant_is_sane(const TqTenantMessage *t) {
        if (!is_terminated(t->name, sizeof(t->name)) || !is_terminated(t->user, sizeof(t->user)) ||
            !is_terminated(t->home, sizeof(t->home)) || !is_terminated(t->pool, sizeof(t->pool)) ||
            !is_terminated(t->former_owner, sizeof(t->former_owner)) ||
            !is_terminated(t->note, sizeof(t->note)) || t->rank >= _TQ_RANK_MAX ||
            !is_terminated(t->profile, sizeof(t->profile)) ||
            !is_terminated(t->fault, sizeof(t->fault)) || t->n_queues > TQ_QUEUE_LIMITS ||
            !tq_limits_is_sane(&t->limits))
                return false;
        for (uint32_t i = 0; i < t->n_queues; i++)
                if (!is_terminated(t->queues[i].name, sizeof(t->queues[i].name)))
                        return false;
        return true;
}

/* It goes to the service manager, where a line break would begin another assignment. */
static bool status_is_sane(const TqMessage *m) {
        const char *blob = (const char *)m + sizeof(m->header);

        if (m->header.blob_size > 256)
                return false;
        for (uint32_t i = 0; i < m->header.blob_size; i++)
                if ((unsigned char)blob[i] < 0x20)
                        return false;
        return true;
}

static bool attempt_is_sane(uint64_t job, uint32_t attempt) {
        return job > 0 && job <= TQ_JOB_MAX && attempt > 0;
}

static bool body_is_sane(const TqMessage *m) {
        switch ((TqMessageType)m->header.type) {
        case TQ_MESSAGE_HELLO:
                return is_terminated(m->hello.cgroup_root, sizeof(m->hello.cgroup_root)) &&
                       tq_limits_is_sane(&m->hello.defaults) &&
                       tq_limits_is_sane(&m->hello.ceilings) &&
                       tq_policy_is_sane(&m->hello.policy) &&
                       tq_retention_is_sane(&m->hello.retention);
        case TQ_MESSAGE_TENANT:
                return tenant_is_sane(&m->tenant);
        case TQ_MESSAGE_CLAIM:
        case TQ_MESSAGE_REFUSED:
                return is_terminated(m->claim.name, sizeof(m->claim.name));
        case TQ_MESSAGE_CRASHED:
                return m->crashed.job <= TQ_JOB_MAX && m->crashed.sig > 0 && m->crashed.sig < _NSIG;
        case TQ_MESSAGE_CLAIM_DONE:
                return m->claim_done.outcome < _TQ_CLAIM_OUTCOME_MAX;
        case TQ_MESSAGE_NEXT_CLAIM:
                /* Beyond it there are numbers still, and names that are read again. */
                return m->number.cookie <= INT64_MAX / 2;
        case TQ_MESSAGE_CREDIT:
                return m->credit.credit <= TQ_CREDIT_MOST;
        case TQ_MESSAGE_START:
                return attempt_is_sane(m->start.job, m->start.attempt) &&
                       is_terminated(m->start.profile, sizeof(m->start.profile)) &&
                       tq_limits_is_sane(&m->start.limits);
        case TQ_MESSAGE_SPAWNED:
        case TQ_MESSAGE_ADOPTED:
                return attempt_is_sane(m->attempt.job, m->attempt.attempt);
        case TQ_MESSAGE_STALLED:
                return attempt_is_sane(m->attempt.job, m->attempt.attempt) &&
                       m->attempt.level < _TQ_LEVEL_MAX;
        case TQ_MESSAGE_APPLY:
                return m->apply.how < _TQ_APPLY_MAX && tq_limits_is_sane(&m->apply.limits);
        case TQ_MESSAGE_ORDER:
                return m->order.step < _TQ_ORDER_STEP_MAX &&
                       is_terminated(m->order.name, sizeof(m->order.name)) &&
                       is_terminated(m->order.to, sizeof(m->order.to));
        case TQ_MESSAGE_STATUS:
                return status_is_sane(m);
        case TQ_MESSAGE_START_FAILED:
                /* The engine keeps the text for as long as the job waits. */
                return m->attempt.stage < _TQ_STAGE_MAX &&
                       m->header.blob_size < TQ_MESSAGE_TEXT_MAX;
        case TQ_MESSAGE_ENDED:
                return attempt_is_sane(m->ended.job, m->ended.attempt) &&
                       m->ended.end.kind < _TQ_END_MAX && m->ended.end.stage < _TQ_STAGE_MAX &&
                       m->ended.end.oom_level < _TQ_LEVEL_MAX &&
                       m->ended.end.output_lost < _TQ_LOSS_MAX && m->ended.end.is_silent <= 1 &&
                       m->header.blob_size < TQ_MESSAGE_TEXT_MAX;
        default:
                return true;
        }
}

int tq_message_check(const TqMessage *m, size_t size) {
        if (size < sizeof(m->header))
                return -EBADMSG;
        if (m->header.version != TQ_MESSAGE_VERSION)
                return -EPROTONOSUPPORT;
        if (m->header.type >= _TQ_MESSAGE_MAX || m->header.blob_size > TQ_MESSAGE_BLOB_MAX ||
            (m->header.blob_size > 0 && !types[m->header.type].has_blob) ||
            size != sizeof(m->header) + types[m->header.type].body + m->header.blob_size)
                return -EBADMSG;
        return body_is_sane(m) ? 0 : -EBADMSG;
}
