/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/format.h"
#include "core/ids.h"
#include "engine/engine.h"

/* The methods of the control interface, but those of limits. Root and tenantq-admin may do
 * everything; a tenant's own user sees and cancels its own jobs and submits to itself. Somebody
 * else's job is answered as one that does not exist. */

int verbs_reply_error(sd_bus_message *call, TqControlError error, const char *fmt, ...) {
        char text[1024], whole[1200];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        /* What was cut within a character would be no string to D-Bus. */
        return sd_bus_reply_method_errorf(call, tq_control_error_name(error), "%s",
                                          tq_format_utf8(text, whole, sizeof(whole)));
}

/* What the caller may see: -1: everything; a tenant's number; -EPERM: nothing. */
int verbs_scope(const Connection *c, int64_t *ret_tenant) {
        const EngineTenant *own;

        *ret_tenant = -1;
        if (c->is_admin)
                return 0;
        own = tenants_by_uid(c->engine, c->uid);
        if (!own)
                return -EPERM;
        *ret_tenant = own->id;
        return 0;
}

static int denied(sd_bus_message *call) {
        return verbs_reply_error(call, TQ_CONTROL_DENIED,
                                 "only root and the group tenantq-admin may do this");
}

static int not_a_tenant(sd_bus_message *call) {
        return verbs_reply_error(
                call, TQ_CONTROL_DENIED,
                "you are neither root, nor in the group tenantq-admin, nor a tenant's "
                "user");
}

/* A tenant by name, if the caller may know of it. */
static int find_tenant(const Connection *c, const char *name, EngineTenant **ret) {
        EngineTenant *t = tenants_by_title(c->engine, name);

        if (!t || (!c->is_admin && t != tenants_by_uid(c->engine, c->uid)))
                return -ENOENT;
        *ret = t;
        return 0;
}

static int no_tenant(sd_bus_message *call, const char *name) {
        return verbs_reply_error(call, TQ_CONTROL_NOT_FOUND, "no tenant \"%.200s\"", name);
}

/* "acme" or "acme/etl". */
int verbs_find_target(Connection *c, const char *target, EngineTenant **ret_tenant,
                      char *ret_queue) {
        const char *slash = strchr(target, '/');
        char name[TQ_TENANT_TITLE_MAX];
        size_t n = slash ? (size_t)(slash - target) : strlen(target);

        ret_queue[0] = '\0';
        if (n >= sizeof(name))
                return -ENOENT;
        memcpy(name, target, n);
        name[n] = '\0';
        if (find_tenant(c, name, ret_tenant) < 0)
                return -ENOENT;
        if (!slash)
                return 0;
        if (!tq_ids_queue_is_valid(slash + 1))
                return -EINVAL;
        (void)snprintf(ret_queue, TQ_QUEUE_NAME_MAX + 1, "%s", slash + 1);
        return 0;
}

int verbs_reply_target(sd_bus_message *call, int r, const char *target) {
        return r == -EINVAL ? verbs_reply_error(call, TQ_CONTROL_INVALID,
                                                "\"%.200s\": not a queue's name", target)
                            : no_tenant(call, target);
}

int verbs_no_job(sd_bus_message *call, uint64_t job) {
        return verbs_reply_error(call, TQ_CONTROL_NOT_FOUND, "no job %llu",
                                 (unsigned long long)job);
}

const TqJob *verbs_live_job(const Connection *c, sd_bus_message *call, uint64_t id, int *ret) {
        const TqJob *job = tq_scheduler_job(c->engine->scheduler, id);
        int64_t tenant;

        if (job && verbs_scope(c, &tenant) >= 0 &&
            (tenant < 0 || job->tenant->id == (uint32_t)tenant))
                return job;
        *ret = verbs_reply_error(call, TQ_CONTROL_NOT_FOUND,
                                 "no job %llu that has not ended (status shows how one did)",
                                 (unsigned long long)id);
        return NULL;
}

int verbs_add_columns(TqTable *table, const char *const *columns, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = tq_table_add_column(table, columns[i]);
        return r;
}

/* What the ledger knows ------------------------------------------------------------------------ */

