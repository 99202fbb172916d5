/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/attempt.h"

#include <signal.h>

#include "core/charge.h"
#include "core/state.h"

/* What becomes of a job when an attempt of it begins, fails to begin, or ends: its verdict, or that
 * it waits for another launch or another attempt. */

static uint64_t runtime_of(const TqJob *job, TqStopReason *ret_reason) {
        uint64_t bound = job->queue->tenant->runtime;

        *ret_reason = bound < job->runtime_usec ? TQ_STOP_TIMEOUT_TENANT : TQ_STOP_TIMEOUT_JOB;
        return TQ_MIN(bound, job->runtime_usec);
}

static uint64_t runtime_deadline(const TqJob *job) {
        TqStopReason reason;
        uint64_t bound = runtime_of(job, &reason);

        return bound == TQ_LIMIT_MAX ? TQ_NEVER : tq_add_u64(job->cold->running_since, bound);
}

int tq_attempt_follow_runtime(TqScheduler *s, TqJob *job) {
        return tq_state_timer(s, job, runtime_deadline(job));
}

int tq_attempt_follow_stop(TqScheduler *s, TqJob *job, uint64_t now) {
        bool is_timeout = job->stop == TQ_STOP_TIMEOUT_JOB || job->stop == TQ_STOP_TIMEOUT_TENANT;
        uint64_t since = is_timeout ? TQ_MIN(runtime_deadline(job), now) : now;

        return tq_state_timer(s, job, tq_add_u64(since, job->stop_usec));
}

int tq_attempt_spawned(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        int r;

        if (job->state != TQ_JOB_STARTING || job->abort)
                return 0;
        job->cold->running_since = now;
        job->again = TQ_AGAIN_NOT;
        job->cold->retries = 0;
        r = tq_attempt_follow_runtime(s, job);
        if (r >= 0)
                r = tq_charge_watch(job, now);
        if (r < 0)
                return r;
        tq_state_act(actions, TQ_ACTION_RUN, job);
        return tq_state_set(s, job, TQ_JOB_RUNNING);
}

void tq_attempt_stop(TqScheduler *s, TqJob *job, TqStopReason reason, uint64_t now,
                     TqActions *actions) {
        job->stop = reason;
        tq_state_act(actions, TQ_ACTION_TERM, job);
        /* The job is in the heap or the heap has just grown by others: on -ENOMEM the KILL would be
         * missing, so send it at once. */
        if (tq_state_timer(s, job, tq_add_u64(now, job->stop_usec)) < 0)
                tq_state_act(actions, TQ_ACTION_KILL, job);
        (void)tq_state_set(s, job, TQ_JOB_STOPPING);
}

void tq_attempt_time_out(TqScheduler *s, TqJob *job, uint64_t now, TqActions *actions) {
        TqStopReason reason;

        (void)runtime_of(job, &reason);
        tq_attempt_stop(s, job, reason, now, actions);
}

int tq_attempt_used(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now) {
        TqUse seen = *use;

        if (!tq_state_holds_slot(job->state))
                return -ENOENT;
        seen.slot_usec = tq_sub_u64(now, job->cold->charge.slot_since);
        tq_charge_seen(s, job, &seen, now);
        return 0;
}

static uint64_t known(uint64_t counter) {
        return counter == TQ_UNKNOWN ? 0 : counter;
}

/* How long it held its slot. One that ran before a restart may have ended while nobody was there to
 * see it: its record says when, or nobody knows. */
static uint64_t held_for(const TqJob *job, const TqEnd *end, uint64_t now) {
        uint64_t age = tq_sub_u64(now, job->cold->charge.slot_since);

        if (!job->cold->charge.is_adopted)
                return age;
        if (end && end->run_usec > 0)
                return TQ_MIN(age, end->run_usec);
        return TQ_MAX(job->cold->charge.base.slot_usec, job->cold->charge.seen.slot_usec);
}

/* end NULL: it was a launch only. */
static void charge_end(TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now) {
        TqUse use = { .slot_usec = TQ_MAX(held_for(job, end, now), UINT64_C(1)) };
        bool is_typical = end && end->kind != TQ_END_SPAWN_FAILED && end->kind != TQ_END_UNKNOWN;

        if (is_typical) {
                const TqCounters *c = &end->counters;

                use.cpu_usec = known(c->cpu_usec);
                use.memory_bytes = known(c->memory_peak_bytes);
                use.io_bytes = tq_add_u64(known(c->io_read_bytes), known(c->io_write_bytes));
        }
        use.memory_bytes = TQ_MAX(use.memory_bytes, job->memory_bytes);
        tq_charge_end(s, job, &use, now, is_typical);
}

