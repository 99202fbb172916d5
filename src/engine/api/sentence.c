/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/sentence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/parse.h"
#include "core/sandbox.h"
#include "engine/api/call.h"

/* Why a job waits, in sentences: the reasons and their numbers are the scheduler's; here they get
 * names, who stands in the way, and what would help. */

#define NAMED_MAX 8 /* jobs or tenants that are named; more are counted */

static void put(char *buf, size_t size, const char *fmt, ...) TQ_PRINTF(3, 4);
static void put(char *buf, size_t size, const char *fmt, ...) {
        size_t at = strlen(buf);
        va_list ap;

        va_start(ap, fmt);
        if (at < size)
                (void)vsnprintf(buf + at, size - at, fmt, ap);
        va_end(ap);
}

#define PUT(field, ...) put((field), sizeof(field), __VA_ARGS__)

/* What only an administrator may do is said as such to others. */
#define PUT_ADMIN(s, ...)                                                                          \
        do {                                                                                       \
                PUT((s)->change, "%s", (s)->is_admin ? "" : "an administrator: ");                 \
                PUT((s)->change, __VA_ARGS__);                                                     \
        } while (0)

static const char *tenant_name(const Sentence *s, uint32_t id) {
        const TqTenant *t = tq_scheduler_tenant(s->scheduler, id);

        return t ? t->name : "?";
}

/* The jobs that hold the slots of a tenant, or of one of its queues. */
static void name_running(const TqTenant *t, const TqQueue *q, Sentence *s) {
        unsigned named = 0, more = 0;

        TQ_LIST_FOREACH(node, &t->active) {
                const TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;

                if (q && job->queue != q)
                        continue;
                if (named == NAMED_MAX)
                        more++;
                else
                        PUT(s->blocker, "%s%" PRIu64, named++ ? ", " : "job ", job->id);
        }
        if (more > 0)
                PUT(s->blocker, " and %u more", more);
}

static int by_running(const void *a, const void *b) {
        uint64_t x = (*(const TqTenant *const *)a)->running;
        uint64_t y = (*(const TqTenant *const *)b)->running;

        return (x < y) - (x > y);
}

/* The tenants that hold the most slots of a pool. */
static void name_holders(const TqPool *p, Sentence *s) {
        TQ_FREE const TqTenant **list = calloc(p->n_players + 1, sizeof(*list));
        size_t n = 0;

        for (uint32_t i = 0; list && i < p->n_players; i++)
                if (p->players[i].tenant && p->players[i].tenant->running > 0)
                        list[n++] = p->players[i].tenant;
        if (!s->is_admin) {
                PUT(s->blocker, "%zu tenants", n);
                return;
        }
        if (n > 0)
                qsort((void *)list, n, sizeof(*list), by_running);
        for (size_t i = 0; i < n && i < NAMED_MAX; i++)
                PUT(s->blocker, "%s%s (%" PRIu64 ")", i > 0 ? ", " : "tenant ", list[i]->name,
                    list[i]->running);
        if (n > NAMED_MAX)
                PUT(s->blocker, " and %zu more", n - NAMED_MAX);
}

static void say_time(char *buf, size_t size, uint64_t boottime) {
        uint64_t now = tq_clock_boottime_usec();
        char text[TQ_FORMAT_MAX];

        put(buf, size, "%s",
            tq_format_timestamp(tq_clock_realtime_usec() + tq_sub_u64(boottime, now), text,
                                sizeof(text)));
}

static void say_slots(const TqPool *p, const TqReason *r, Sentence *s) {
        PUT(s->text, "%" PRIu64 " of the %" PRIu64 " slots of pool %s are taken", r->current,
            r->maximum, p->name);
        name_holders(p, s);
        if (!s->is_admin)
                return; /* the host's settings are not its to change */
        if (strcmp(p->name, TQ_POOL_SHARED) == 0)
                PUT(s->change, "max_jobs=%" PRIu64 " in [scheduler] of tenantq.conf, then reload",
                    settings_host(s->api->settings)->policy.max_jobs + 1);
        else
                PUT(s->change, "slots=%" PRIu64 " in [pool %s] of tenantq.conf, then reload",
                    r->maximum + 1, p->name);
}