static int on_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Question q = {};
        EngineTenant *t;
        const char *name;
        uint64_t before;
        uint32_t limit;
        int all, r;

        (void)error;
        r = sd_bus_message_read(m, "sbtu", &name, &all, &before, &limit);
        if (r < 0)
                return r;
        if (verbs_scope(c, &q.filter.tenant) < 0)
                return not_a_tenant(m);
        if (name[0] != '\0') {
                if (find_tenant(c, name, &t) < 0)
                        return no_tenant(m, name);
                q.filter.tenant = t->id;
        }
        q.filter.live_only = !all;
        q.filter.before = before;
        q.filter.limit = TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS);
        q.filter.max_bytes = TQ_PAGE_BYTES;
        q.wants_page = true;
        return question_ask(c, m, &q);
}

/* What was done to the host, by whom and why, is the administrator's to know. */
static int on_list_events(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Question q = { .filter = { .tenant = -1 }, .wants_events = true };
        Connection *c = userdata;
        uint32_t limit;
        int r;

        (void)error;
        if (!c->is_admin)
                return denied(m);
        r = sd_bus_message_read(m, "tu", &q.filter.before, &limit);
        if (r < 0)
                return r;
        q.filter.limit = TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS);
        q.filter.max_bytes = TQ_PAGE_BYTES;
        q.wants_page = true;
        return question_ask(c, m, &q);
}

/* What holds a slot now, however old: the scheduler knows which, the ledger what they are. */
static void add_active(const TqTenant *t, uint64_t after, uint64_t *ids, size_t *n, size_t max) {
        TQ_LIST_FOREACH(node, &t->active) {
                const TqJob *job = TQ_LIST_ENTRY(node, TqJob, active);
                size_t at;

                if (job->id <= after)
                        continue;
                /* The smallest `max` of them, in order. */
                for (at = *n; at > 0 && ids[at - 1] > job->id; at--)
                        if (at < max)
                                ids[at] = ids[at - 1];
                if (at < max)
                        ids[at] = job->id;
                *n = TQ_MIN(*n + 1, max);
        }
}

/* ListActive(tenant, after, rows): those with a slot, the oldest first; next: the `after` of the
 * next page. */
static int on_list_active(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Engine *e = c->engine;
        Question q = { .wants_page = true };
        EngineTenant *t = NULL;
        size_t position = 0;
        const char *name;
        uint64_t after;
        uint32_t limit;
        int64_t scope;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "stu", &name, &after, &limit);
        if (r < 0)
                return r;
        if (verbs_scope(c, &scope) < 0)
                return not_a_tenant(m);
        if (name[0] != '\0' && find_tenant(c, name, &t) < 0)
                return no_tenant(m, name);
        if (!t && scope >= 0)
                t = tq_map_get(&e->tenants, (uint64_t)scope);
        q.filter.limit = TQ_MAX(TQ_MIN(limit, (uint32_t)TQ_PAGE_ROWS), 1U);
        q.ids = calloc(q.filter.limit, sizeof(*q.ids));
        if (!q.ids)
                return -ENOMEM;
        if (t) {
                const TqTenant *view = tq_scheduler_tenant(e->scheduler, t->id);

                if (view)
                        add_active(view, after, q.ids, &q.n_ids, q.filter.limit);
        }
        while (!t && (t = tq_map_next(&e->tenants, &position))) {
                const TqTenant *view = tq_scheduler_tenant(e->scheduler, t->id);

                if (view)
                        add_active(view, after, q.ids, &q.n_ids, q.filter.limit);
                t = NULL;
        }
        q.n_looked = q.n_ids;
        q.filter.max_bytes = TQ_PAGE_BYTES;
        return question_ask(c, m, &q);
}

static int on_get_job(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        int64_t tenant;
        uint64_t job;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "t", &job);
        if (r < 0)
                return r;
        if (verbs_scope(c, &tenant) < 0)
                return verbs_no_job(m, job);
        return question_ask_about_job(c, m, job, tenant);
}

static int wait_for(Connection *c, sd_bus_message *m, WaitKind kind, uint64_t job, int64_t scope) {
        int r = control_wait_for(c, m, kind, job, scope);

        if (r == -EBUSY)
                return verbs_reply_error(m, TQ_CONTROL_BUSY,
                                         "you wait for too many jobs at the same time (%d)",
                                         CALLERS_WAITING_UID);
        return r < 0 ? r : 1;
}

/* The job that a call is about; *ret_live NULL: it is not live. 0; 1 or a negative errno: that is
 * all that is to be said. */