static bool is_safe_to_repeat(const TqJob *job, const TqEnd *end) {
        return end->kind == TQ_END_NEVER_STARTED && job->stop == TQ_STOP_NONE;
}

/* A launch is tried again that has failed n times before. */
static void launch_again(TqJob *job, uint64_t now, unsigned n) {
        uint64_t delay = TQ_MIN(TQ_AGAIN_USEC << TQ_MIN(n, 6U), TQ_AGAIN_MOST_USEC);

        job->again = TQ_AGAIN_LAUNCH;
        job->cold->again_at = tq_add_u64(now, delay);
}

/* The launch failed before anything of the job was looked at; unless its own limits may be too
 * tight for that. */
static bool is_hosts(const TqEnd *end) {
        return tq_verdict_is_before_job((TqStage)end->stage) && end->code != ENOMEM &&
               end->code != EAGAIN;
}

/* The program has not begun: nothing of the job has run, and what stood in the way may pass. */
static bool may_pass(const TqJob *job, const TqEnd *end) {
        if (end->kind != TQ_END_SPAWN_FAILED || job->stop != TQ_STOP_NONE)
                return false;
        return is_hosts(end) ||
               (job->cold->failed_execs < TQ_RETRIES_OWN &&
                (end->code == ETXTBSY || end->code == ESTALE || tq_errno_is_shortage(-end->code)));
}

/* What crashes may be ours, or what root has configured for the tenant, for all jobs: then they
 * wait, as for everything that the host lacks. It is the job's if another one that was launched
 * after its first crash got further: one of the same tenant, or one of any while no other job of
 * the tenant crashes. */
static bool is_the_jobs(const TqScheduler *s, const TqJob *job) {
        const TqTenant *t = job->queue->tenant;

        return t->begun_at > job->cold->crashed_since ||
               (s->begun_at > job->cold->crashed_since &&
                t->other_crash_at < job->cold->crashed_since);
}

/* True: it has crashed as often as it may. A SIGKILL comes from outside, or for memory that is not
 * the job's: no program crashes of that. */
static bool note_crash(const TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now) {
        TqTenant *t = job->queue->tenant;

        if (end->code == SIGKILL)
                return false;
        if (job->cold->crashes++ == 0)
                job->cold->crashed_since = now;
        if (t->crash_job != job->id)
                t->other_crash_at = t->crash_at;
        t->crash_job = job->id;
        t->crash_at = now;
        return job->cold->crashes >= TQ_CRASHES_MOST && is_the_jobs(s, job);
}

/* The kernel killed tenantq-exec for the job's own limit of memory. */
static bool is_too_tight(const TqEnd *end) {
        return end->oom_level == TQ_LEVEL_JOB && end->counters.oom_kills > 0 &&
               end->counters.oom_kills != TQ_UNKNOWN;
}

/* The program has begun: tenantq-exec can do what it is for. */
static bool has_begun(const TqEnd *end) {
        return end->kind == TQ_END_EXITED || end->kind == TQ_END_SIGNALED ||
               end->kind == TQ_END_CALL;
}

/* A launched job waits again. */
static int wait_again(TqScheduler *s, TqJob *job, uint64_t now) {
        (void)tq_state_timer(s, job, TQ_NEVER);
        job->abort = false;
        return tq_state_place(s, job, now);
}

/* An attempt that failed is not the end of the job, as its file says; unless the next one would
 * come after its Deadline=, with which there is nothing to wait for. A job that was requeued goes
 * on whatever its file says, and however the attempt ended: that was promised. */
static bool has_another(const TqJob *job, const TqVerdict *verdict, uint64_t now,
                        uint64_t *ret_at) {
        uint64_t delay;

        if (job->stop == TQ_STOP_REQUEUED) {
                *ret_at = tq_add_u64(now, TQ_RETRY_LEAST_USEC);
                return true;
        }
        if (!job->cold->retry || job->stop == TQ_STOP_CANCELLED ||
            !tq_retry_applies(job->cold->retry, verdict, job->cold->failures + 1))
                return false;
        delay = tq_retry_delay(job->cold->retry, job->cold->failures + 1, job->id);
        *ret_at = tq_add_u64(now, TQ_MAX(delay, TQ_RETRY_LEAST_USEC));
        return *ret_at < job->cold->start_by;
}