static void say_memory(const TqReason *r, Sentence *s) {
        char need[TQ_FORMAT_MAX], left[TQ_FORMAT_MAX], all[TQ_FORMAT_MAX];

        (void)tq_format_size_short(r->current, need, sizeof(need));
        (void)tq_format_size_short(r->maximum, left, sizeof(left));
        (void)tq_format_size_short(settings_host(s->api->settings)->policy.memory_bytes, all,
                                   sizeof(all));
        PUT(s->text, "it is promised %s of memory, and of the host's %s only %s are left", need,
            all, left);
        PUT(s->change, "memory=%s in its [Limits], or a larger memory= in [scheduler]",
            tq_format_size(TQ_MAX(r->maximum, tq_limits_keys[TQ_KEY_MEMORY].min), 1024, left,
                           sizeof(left)));
}

/* Jobs that wait for each other, and how many of their conditions are looked at: a circle that is
 * larger is not named. */
#define WALK_JOBS  64
#define WALK_STEPS 1024

/* Whether `job` waits, directly or by others, for `id`: names may close a circle. */
static bool waits_for(const TqScheduler *scheduler, const TqJob *job, uint64_t id) {
        const TqJob *seen[WALK_JOBS] = { job };
        size_t n = 1, left = WALK_STEPS;

        for (size_t i = 0; i < n; i++) {
                const TqConditions *after = &tq_model_cold(seen[i])->after;

                for (size_t k = 0; k < after->n && left > 0; k++, left--) {
                        const TqCondition *c = &after->items[k];
                        const TqJob *next = tq_scheduler_job(scheduler, c->after.job);
                        size_t at = 0;

                        if (c->is_met || !next)
                                continue;
                        if (next->id == id)
                                return true;
                        while (at < n && seen[at] != next)
                                at++;
                        if (at == n && n < WALK_JOBS)
                                seen[n++] = next;
                }
        }
        return false;
}

/* The jobs and names that have not ended well, in the words of After=. */
static void name_awaited(const TqJob *job, Sentence *s) {
        const TqJobCold *cold = tq_model_cold(job);
        const Job *ej = job_of(job);
        TQ_FREE char **words = NULL;
        unsigned named = 0, more = 0;
        size_t n = 0;

        if (!job_cold(ej)->after ||
            tq_parse_words(job_cold(ej)->after, TQ_JOB_AFTER_MAX, &words, &n) < 0)
                return;
        for (size_t i = 0; i < n && i < cold->after.n; i++) {
                const TqCondition *c = &cold->after.items[i];
                const TqJob *other = tq_scheduler_job(s->scheduler, c->after.job);

                if (c->is_met)
                        continue;
                if (named == NAMED_MAX) {
                        more++;
                        continue;
                }
                PUT(s->blocker, "%s", named++ ? ", " : "");
                if (c->after.job == 0)
                        PUT(s->blocker, "the next job with Name=%s", words[i]);
                else
                        PUT(s->blocker, "job %" PRIu64 " (%s)", c->after.job,
                            other ? tq_scheduler_state_of(other) : "?");
                if (other && waits_for(s->scheduler, other, job->id))
                        PUT(s->blocker, " that waits for this one");
        }
        if (more > 0)
                PUT(s->blocker, " and %u more", more);
}

static void say_after(const TqJob *job, const TqReason *r, Sentence *s) {
        const TqJob *other = tq_scheduler_job(s->scheduler, r->job);

        PUT(s->text, "%" PRIu64 " of the %" PRIu64 " jobs of its After= have ended well",
            r->current, r->maximum);
        name_awaited(job, s);
        if (other && waits_for(s->scheduler, other, job->id))
                PUT(s->change, "tenantqctl cancel %" PRIu64 ": they wait for each other", job->id);
        else
                PUT(s->change, "%s",
                    other ? "when that job ends with exit 0"
                          : "a job of that name that ends with exit 0");
}

static void say_share(const TqJob *job, const TqReason *r, Sentence *s) {
        const TqTenant *t = job->queue->tenant;
        uint64_t left;

        if (r->tenant == t->id) {
                PUT(s->text, "it is the turn of another queue of the tenant");
                PUT(s->blocker, "job %" PRIu64, r->job);
                PUT(s->change, "tenantqctl hold %" PRIu64, r->job);
                return;
        }
        PUT(s->text,
            "%" PRIu64 " tenants come first that have used less of their share, or have less than "
            "is reserved for them",
            r->current);
        if (!s->is_admin) {
                PUT(s->blocker, "a job of another tenant");
                return;
        }
        PUT(s->blocker, "job %" PRIu64 " of tenant %s", r->job, tenant_name(s, r->tenant));
        if (tq_scheduler_check_reserved(s->scheduler, t->id, t->pool->name, t->running + 1,
                                        &left) == 0)
                PUT(s->change, "tenantqctl limits set %s reserved=%" PRIu64, t->name,
                    t->running + 1);
        else
                PUT(s->change, "tenantqctl hold %" PRIu64, r->job);
}