static int read_job(const Connection *c, sd_bus_message *m, uint64_t *ret_job, int64_t *ret_tenant,
                    const TqJob **ret_live) {
        bool is_seen;
        int r = sd_bus_message_read(m, "t", ret_job);

        if (r < 0)
                return r;
        *ret_live = tq_scheduler_job(c->engine->scheduler, *ret_job);
        is_seen =
                verbs_scope(c, ret_tenant) >= 0 &&
                (!*ret_live || *ret_tenant < 0 || (*ret_live)->tenant->id == (uint32_t)*ret_tenant);
        if (is_seen)
                return 0;
        /* 0 where no reply is wanted, which is an end all the same. */
        r = verbs_no_job(m, *ret_job);
        return r < 0 ? r : 1;
}

/* Until the job has a process, or never will have: its output can be followed from then on. */
static int on_wait_start(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        const TqJob *live;
        int64_t tenant;
        uint64_t job;
        int r;

        (void)error;
        r = read_job(c, m, &job, &tenant, &live);
        if (r != 0)
                return r;
        if (live && live->state < TQ_JOB_RUNNING)
                return wait_for(c, m, WAIT_START, job, tenant);
        return sd_bus_reply_method_return(m, "");
}

static int on_wait(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        const TqJob *live;
        int64_t tenant;
        uint64_t job;
        int r;

        (void)error;
        r = read_job(c, m, &job, &tenant, &live);
        if (r != 0)
                return r;
        if (!live && !tq_map_get(&c->engine->ending, job) && !tq_map_get(&c->engine->aborting, job))
                return question_ask_about_job(c, m, job, tenant);
        return wait_for(c, m, WAIT_END, job, tenant);
}

/* Jobs ---------------------------------------------------------------------------------------- */

/* Answer: job (0: refused by a limit), code, sentence, limit, current, maximum, seconds until it
 * may be tried again (0: not by itself). With a job, code and the rest say what it comes near to.
 */
int verbs_reply_submitted(sd_bus_message *call, const char *tenant, uint64_t job,
                          const TqRefusal *refusal) {
        bool says_something = refusal->kind != TQ_REFUSAL_NONE;
        char text[512] = "";

        if (says_something)
                (void)tq_admit_format(refusal, tenant, text, sizeof(text));
        return sd_bus_reply_method_return(call, "tsssttt", job,
                                          says_something ? tq_admit_code(refusal) : "", text,
                                          says_something ? tq_admit_limit(refusal) : "",
                                          tq_admit_number(refusal, refusal->current),
                                          tq_admit_number(refusal, refusal->maximum),
                                          says_something ? tq_admit_retry_after(refusal) : 0);
}

static int on_submit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Answer answer = {};
        char text[1024];
        const char *name;
        const void *data;
        EngineTenant *t;
        size_t size;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &data, &size);
        if (r < 0)
                return r;
        if (name[0] == '\0') {
                t = tenants_by_uid(c->engine, c->uid);
                if (!t)
                        return verbs_reply_error(
                                m, TQ_CONTROL_NOT_FOUND,
                                "you are no tenant's user: say which tenant with -t");
        } else if (find_tenant(c, name, &t) < 0)
                return no_tenant(m, name);
        if (t->is_gone || t->is_user_gone || t->is_former)
                return verbs_reply_error(m, TQ_CONTROL_REFUSED, "tenant %s: %s", t->name,
                                         tenants_fault(t, text, sizeof(text)));
        r = intake_submit(
                c->engine,
                &(Submission){ .tenant = t, .uid = c->uid, .data = data, .size = size, .call = m },
                &answer);
        if (r >= 0)
                return 1;
        if (answer.refusal.kind != TQ_REFUSAL_NONE)
                return verbs_reply_submitted(m, t->name, 0, &answer.refusal);
        return verbs_reply_error(m, answer.error, "%s",
                                 tq_error_format(&answer.err, text, sizeof(text)));
}

