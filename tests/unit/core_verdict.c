/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/verdict.h"

#include <signal.h>
#include <stdio.h>

#include "unit.h"

static const struct {
        TqEnd end;
        TqStopReason stop;
        TqOutcome outcome;
        TqLevel level;
        TqStage stage;
        const char *text;
} rows[] = {
        { { .kind = TQ_END_EXITED, .code = 0 }, 0, TQ_OUTCOME_EXIT, 0, 0, "exit 0" },
        { { .kind = TQ_END_EXITED, .code = 255 }, 0, TQ_OUTCOME_EXIT, 0, 0, "exit 255" },
        { { .kind = TQ_END_EXITED, .code = 0, .unreachable = 1 },
          0,
          TQ_OUTCOME_EXIT,
          0,
          0,
          "exit 0" },
        { { .kind = TQ_END_EXITED, .code = 7, .unreachable = 1 },
          0,
          TQ_OUTCOME_EXIT,
          0,
          0,
          "exit 7 (network unreachable)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGABRT, .unreachable = 1 },
          0,
          TQ_OUTCOME_SIGNAL,
          0,
          0,
          "signal 6 (ABRT) (network unreachable)" },
        { { .kind = TQ_END_EXITED, .code = 137 }, 0, TQ_OUTCOME_EXIT, 0, 0, "exit 137" },
        { { .kind = TQ_END_SIGNALED, .code = SIGKILL },
          0,
          TQ_OUTCOME_SIGNAL,
          0,
          0,
          "signal 9 (KILL)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGSEGV },
          0,
          TQ_OUTCOME_SIGNAL,
          0,
          0,
          "signal 11 (SEGV)" },
        { { .kind = TQ_END_SIGNALED, .code = 200 }, 0, TQ_OUTCOME_SIGNAL, 0, 0, "signal 200 (?)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGSYS }, 0, TQ_OUTCOME_SECCOMP, 0, 0, "seccomp" },
        { { .kind = TQ_END_UNKNOWN }, 0, TQ_OUTCOME_LOST, 0, 0, "lost" },
        { { .kind = TQ_END_INTERRUPTED, .code = SIGTERM },
          0,
          TQ_OUTCOME_INTERRUPTED,
          0,
          0,
          "interrupted" },
        { { .kind = TQ_END_NEVER_STARTED },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_CANCELLED,
          0,
          0,
          "cancelled" },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_INTERPRETER, .code = ENOENT },
          0,
          TQ_OUTCOME_SPAWN,
          0,
          TQ_STAGE_INTERPRETER,
          "spawn (interpreter: the program is there, its interpreter is not)" },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_INTERPRETER, .code = EILSEQ },
          0,
          TQ_OUTCOME_SPAWN,
          0,
          TQ_STAGE_INTERPRETER,
          "spawn (interpreter: its first line ends with a carriage return)" },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_EXEC, .code = ENOENT },
          0,
          TQ_OUTCOME_SPAWN,
          0,
          TQ_STAGE_EXEC,
          "spawn (exec: No such file or directory)" },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = TQ_STAGE_CHDIR, .code = EACCES },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_SPAWN,
          0,
          TQ_STAGE_CHDIR,
          "spawn (chdir: Permission denied)" },
        /* What tenantq asked for. */
        { { .kind = TQ_END_SIGNALED, .code = SIGTERM },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_CANCELLED,
          0,
          0,
          "cancelled" },
        { { .kind = TQ_END_SIGNALED, .code = SIGKILL },
          TQ_STOP_TIMEOUT_JOB,
          TQ_OUTCOME_TIMEOUT,
          TQ_LEVEL_JOB,
          0,
          "timeout (job)" },
        { { .kind = TQ_END_EXITED, .code = 1 },
          TQ_STOP_TIMEOUT_TENANT,
          TQ_OUTCOME_TIMEOUT,
          TQ_LEVEL_TENANT,
          0,
          "timeout (tenant)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGTERM },
          TQ_STOP_STALLED_JOB,
          TQ_OUTCOME_STALLED,
          TQ_LEVEL_JOB,
          0,
          "stalled (job)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGKILL },
          TQ_STOP_STALLED_TENANT,
          TQ_OUTCOME_STALLED,
          TQ_LEVEL_TENANT,
          0,
          "stalled (tenant)" },
        { { .kind = TQ_END_SIGNALED, .code = SIGTERM },
          TQ_STOP_REQUEUED,
          TQ_OUTCOME_REQUEUED,
          0,
          0,
          "requeued" },
        { { .kind = TQ_END_EXITED }, TQ_STOP_REQUEUED, TQ_OUTCOME_EXIT, 0, 0, "exit 0" },
        { { .kind = TQ_END_CALL, .code = 101 },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_CANCELLED,
          0,
          0,
          "cancelled" },
        { { .kind = TQ_END_UNKNOWN },
          TQ_STOP_TIMEOUT_JOB,
          TQ_OUTCOME_TIMEOUT,
          TQ_LEVEL_JOB,
          0,
          "timeout (job)" },
        { { .kind = TQ_END_EXITED, .code = 0 },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_EXIT,
          0,
          0,
          "exit 0" },
        { { .kind = TQ_END_EXITED, .code = 0 },
          TQ_STOP_TIMEOUT_JOB,
          TQ_OUTCOME_EXIT,
          0,
          0,
          "exit 0" },
        /* Memory first; but a job that survived it has ended by itself. */
        { { .kind = TQ_END_SIGNALED,
            .code = SIGKILL,
            .oom_level = TQ_LEVEL_JOB,
            .counters = { .oom_kills = 1 } },
          0,
          TQ_OUTCOME_OOM,
          TQ_LEVEL_JOB,
          0,
          "oom (job)" },
        { { .kind = TQ_END_EXITED,
            .code = 1,
            .oom_level = TQ_LEVEL_TENANT,
            .counters = { .oom_kills = 7 } },
          TQ_STOP_CANCELLED,
          TQ_OUTCOME_OOM,
          TQ_LEVEL_TENANT,
          0,
          "oom (tenant)" },
        { { .kind = TQ_END_UNKNOWN, .oom_level = TQ_LEVEL_HOST, .counters = { .oom_kills = 1 } },
          0,
          TQ_OUTCOME_OOM,
          TQ_LEVEL_HOST,
          0,
          "oom (host)" },
        { { .kind = TQ_END_EXITED, .code = 0, .counters = { .oom_kills = 1 } },
          0,
          TQ_OUTCOME_EXIT,
          0,
          0,
          "exit 0" },
        { { .kind = TQ_END_SIGNALED, .code = SIGKILL, .counters = { .oom_kills = TQ_UNKNOWN } },
          0,
          TQ_OUTCOME_SIGNAL,
          0,
          0,
          "signal 9 (KILL)" },
};

