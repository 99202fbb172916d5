/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* Dead letters, and jobs that have ended in general, which are run again. What is asked of a target
 * is asked of each of its letters. */

static int ask(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        return sd_bus_message_append(c->request, "stu", (const char *)userdata, from, rows);
}

static int list(const Options *o, const char *target, uint64_t rows, TqTable *ret) {
        return call_pages(o, "ListDead", ask, (void *)target, rows, ret);
}

int verb_dead_list(const Options *o, int argc, char *argv[]) {
        const char *target = argc > 0 ? argv[0] : o->tenant ? o->tenant : "";
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        if (argc > 0 && o->tenant && strcmp(o->tenant, argv[0]) != 0)
                return fail(TQ_EXIT_USAGE, "-t %s, or %s?", o->tenant, argv[0]);
        if (target[0] != '\0' && is_job(target))
                return fail(TQ_EXIT_USAGE,
                            "\"%s\": expected a tenant; dead show %s is about one job", target,
                            target);
        r = list(o, target, o->rows, &t);
        if (r != 0)
                return r;
        if (o->json) {
                output_json(&t, "tenantq.jobs.v1", "jobs");
                return 0;
        }
        if (t.n_rows == 0) {
                output_remark(o, "no dead letters");
                return 0;
        }
        r = table_print(o, &t, "job,tenant,queue,name,attempt,ended_usec,verdict");
        if (r == 0 && t.n_rows == o->rows)
                output_remark(o, "(the newest %zu; more with -n)", t.n_rows);
        return r;
}

int verb_dead_show(const Options *o, int argc, char *argv[]) {
        uint64_t job;
        int r = parse_job(argv[0], &job);

        (void)argc;
        return r != 0 ? r : status_show_job(o, job);
}

typedef struct Work {
        const char *method;
        const char *done;
        bool is_submission; /* its answer is that of one; else there is none */
} Work;

static int one(const Options *o, const Work *w, uint64_t job, uint64_t *ret_job) {
        CALL_CLEANUP Call c = {};
        char about[32];
        int r = call_open(o, &c, w->method);

        if (r != 0)
                return r;
        (void)snprintf(about, sizeof(about), "job %" PRIu64, job);
        c.subject = about;
        r = sd_bus_message_append(c.request, "t", job);
        if (r >= 0)
                r = call_append_intent(&c);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        return w->is_submission ? submit_send(o, &c, ret_job) : call_send(&c);
}

/* What is wrong with one letter is no reason to leave the others. */
static bool is_of_the_letter(int code) {
        return code == TQ_EXIT_INVALID || code == TQ_EXIT_REFUSED || code == TQ_EXIT_NOT_FOUND;
}

static int each_of(const Options *o, const Work *w, const char *target) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = list(o, target, UINT32_MAX, &t), result = 0;
        uint64_t n = 0, same;

        if (r != 0)
                return r;
        /* The oldest first: under a limit, who has waited longest. */
        for (size_t i = t.n_rows; r == 0 && i-- > 0;) {
                r = one(o, w, (uint64_t)tq_table_integer(&t, i, "job", 0), &same);
                n += r == 0;
                if (is_of_the_letter(r)) {
                        result = r;
                        r = 0;
                }
        }
        (void)printf("%s: %" PRIu64 " job%s %s%s\n", target, n, n == 1 ? "" : "s",
                     o->dry_run ? "would be " : "", w->done);
        return r != 0 ? r : result;
}

static int each(const Options *o, const Work *w, int argc, char *argv[]) {
        int result = 0;

        for (int i = 0; i < argc; i++) {
                uint64_t job, same;
                int r;

                if (is_job(argv[i])) {
                        r = parse_job(argv[i], &job);
                        if (r == 0)
                                r = one(o, w, job, &same);
                        if (r == 0 && o->dry_run)
                                (void)printf("job %" PRIu64 ": would be %s\n", job, w->done);
                } else
                        r = each_of(o, w, argv[i]);
                if (r != 0)
                        result = r;
        }
        return result;
}

int verb_dead_retry(const Options *o, int argc, char *argv[]) {
        return each(o, &(Work){ "Revive", "tried again", true }, argc, argv);
}

int verb_dead_purge(const Options *o, int argc, char *argv[]) {
        return each(o, &(Work){ "Purge", "taken out", false }, argc, argv);
}

int verb_rerun(const Options *o, int argc, char *argv[]) {
        int result = 0;

        for (int i = 0; i < argc; i++) {
                uint64_t job, copy = 0;
                int r = parse_job(argv[i], &job);

                if (r == 0)
                        r = one(o, &(Work){ "Rerun", NULL, true }, job, &copy);
                if (r == 0 && !o->dry_run)
                        r = submit_print(o, copy);
                else if (r == 0)
                        (void)printf("job %" PRIu64 ": a copy would be accepted\n", job);
                if (r != 0)
                        result = r;
        }
        return result;
}