static void on_cancel_recorded(Engine *e, void *data, int result) {
        sd_bus_message *call = data;
        char why[160];

        if (result < 0)
                (void)verbs_reply_error(
                        call, TQ_CONTROL_REFUSED,
                        "could not be recorded: after a restart the job is as it was; %s",
                        engine_unrecorded(e, why, sizeof(why)));
        else
                (void)sd_bus_reply_method_return(call, "");
        (void)sd_bus_message_unref(call);
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Engine *e = c->engine;
        const TqJob *job;
        bool is_starting;
        Effect *effect;
        uint32_t tenant;
        uint64_t id;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "t", &id);
        if (r < 0)
                return r;
        job = verbs_live_job(c, m, id, &r);
        if (!job)
                return r;
        tenant = job->tenant->id;
        /* A launch at its barrier is recorded nowhere yet: the answer is its end, since a crash
         * before that would start the job after all. */
        is_starting = job->state == TQ_JOB_STARTING;
        r = dispatch_step(e, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = id });
        if (r < 0 && r != -EALREADY)
                return r;
        /* Only what changed something; the second time it does not. */
        if (r >= 0 && c->is_admin)
                batch_event(e, "cancel", tenant, id, c->uid, "cancelled by user %u", c->uid);
        else if (r >= 0)
                batch_event_of(e, tq_map_get(&e->tenants, tenant), "cancel", id, c->uid,
                               "cancelled by user %u", c->uid);
        if (is_starting)
                return wait_for(c, m, WAIT_CANCEL, id, (int64_t)tenant);
        effect = batch_effect(e, EFFECT_CALLBACK);
        if (!effect)
                return -ENOMEM;
        effect->callback = on_cancel_recorded;
        effect->data = sd_bus_message_ref(m);
        return 1;
}

/* A job whose processes don't die, or whose cgroup can't be removed: its slot is given back on an
 * administrator's word. */
static int on_abandon(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Engine *e = c->engine;
        const EngineTenant *t;
        const TqJob *job;
        uint64_t id;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "t", &id);
        if (r < 0)
                return r;
        if (!c->is_admin)
                return denied(m);
        job = verbs_live_job(c, m, id, &r);
        if (!job)
                return r;
        if (job->state != TQ_JOB_STOPPING && !(job->state == TQ_JOB_STARTING && job->abort))
                return verbs_reply_error(
                        m, TQ_CONTROL_INVALID,
                        "job %llu is %s: only one that was told to stop can be given "
                        "up; cancel it first",
                        (unsigned long long)id, tq_scheduler_state_to_string(job->state));
        batch_event(e, "abandon", job->tenant->id, id, c->uid, "given up by user %u", c->uid);
        t = tq_map_get(&e->tenants, job->tenant->id);
        dispatch_send(e, TQ_MESSAGE_ABANDON, t ? t->handle : 0, id, job->attempt);
        return wait_for(c, m, WAIT_CANCEL, id, -1);
}

/* Output: the supervisor opens the file, the caller gets the descriptor. */

static void on_log_opened(Engine *e, Request *r, int result, const char *blob, size_t size,
                          int *fd) {
        (void)e;
        (void)blob;
        (void)size;
        if (result == -ENOENT)
                (void)verbs_reply_error(r->call, TQ_CONTROL_NOT_FOUND, "%s",
                                        r->is_end ? "the job has no output: it never ran, or its "
                                                    "output was removed"
                                                  : "the job has no output yet");
        else if (result < 0 || *fd < 0)
                (void)verbs_reply_error(r->call, TQ_CONTROL_FAILED, "can't open the output: %s",
                                        strerror(result < 0 ? -result : EBADF));
        else {
                int failed = sd_bus_reply_method_return(r->call, "h", *fd);

                /* Without a descriptor to spare the call would never be answered. */
                if (failed < 0)
                        (void)verbs_reply_error(r->call, TQ_CONTROL_BUSY,
                                                "the output can't be handed over now: %s",
                                                strerror(-failed));
        }
}

static int open_log(Question *q) {
        Engine *e = q->engine;
        const EngineTenant *t = tenants_by_name(e, tq_table_text(&q->table, 0, "tenant"));
        uint32_t attempt = (uint32_t)tq_table_integer(&q->table, 0, "attempt", 0);
        const TqJob *live = tq_scheduler_job(e->scheduler, q->filter.job);
        TqMessage m = { .open_log = { .job = q->filter.job, .stream = q->stream } };
        Request *r;

        if (attempt == 0 && live)
                attempt = live->attempt;
        r = requests_new(e);
        if (!r)
                return -ENOMEM;
        r->answered = on_log_opened;
        r->is_end = !live;
        r->call = sd_bus_message_ref(q->call);
        m.open_log.cookie = r->cookie;
        m.open_log.attempt = attempt;
        m.open_log.tenant = t ? t->handle : 0;
        return tq_channel_send(e->channel, TQ_MESSAGE_OPEN_LOG, &m, NULL, 0, -EBADF);
}