static void say_retry(const char *why, const TqReason *r, Sentence *s) {
        /* Words of what the supervisor says, and what is to be done then. */
        static const struct {
                const char *words, *mend;
        } rows[] = {
                { "the host forwards no packets", TQ_OUTBOUND_MEND_FORWARD },
                { "the host's name servers", TQ_OUTBOUND_MEND_DNS },
                { "(package nftables)", TQ_OUTBOUND_MEND_NFT },
        };
        const char *mend = "tenantqctl doctor says what the host lacks";

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                if (strstr(why, rows[i].words))
                        mend = rows[i].mend;
        if (why[0] != '\0')
                PUT(s->text, "its launch failed for now (%.350s); it is tried again at ",
                    call_launch_text(why));
        else
                PUT(s->text, "its launch failed for now; it is tried again at ");
        say_time(s->text, sizeof(s->text), r->until_usec);
        PUT_ADMIN(s, "%s", mend);
}

static void say_disabled(const Tenant *t, Sentence *s) {
        char fault[TQ_MESSAGE_TEXT_MAX] = "";

        if (t)
                (void)settings_fault(s->api->settings, t, fault, sizeof(fault));
        PUT(s->text, "the tenant is disabled: %s", fault);
        if (t && strncmp(fault, "tenants.d/", 10) == 0)
                PUT_ADMIN(s, "correct tenants.d/%s.conf; systemctl reload tenantq", t->name);
        else if (t)
                PUT_ADMIN(s, "mend that; tenantqctl tenants says whether anything is left");
}

/* What was said about the job, its queue, its tenant or the host. */
static bool say_order(const TqJob *job, const TqReason *r, Sentence *s) {
        const TqTenant *t = job->queue->tenant;
        const Tenant *et = tenants_get(s->api->tenants, t->id);
        const Job *ej = job_of(job);
        char why[160];

        switch (r->wait) {
        case TQ_WAIT_RECOVERY:
                if (!commit_fault(s->api->commit))
                        return false;
                PUT(s->text, "%s", commit_explain(s->api->commit, why, sizeof(why)));
                PUT(s->change, "%s%s",
                    s->is_admin ? "" : "an administrator: ", commit_mend(s->api->commit));
                break;
        case TQ_WAIT_HELD:
                if (ej->is_held_by_admin && job_cold(ej)->quarantine)
                        PUT(s->text, "it is held in quarantine: %.400s", job_cold(ej)->quarantine);
                else
                        PUT(s->text, "%s",
                            ej->is_held_by_admin ? "an administrator holds it" : "it is held");
                if (ej->is_held_by_admin)
                        PUT_ADMIN(s, "tenantqctl release %" PRIu64, job->id);
                else
                        PUT(s->change, "tenantqctl release %" PRIu64, job->id);
                break;
        case TQ_WAIT_START_AFTER:
                PUT(s->text, "its time is ");
                say_time(s->text, sizeof(s->text), r->until_usec);
                break;
        case TQ_WAIT_AFTER:
                say_after(job, r, s);
                break;
        case TQ_WAIT_LAUNCH_RETRY:
                say_retry(job_cold(ej)->failed_why ? job_cold(ej)->failed_why : "", r, s);
                break;
        case TQ_WAIT_RETRY:
                PUT(s->text,
                    "%" PRIu64 " of its %" PRIu64 " attempts failed (%s); the next one comes at ",
                    r->current, r->maximum,
                    job_cold(ej)->failed_as ? job_cold(ej)->failed_as : "?");
                say_time(s->text, sizeof(s->text), r->until_usec);
                PUT(s->change,
                    "tenantqctl requeue %" PRIu64 ", to have it at once; tenantqctl cancel %" PRIu64
                    ", if it need not be tried again",
                    job->id, job->id);
                break;
        case TQ_WAIT_TENANT_DISABLED:
                say_disabled(et, s);
                break;
        case TQ_WAIT_HOST_PAUSED:
                PUT(s->text, "the host is paused");
                PUT_ADMIN(s, "tenantqctl resume host");
                break;
        case TQ_WAIT_TENANT_PAUSED:
                /* Then resume is refused. */
                if (et && et->ending != TQ_ENDING_NONE) {
                        PUT(s->text, "tenant %s is being removed or changed", t->name);
                        PUT_ADMIN(s, "tenantqctl tenants says what that waits for");
                        break;
                }
                PUT(s->text, "tenant %s is paused", t->name);
                PUT_ADMIN(s, "tenantqctl resume %s", t->name);
                break;
        case TQ_WAIT_QUEUE_PAUSED:
                PUT(s->text, "queue %s is paused", job->queue->name);
                PUT_ADMIN(s, "tenantqctl resume %s/%s", t->name, job->queue->name);
                break;
        default:
                return false;
        }
        return true;
}