START_TEST(judge) {
        TqVerdict v = tq_verdict_judge(&rows[_i].end, rows[_i].stop);
        char text[128];

        ck_assert_int_eq(v.outcome, rows[_i].outcome);
        ck_assert_int_eq(v.level, rows[_i].level);
        ck_assert_int_eq(v.stage, rows[_i].stage);
        ck_assert_int_eq(v.code, rows[_i].end.code);
        ck_assert_mem_eq(&v.end, &rows[_i].end, sizeof(v.end));
        ck_assert_str_eq(tq_verdict_format(&v, text, sizeof(text)), rows[_i].text);
}
END_TEST

/* Words are in the ledger, so they may be added to but not changed. */
/* The name, if somebody knew it; the code is a signal's, as for all that this outcome has. */
START_TEST(call) {
        TqEnd end = { .kind = TQ_END_CALL, .code = 101 };
        TqVerdict v = tq_verdict_judge(&end, TQ_STOP_NONE);
        char text[64];

        ck_assert_int_eq(v.outcome, TQ_OUTCOME_SECCOMP);
        ck_assert_int_eq(v.code, SIGSYS);
        ck_assert_str_eq(tq_verdict_format(&v, text, sizeof(text)), "seccomp");
        (void)snprintf(v.call, sizeof(v.call), "ptrace");
        ck_assert_str_eq(tq_verdict_format(&v, text, sizeof(text)), "seccomp (ptrace)");
}
END_TEST

START_TEST(words) {
        static const char *const outcomes[] = {
                "none",      "exit", "signal",   "oom",        "timeout", "stalled",     "seccomp",
                "cancelled", "lost", "deadline", "dependency", "spawn",   "interrupted", "requeued"
        };
        static const char *const levels[] = { "none", "job", "tenant", "host" };
        static const char *const stops[] = { "none",           "cancelled",   "timeout-job",
                                             "timeout-tenant", "stalled-job", "stalled-tenant",
                                             "requeued" };
        static const char *const stages[] = {
                "none",  "tenant",      "result-record", "log",          "cgroup",  "limits",
                "plan",  "clone",       "helper",        "surroundings", "sandbox", "paths",
                "pipes", "rlimits",     "credentials",   "chdir",        "seccomp", "barrier",
                "exec",  "interpreter", "network",       "input"
        };

        ck_assert_uint_eq(TQ_ELEMENTSOF(outcomes), _TQ_OUTCOME_MAX);
        ck_assert_uint_eq(TQ_ELEMENTSOF(levels), _TQ_LEVEL_MAX);
        ck_assert_uint_eq(TQ_ELEMENTSOF(stops), _TQ_STOP_MAX);
        ck_assert_uint_eq(TQ_ELEMENTSOF(stages), _TQ_STAGE_MAX);
        for (int i = 0; i < _TQ_OUTCOME_MAX; i++)
                ck_assert_str_eq(tq_verdict_outcome_to_string((TqOutcome)i), outcomes[i]);
        for (int i = 0; i < _TQ_LEVEL_MAX; i++)
                ck_assert_str_eq(tq_verdict_level_to_string((TqLevel)i), levels[i]);
        for (int i = 0; i < _TQ_STOP_MAX; i++)
                ck_assert_str_eq(tq_verdict_stop_to_string((TqStopReason)i), stops[i]);
        for (int i = 0; i < _TQ_STAGE_MAX; i++)
                ck_assert_str_eq(tq_verdict_stage_to_string((TqStage)i), stages[i]);
        ck_assert_str_eq(tq_verdict_outcome_to_string(_TQ_OUTCOME_MAX), "invalid");
        ck_assert_str_eq(tq_verdict_outcome_to_string(_TQ_OUTCOME_INVALID), "invalid");
        ck_assert_str_eq(tq_verdict_level_to_string(_TQ_LEVEL_MAX), "invalid");
        ck_assert_str_eq(tq_verdict_stage_to_string(_TQ_STAGE_MAX), "invalid");
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "verdict");

        unit_add_rows(tcase, judge, rows);
        tcase_add_test(tcase, call);
        tcase_add_test(tcase, words);
}

int main(void) {
        return unit_main("core/verdict", fill);
}