static int on_open_log(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Question q = { .wants_one = true, .then = open_log };
        const char *stream;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "ts", &q.filter.job, &stream);
        if (r < 0)
                return r;
        if (q.filter.job == 0 || verbs_scope(c, &q.filter.tenant) < 0)
                return verbs_no_job(m, q.filter.job);
        /* What is not read holds descriptors, which are counted against all callers together. */
        if (control_has_unread(c))
                return verbs_reply_error(m, TQ_CONTROL_BUSY,
                                         "answers to earlier calls have not been read");
        q.filter.limit = 1;
        q.stream = strcmp(stream, "err") == 0;
        return question_ask(c, m, &q);
}

/* Tenants ------------------------------------------------------------------------------------- */

static const char *state_of(const EngineTenant *t, const TqTenant *view) {
        char fault[TQ_MESSAGE_TEXT_MAX];

        if (t->is_former)
                return "former";
        if (t->is_gone)
                return "gone";
        if (tenants_fault(t, fault, sizeof(fault)))
                return "disabled";
        if (view && view->is_paused)
                return view->is_draining ? "paused, draining" : "paused";
        return view && view->is_draining ? "draining" : "ready";
}

/* Why it is not ready, what of it is switched off, and whether files wait to be taken. */
static void fault_of(const EngineTenant *t, const TqTenant *view, char *buf, size_t size) {
        size_t at = 0;

        buf[0] = '\0';
        if (tenants_fault(t, buf, size))
                return;
        if (t->launch_note[0] != '\0')
                at = (size_t)snprintf(buf, size, "jobs can't be launched for now: %s",
                                      t->launch_note);
        if (t->output_fails && at < size)
                at += (size_t)snprintf(
                        buf + at, size - at,
                        "%soutput of its latest job could not be written (disk of the "
                        "logs full?)",
                        at > 0 ? "; " : "");
        if (t->note[0] != '\0' && at < size)
                at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? "; " : "", t->note);
        if (t->is_full && at < size)
                at += (size_t)snprintf(buf + at, size - at,
                                       "%sfiles stay in its spool (see events)",
                                       at > 0 ? "; " : "");
        if (!view)
                return;
        TQ_LIST_FOREACH(node, &view->queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                if (at < size && (q->is_paused || q->is_draining))
                        at += (size_t)snprintf(buf + at, size - at, "%squeue %s is %s%s%s",
                                               at > 0 ? "; " : "", q->name,
                                               q->is_paused ? "paused" : "",
                                               q->is_paused && q->is_draining ? ", " : "",
                                               q->is_draining ? "draining" : "");
        }
}

static int add_tenant(Engine *e, TqTable *t, const EngineTenant *tenant) {
        const TqTenant *view = tq_scheduler_tenant(e->scheduler, tenant->id);
        char fault[1024], title[TQ_TENANT_TITLE_MAX];
        char concurrency[TQ_FORMAT_MAX];
        int r;

        r = tq_table_add_row(t);
        if (r < 0)
                return r;
        r = tq_table_set_text(t, 0, tenants_title(tenant, title));
        if (tenant->uid != TQ_UID_UNKNOWN)
                tq_table_set_integer(t, 1, tenant->uid);
        if (r >= 0)
                r = tq_table_set_text(t, 2, tenant->user[0] ? tenant->user : NULL);
        if (r >= 0)
                r = tq_table_set_text(t, 3, state_of(tenant, view));
        tq_table_set_integer(t, 4, view ? (int64_t)view->running : 0);
        tq_table_set_integer(t, 5, view ? (int64_t)view->waiting.jobs : 0);
        if (r >= 0)
                r = tq_table_set_text(t, 6,
                                      tenants_has_concurrency(e, tenant)
                                              ? tq_limits_format(&tenant->effective,
                                                                 TQ_KEY_CONCURRENCY, concurrency,
                                                                 sizeof(concurrency))
                                              : "1 per queue");
        if (r < 0)
                return r;
        fault_of(tenant, view, fault, sizeof(fault));
        return tq_table_set_text(t, 7, fault[0] ? fault : NULL);
}