static void retry(TqJob *job, const TqVerdict *verdict, uint64_t at, TqActions *actions) {
        TqAction *a = tq_state_act(actions, TQ_ACTION_RETRY, job);

        job->again = TQ_AGAIN_RETRY;
        a->again_at = job->cold->again_at = at;
        /* A requeue is no failure. */
        a->failures = job->cold->failures += job->stop != TQ_STOP_REQUEUED;
        a->verdict = *verdict;
        /* What it was asked to stop for, and what its launches lacked, was that attempt's. */
        job->stop = TQ_STOP_NONE;
        job->cold->retries = job->cold->failed_execs = job->cold->failed_launches = 0;
        job->cold->crashes = 0;
        job->attempt++;
}

/* An attempt has ended: the job with it, or another one follows. */
static int conclude(TqScheduler *s, TqJob *job, const TqVerdict *verdict, uint64_t now,
                    TqActions *actions) {
        uint64_t at;

        if (has_another(job, verdict, now, &at)) {
                retry(job, verdict, at, actions);
                return wait_again(s, job, now);
        }
        tq_state_finish(s, job, verdict, actions);
        return 0;
}

static TqAction *requeue(TqJob *job, TqActions *actions) {
        TqAction *a = tq_state_act(actions, TQ_ACTION_REQUEUE, job);

        /* An attempt that was recorded as running is never reused, not even its number. */
        if (job->state != TQ_JOB_STARTING)
                job->attempt++;
        return a;
}

/* False: it is tried no more. */
static bool on_crashed(const TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now,
                       TqActions *actions) {
        TqAction *a;

        if (is_too_tight(end)) {
                if (job->cold->failed_execs >= TQ_RETRIES_OWN)
                        return false;
                launch_again(job, now, job->cold->failed_execs++);
                (void)requeue(job, actions);
                return true;
        }
        a = requeue(job, actions);
        launch_again(job, now, job->cold->failed_launches++);
        if (!note_crash(s, job, end, now))
                return true;
        job->again = TQ_AGAIN_NOT;
        job->is_held = a->is_quarantined = true;
        a->verdict.code = end->code;
        return true;
}

int tq_attempt_ended(TqScheduler *s, TqJob *job, const TqEnd *end, uint64_t now,
                     TqActions *actions) {
        bool passes, waits = true;
        TqVerdict verdict;

        /* Nothing of it runs: this is the end of a launch that nobody recorded. */
        if (!tq_state_holds_slot(job->state))
                return -ENOENT;
        passes = may_pass(job, end);
        if (has_begun(end)) {
                s->begun_at = TQ_MAX(s->begun_at, job->cold->running_since);
                job->queue->tenant->begun_at =
                        TQ_MAX(job->queue->tenant->begun_at, job->cold->running_since);
        }
        if (passes)
                launch_again(job, now,
                             is_hosts(end) ? job->cold->failed_launches++
                                           : job->cold->failed_execs++);
        if (is_safe_to_repeat(job, end) || passes)
                (void)requeue(job, actions);
        else
                waits = end->kind == TQ_END_CRASHED && job->stop == TQ_STOP_NONE &&
                        on_crashed(s, job, end, now, actions);
        if (waits) {
                charge_end(s, job, NULL, now);
                return wait_again(s, job, now);
        }
        charge_end(s, job, end, now);
        verdict = tq_verdict_judge(end, job->stop);
        return conclude(s, job, &verdict, now, actions);
}

/* What the host lacks for now is waited for, less and less impatiently; what the job's own limits
 * may be too tight for is tried a few times and is its verdict then. */
int tq_attempt_refused(TqScheduler *s, TqJob *job, const TqEvent *e, uint64_t now,
                       TqActions *actions) {
        TqVerdict verdict;

        if (job->state != TQ_JOB_STARTING)
                return 0;
        charge_end(s, job, NULL, now);
        if (job->stop != TQ_STOP_NONE) {
                tq_state_finish_unstarted(s, job, TQ_OUTCOME_CANCELLED, actions);
                return 0;
        }
        if (e->is_own && job->cold->retries >= TQ_RETRIES_OWN) {
                verdict = tq_verdict_judge(e->end, job->stop);
                return conclude(s, job, &verdict, now, actions);
        }
        job->abort = false;
        launch_again(job, now, job->cold->retries++);
        return tq_state_place(s, job, now);
}
