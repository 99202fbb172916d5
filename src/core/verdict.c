/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/verdict.h"

#include <stdio.h>
#include <string.h>
#include <signal.h>

static const char *const outcomes[_TQ_OUTCOME_MAX] = {
        [TQ_OUTCOME_NONE] = "none",
        [TQ_OUTCOME_EXIT] = "exit",
        [TQ_OUTCOME_SIGNAL] = "signal",
        [TQ_OUTCOME_OOM] = "oom",
        [TQ_OUTCOME_TIMEOUT] = "timeout",
        [TQ_OUTCOME_SECCOMP] = "seccomp",
        [TQ_OUTCOME_STALLED] = "stalled",
        [TQ_OUTCOME_CANCELLED] = "cancelled",
        [TQ_OUTCOME_LOST] = "lost",
        [TQ_OUTCOME_DEADLINE] = "deadline",
        [TQ_OUTCOME_DEPENDENCY] = "dependency",
        [TQ_OUTCOME_SPAWN] = "spawn",
        [TQ_OUTCOME_INTERRUPTED] = "interrupted",
        [TQ_OUTCOME_REQUEUED] = "requeued",
};

static const char *const levels[_TQ_LEVEL_MAX] = {
        [TQ_LEVEL_NONE] = "none",
        [TQ_LEVEL_JOB] = "job",
        [TQ_LEVEL_TENANT] = "tenant",
        [TQ_LEVEL_HOST] = "host",
};

static const char *const stages[_TQ_STAGE_MAX] = {
        [TQ_STAGE_NONE] = "none",
        [TQ_STAGE_TENANT] = "tenant",
        [TQ_STAGE_RESULT] = "result-record",
        [TQ_STAGE_LOG] = "log",
        [TQ_STAGE_CGROUP] = "cgroup",
        [TQ_STAGE_LIMITS] = "limits",
        [TQ_STAGE_PLAN] = "plan",
        [TQ_STAGE_CLONE] = "clone",
        [TQ_STAGE_HELPER] = "helper",
        [TQ_STAGE_SURROUNDINGS] = "surroundings",
        [TQ_STAGE_SANDBOX] = "sandbox",
        [TQ_STAGE_PATHS] = "paths",
        [TQ_STAGE_PIPES] = "pipes",
        [TQ_STAGE_RLIMITS] = "rlimits",
        [TQ_STAGE_CREDENTIALS] = "credentials",
        [TQ_STAGE_CHDIR] = "chdir",
        [TQ_STAGE_SECCOMP] = "seccomp",
        [TQ_STAGE_BARRIER] = "barrier",
        [TQ_STAGE_EXEC] = "exec",
        [TQ_STAGE_INTERPRETER] = "interpreter",
        [TQ_STAGE_NETWORK] = "network",
        [TQ_STAGE_INPUT] = "input",
};

static const char *const stops[_TQ_STOP_MAX] = {
        [TQ_STOP_NONE] = "none",
        [TQ_STOP_CANCELLED] = "cancelled",
        [TQ_STOP_TIMEOUT_JOB] = "timeout-job",
        [TQ_STOP_TIMEOUT_TENANT] = "timeout-tenant",
        [TQ_STOP_STALLED_JOB] = "stalled-job",
        [TQ_STOP_STALLED_TENANT] = "stalled-tenant",
        [TQ_STOP_REQUEUED] = "requeued",
};

static const char *lookup(const char *const *words, size_t n, int i) {
        return i >= 0 && (size_t)i < n ? words[i] : "invalid";
}

const char *tq_verdict_outcome_to_string(TqOutcome o) {
        return lookup(outcomes, TQ_ELEMENTSOF(outcomes), (int)o);
}

const char *tq_verdict_level_to_string(TqLevel l) {
        return lookup(levels, TQ_ELEMENTSOF(levels), (int)l);
}

const char *tq_verdict_stage_to_string(TqStage s) {
        return lookup(stages, TQ_ELEMENTSOF(stages), (int)s);
}

bool tq_verdict_is_before_job(TqStage s) {
        return s == TQ_STAGE_HELPER || s == TQ_STAGE_SURROUNDINGS || s == TQ_STAGE_SANDBOX ||
               s == TQ_STAGE_NETWORK;
}

const char *tq_verdict_stop_to_string(TqStopReason r) {
        return lookup(stops, TQ_ELEMENTSOF(stops), (int)r);
}

static bool was_oom_killed(const TqEnd *end) {
        if (end->counters.oom_kills == 0 || end->counters.oom_kills == TQ_UNKNOWN)
                return false;
        /* A job that survived the kill of one of its processes has ended by itself. */
        return !(end->kind == TQ_END_EXITED && end->code == 0);
}