static int by_name(const void *a, const void *b) {
        return strcmp((*(const EngineTenant *const *)a)->name,
                      (*(const EngineTenant *const *)b)->name);
}

/* A former owner is of interest as long as it has jobs. */
static bool has_jobs(const Engine *e, const EngineTenant *t) {
        const TqTenant *view = tq_scheduler_tenant(e->scheduler, t->id);

        return view && (view->running > 0 || view->waiting.jobs > 0);
}

int verbs_visible_tenants(const Connection *c, const EngineTenant ***ret, size_t *ret_n) {
        const EngineTenant **list = calloc(c->engine->tenants.size + 1, sizeof(*list));
        const EngineTenant *t;
        size_t position = 0, n = 0;

        if (!list)
                return -ENOMEM;
        while ((t = tq_map_next(&c->engine->tenants, &position)))
                if (c->is_admin && (!t->is_former || has_jobs(c->engine, t)))
                        list[n++] = t;
        t = c->is_admin ? NULL : tenants_by_uid(c->engine, c->uid);
        if (t)
                list[n++] = t;
        qsort((void *)list, n, sizeof(*list), by_name);
        *ret = list;
        *ret_n = n;
        return 0;
}

static int on_list_tenants(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const char *const columns[] = { "tenant",  "uid",     "user",        "state",
                                               "running", "waiting", "concurrency", "fault" };
        TQ_FREE const EngineTenant **list = NULL;
        TQ_TABLE_CLEANUP TqTable table = {};
        Connection *c = userdata;
        size_t n = 0;
        int r;

        (void)error;
        r = verbs_visible_tenants(c, &list, &n);
        if (r >= 0)
                r = verbs_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_tenant(c->engine, &table, list[i]);
        return r < 0 ? r : tq_control_reply_table(m, &table);
}

static void on_reloaded(Engine *e, Request *r, int result, const char *blob, size_t size, int *fd) {
        uid_t uid = r->uid;

        (void)size;
        (void)fd;
        if (result < 0) {
                batch_event(e, "reload", 0, 0, uid, "by user %u: refused: %.400s", uid, blob);
                (void)verbs_reply_error(r->call, TQ_CONTROL_INVALID,
                                        "%s; the old configuration stays in force", blob);
                return;
        }
        batch_event(e, "reload", 0, 0, uid, "by user %u", uid);
        (void)sd_bus_reply_method_return(r->call, "");
}

static int on_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        TqMessage message = {};
        Request *r;
        int answer;

        (void)error;
        if (!c->is_admin)
                return denied(m);
        r = requests_new(c->engine);
        if (!r)
                return -ENOMEM;
        r->answered = on_reloaded;
        r->call = sd_bus_message_ref(m);
        message.number.cookie = r->cookie;
        r->uid = c->uid;
        answer = tq_channel_send(c->engine->channel, TQ_MESSAGE_RELOAD, &message, NULL, 0, -EBADF);
        /* 0 would tell sd-bus that the method is not ours. */
        return answer < 0 ? answer : 1;
}

const sd_bus_vtable verbs_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Submit", "say", "tsssttt", on_submit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListJobs", "sbtu", TQ_PAGE_SIGNATURE, on_list_jobs,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListActive", "stu", TQ_PAGE_SIGNATURE, on_list_active,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetJob", "t", TQ_TABLE_SIGNATURE, on_get_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("WaitStart", "t", "", on_wait_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Wait", "t", TQ_TABLE_SIGNATURE, on_wait, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Abandon", "t", "", on_abandon, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Cancel", "t", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenLog", "ts", "h", on_open_log, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListTenants", "", TQ_TABLE_SIGNATURE, on_list_tenants,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetLimits", "s", TQ_TABLE_SIGNATURE, limits_on_get,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetLimits", "sasass", TQ_TABLE_SIGNATURE, limits_on_set,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Hold", "tbs", "", switches_on_hold, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Switch", "sss", "t", switches_on_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Explain", "t", TQ_TABLE_SIGNATURE, explain_on_job,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Queue", "s", TQ_TABLE_SIGNATURE, explain_on_queue,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListEvents", "tu", TQ_PAGE_SIGNATURE, on_list_events,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListPools", "", TQ_TABLE_SIGNATURE, pools_on_list,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Export", "", "s", export_on_get, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