/* The limits of its tenant and its queue. */
static void say_concurrency(const TqJob *job, const TqReason *r, Sentence *s) {
        bool is_queue = r->wait == TQ_WAIT_QUEUE_CONCURRENCY;

        PUT(s->text, "the %s runs as many jobs as its concurrency lets it: %" PRIu64 " of %" PRIu64,
            is_queue ? "queue" : "tenant", r->current, r->maximum);
        name_running(job->queue->tenant, is_queue ? job->queue : NULL, s);
        /* More would be refused. */
        if (tq_limits_get(&settings_host(s->api->settings)->ceilings, TQ_KEY_CONCURRENCY,
                          TQ_LIMIT_MAX) <= r->current) {
                PUT_ADMIN(s, "concurrency= in [ceilings] of tenantq.conf; then systemctl reload "
                             "tenantq");
                return;
        }
        PUT_ADMIN(s, "tenantqctl limits set %s%s%s concurrency=%" PRIu64, job->queue->tenant->name,
                  is_queue ? "/" : "", is_queue ? job->queue->name : "", r->current + 1);
}

static void say(const TqJob *job, const TqReason *r, Sentence *s) {
        const TqTenant *t = job->queue->tenant;
        char span[TQ_FORMAT_MAX];

        if (say_order(job, r, s))
                return;
        switch (r->wait) {
        case TQ_WAIT_TENANT_CONCURRENCY:
        case TQ_WAIT_QUEUE_CONCURRENCY:
                say_concurrency(job, r, s);
                break;
        case TQ_WAIT_BEHIND:
                PUT(s->text, "%" PRIu64 " jobs of its queue come before it", r->current);
                PUT(s->blocker, "job %" PRIu64 " is first", r->job);
                PUT(s->change, "a Priority= above theirs, or a queue of its own");
                break;
        case TQ_WAIT_SLOTS:
                say_slots(t->pool, r, s);
                break;
        case TQ_WAIT_LANE:
                PUT(s->text,
                    "long jobs have %" PRIu64 " of their %" PRIu64
                    " slots; the others are for jobs of at most %s",
                    r->current, r->maximum,
                    tq_format_span(settings_host(s->api->settings)->policy.lane_runtime_usec, span,
                                   sizeof(span)));
                PUT(s->change, "RuntimeMaxSec=%s",
                    tq_format_span(settings_host(s->api->settings)->policy.lane_runtime_usec, span,
                                   sizeof(span)));
                break;
        case TQ_WAIT_MEMORY:
                say_memory(r, s);
                break;
        case TQ_WAIT_MEMORY_KEPT:
                PUT(s->text, "memory is kept for a job that has waited for it longer");
                if (!s->is_admin && r->tenant != t->id) {
                        PUT(s->blocker, "a job of another tenant");
                        break;
                }
                PUT(s->blocker, "job %" PRIu64 " of tenant %s", r->job, tenant_name(s, r->tenant));
                PUT(s->change, "tenantqctl hold %" PRIu64, r->job);
                break;
        case TQ_WAIT_SHARE:
                say_share(job, r, s);
                break;
        default:
                PUT(s->text, "%s", tq_reason_waits[r->wait].help);
        }
}

void sentence_say(const TqJob *job, const TqReason *r, Sentence *s) {
        const Tenant *owner = tenants_get(s->api->tenants, job->queue->tenant->id);

        say(job, r, s);
        /* Of a former owner's there is only one thing left to do. */
        if (owner && owner->is_former) {
                s->change[0] = '\0';
                if (r->wait == TQ_WAIT_TENANT_DISABLED)
                        PUT_ADMIN(s, "tenantqctl cancel %" PRIu64, job->id);
        }
}