TqVerdict tq_verdict_judge(const TqEnd *end, TqStopReason stop) {
        /* What a job has ended with that was asked to stop. */
        static const struct {
                TqOutcome outcome;
                TqLevel level;
        } asked[_TQ_STOP_MAX] = {
                [TQ_STOP_CANCELLED] = { TQ_OUTCOME_CANCELLED, TQ_LEVEL_NONE },
                [TQ_STOP_TIMEOUT_JOB] = { TQ_OUTCOME_TIMEOUT, TQ_LEVEL_JOB },
                [TQ_STOP_TIMEOUT_TENANT] = { TQ_OUTCOME_TIMEOUT, TQ_LEVEL_TENANT },
                [TQ_STOP_STALLED_JOB] = { TQ_OUTCOME_STALLED, TQ_LEVEL_JOB },
                [TQ_STOP_STALLED_TENANT] = { TQ_OUTCOME_STALLED, TQ_LEVEL_TENANT },
                [TQ_STOP_REQUEUED] = { TQ_OUTCOME_REQUEUED, TQ_LEVEL_NONE },
        };
        TqVerdict v = { .code = end->code, .end = *end };

        if (was_oom_killed(end)) {
                v.outcome = TQ_OUTCOME_OOM;
                v.level = (TqLevel)end->oom_level;
                return v;
        }
        if (end->kind == TQ_END_SPAWN_FAILED) {
                v.outcome = TQ_OUTCOME_SPAWN;
                v.stage = (TqStage)end->stage;
                return v;
        }
        if (stop != TQ_STOP_NONE && !(end->kind == TQ_END_EXITED && end->code == 0)) {
                v.outcome = asked[stop].outcome;
                v.level = asked[stop].level;
                return v;
        }
        if (end->kind == TQ_END_EXITED)
                v.outcome = TQ_OUTCOME_EXIT;
        else if (end->kind == TQ_END_CALL) {
                v.outcome = TQ_OUTCOME_SECCOMP;
                v.code = SIGSYS;
        } else if (end->kind == TQ_END_SIGNALED)
                v.outcome = end->code == SIGSYS ? TQ_OUTCOME_SECCOMP : TQ_OUTCOME_SIGNAL;
        else
                v.outcome =
                        end->kind == TQ_END_INTERRUPTED ? TQ_OUTCOME_INTERRUPTED : TQ_OUTCOME_LOST;
        return v;
}

/* What may have been the cause. */
static const char *hint(const TqVerdict *v) {
        return v->end.unreachable ? " (network unreachable)" : "";
}

/* Why it could not be started, at its stage. */
static const char *launch_text(const TqVerdict *v) {
        if (v->stage == TQ_STAGE_INPUT)
                return "its client has gone, the daemon was started anew, or a first launch failed";
        if (v->stage != TQ_STAGE_INTERPRETER)
                return strerror(v->code);
        return v->code == EILSEQ ? "its first line ends with a carriage return"
                                 : "the program is there, its interpreter is not";
}

const char *tq_verdict_format(const TqVerdict *v, char *buf, size_t size) {
        const char *word = tq_verdict_outcome_to_string(v->outcome);
        const char *signal_name;

        switch (v->outcome) {
        case TQ_OUTCOME_EXIT:
                (void)snprintf(buf, size, "%s %d%s", word, v->code, v->code != 0 ? hint(v) : "");
                break;
        case TQ_OUTCOME_SIGNAL:
                signal_name = sigabbrev_np(v->code);
                (void)snprintf(buf, size, "%s %d (%s)%s", word, v->code,
                               signal_name ? signal_name : "?", hint(v));
                break;
        case TQ_OUTCOME_OOM:
        case TQ_OUTCOME_STALLED:
        case TQ_OUTCOME_TIMEOUT:
                (void)snprintf(buf, size, "%s (%s)", word, tq_verdict_level_to_string(v->level));
                break;
        case TQ_OUTCOME_SECCOMP:
                if (v->end.kind == TQ_END_CALL && v->call[0] != '\0')
                        (void)snprintf(buf, size, "%s (%s)", word, v->call);
                else
                        (void)snprintf(buf, size, "%s", word);
                break;
        case TQ_OUTCOME_SPAWN:
                (void)snprintf(buf, size, "%s (%s: %s)", word, tq_verdict_stage_to_string(v->stage),
                               launch_text(v));
                break;
        default:
                (void)snprintf(buf, size, "%s", word);
        }
        return buf;
}
