/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine as its main.c puts it together, and stand-ins for what is around its rooms: clocks,
 * the worker's thread, the channel to the supervisor, the journal. main() is not called: what it
 * does is begun, gone on with and ended here, a step at a time.
 *
 * It dies between two steps, or of its fuse: from then on nothing that it does has an effect, and
 * it is freed as if it left. So nothing leaks, and what is on the disk is what was there when it
 * died. */

int tenantq_engine_main(int argc, char *argv[]);
#define main tenantq_engine_main
#include "engine/main.c"
#undef main

#include "base/clock.h"
#include "loop.h"

static Engine engine;
static bool lives, is_closed;
static TqList up = { &up, &up }, down = { &down, &down };

/* Clocks -----------------------------------------------------------------------------------------
 */

uint64_t tq_clock_realtime_usec(void) {
        return sim.realtime + sim.boottime;
}

uint64_t tq_clock_monotonic_usec(void) {
        return sim.boottime;
}

uint64_t tq_clock_boottime_usec(void) {
        return sim.boottime;
}

/* Journal -------------------------------------------------------------------------------------- */

static char last_error[512];

void tq_log_open(const char *prefix) {
        (void)prefix;
}

static void log_va(int priority, const char *fmt, va_list ap) {
        if (priority <= LOG_ERR)
                (void)vsnprintf(last_error, sizeof(last_error), fmt, ap);
}

void tq_log(int priority, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        log_va(priority, fmt, ap);
        va_end(ap);
}

void tq_log_about(int priority, TqLogAbout about, const char *fmt, ...) {
        va_list ap;

        (void)about;
        va_start(ap, fmt);
        log_va(priority, fmt, ap);
        va_end(ap);
}

/* Worker --------------------------------------------------------------------------------------- */

struct TqWorker {
        TqList urgent, todo, finished;
        void *userdata;
};

static TqWorker *worker;

int tq_worker_new(void *userdata, TqWorker **ret) {
        TqWorker *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        tq_list_init(&w->urgent);
        tq_list_init(&w->todo);
        tq_list_init(&w->finished);
        w->userdata = userdata;
        *ret = worker = w;
        return 0;
}

static TqList *next_task(const TqWorker *w) {
        TqList *first = tq_list_first(&w->urgent);

        return first ? first : tq_list_first(&w->todo);
}

static void run_one(TqWorker *w, TqList *node) {
        TqTask *task = TQ_LIST_ENTRY(node, TqTask, link);

        tq_list_unlink(node);
        task->run(task);
        tq_list_append(&w->finished, node);
        loop_worker_is_ready = true;
}

TqWorker *tq_worker_free(TqWorker *w) {
        TqList *node;

        if (!w)
                return NULL;
        while ((node = next_task(w)))
                run_one(w, node);
        tq_worker_collect(w);
        free(w);
        worker = NULL;
        return NULL;
}

int tq_worker_fd(const TqWorker *w) {
        (void)w;
        return LOOP_FD_WORKER;
}

void tq_worker_submit(TqWorker *w, TqTask *task, bool is_urgent) {
        tq_list_append(is_urgent ? &w->urgent : &w->todo, &task->link);
}

void tq_worker_collect(TqWorker *w) {
        TqList *node;

        loop_worker_is_ready = false;
        while ((node = tq_list_first(&w->finished))) {
                TqTask *task = TQ_LIST_ENTRY(node, TqTask, link);

                tq_list_unlink(node);
                task->done(task, w->userdata);
        }
}

bool engine_worker_has_work(void) {
        return worker && next_task(worker);
}

void engine_worker_turn(void) {
        (void)sim_is_engine(true);
        run_one(worker, next_task(worker));
        (void)sim_is_engine(false);
}

/* Channel -------------------------------------------------------------------------------------- */

struct TqChannel {
        sd_event_source *source;
        TqChannelHandler handler;
        TqChannelClosed closed;
        void *userdata;
};

static void post(TqList *list, TqMessageType type, TqMessage *m, const void *blob, size_t size) {
        WORLD;
        size_t body = sizeof(m->header) + tq_message_body_size(type);
        Letter *l = malloc(offsetof(Letter, message) + body + size + 1);
        char *bytes = (char *)&l->message;

        if (!l)
                abort();
        m->header = (TqMessageHeader){ .version = TQ_MESSAGE_VERSION,
                                       .type = (uint16_t)type,
                                       .blob_size = (uint32_t)size };
        memcpy(bytes, m, body);
        if (size > 0)
                memcpy(bytes + body, blob, size);
        bytes[body + size] = '\0';
        l->blob = bytes + body;
        if (tq_message_check(&l->message, body + size) < 0)
                sim_fail("a message of type %d is malformed", (int)type);
        tq_list_append(list, &l->link);
}

static Letter *take(TqList *list) {
        TqList *first = tq_list_first(list);

        if (!first)
                return NULL;
        tq_list_unlink(first);
        return TQ_LIST_ENTRY(first, Letter, link);
}

static void drop_all(TqList *list) {
        Letter *l;

        while ((l = take(list)))
                free(l);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        TqChannel *c = userdata;
        Letter *l;
        int r = 0;

        (void)source;
        (void)fd;
        (void)revents;
        for (uint64_t n = 1 + sim_draw(64); r >= 0 && n > 0 && (l = take(&up)); n--) {
                int none = -EBADF;

                r = c->handler(c->userdata, &l->message, l->blob, &none);
                free(l);
        }
        loop_channel_is_ready = is_closed || tq_list_first(&up);
        if (r < 0 || (is_closed && !tq_list_first(&up))) {
                loop_channel_is_ready = false;
                c->closed(c->userdata, r == -EPIPE ? 0 : r);
        }
        return 0;
}

int tq_channel_new(sd_event *event, int fd, int64_t priority, TqChannelHandler handler,
                   TqChannelClosed closed, void *userdata, TqChannel **ret) {
        TqChannel *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (TqChannel){ .handler = handler, .closed = closed, .userdata = userdata };
        r = sd_event_add_io(event, &c->source, fd, 0, on_io, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->source, priority);
        *ret = c;
        return r;
}

TqChannel *tq_channel_free(TqChannel *c) {
        if (c)
                (void)sd_event_source_disable_unref(c->source);
        free(c);
        return NULL;
}

void tq_channel_flush(TqChannel *c) {
        (void)c;
}

int tq_channel_send(TqChannel *c, TqMessageType type, TqMessage *m, const void *blob, size_t size,
                    int fd) {
        (void)c;
        (void)fd;
        if (is_closed || !sim_engine_acts())
                return -EPIPE;
        post(&down, type, m, blob, size);
        oracle_said(m);
        return 0;
}

void engine_tell(TqMessageType type, TqMessage *m, const void *blob, size_t size) {
        post(&up, type, m, blob, size);
        loop_channel_is_ready = true;
}

Letter *engine_said(void) {
        return take(&down);
}

/* Life ----------------------------------------------------------------------------------------- */

int __wrap_tq_crumb_map(int fd, TqCrumb **ret);
int __wrap_tq_crumb_map(int fd, TqCrumb **ret) {
        static TqCrumb crumb;

        (void)fd;
        *ret = &crumb;
        return 0;
}

static void bury(void) {
        (void)sim_is_engine(true);
        leave(&engine);
        (void)sim_is_engine(false);
        engine = (Engine){};
        lives = is_closed = false;
        sim.engine_is_dead = sim.was_hit = false;
        sim.fuse = sim.memory_fuse = 0;
        host_engine_is_gone();
        drop_all(&up);
        loop_channel_is_ready = loop_worker_is_ready = false;
}

/* After whatever may have been its last step. */
static void look_after(void) {
        int code;

        if (sim.engine_is_dead) {
                sim_note("engine: died", 0, 0);
                bury();
        } else if (loop_must_exit(engine.event, &code)) {
                sim_note("engine: leaves", (uint64_t)code, 0);
                if ((!is_closed || code != 0) && !sim.was_hit)
                        sim_fail("the engine left by itself: %s", last_error);
                bury();
        }
}

bool engine_lives(void) {
        return lives;
}

void engine_start(void) {
        int r;

        sim.n_starts++;
        sim_note("engine: starts", sim.n_starts, 0);
        last_error[0] = '\0';
        /* The room for callers closes it. */
        (void)dup2(FD_CRUMB, FD_LISTEN);
        lives = true;
        (void)sim_is_engine(true);
        r = start(&engine, DISK_LEDGER);
        (void)sim_is_engine(false);
        if (r < 0 && !sim.was_hit)
                sim_fail("the engine can't start: %s", strerror(-r));
        if (r < 0)
                sim.engine_is_dead = true;
        look_after();
}

bool engine_has_work(void) {
        return lives && loop_is_due(engine.event);
}

void engine_turn(void) {
        (void)sim_is_engine(true);
        loop_turn(engine.event);
        (void)sim_is_engine(false);
        oracle_perform_early();
        look_after();
}

uint64_t engine_next(void) {
        return lives ? loop_next(engine.event) : UINT64_MAX;
}

void engine_close(void) {
        is_closed = loop_channel_is_ready = true;
}

void engine_kill(void) {
        sim.engine_is_dead = true;
        look_after();
}

bool engine_records(void) {
        return !commit_is_degraded(engine.commit);
}

void engine_cancel(uint64_t job) {
        if (!lives || !engine.is_open)
                return;
        (void)sim_is_engine(true);
        (void)dispatch_step(engine.dispatch, &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = job });
        (void)sim_is_engine(false);
        loop_happened(engine.event);
}

bool engine_may_see(uint32_t uid, uint32_t tenant) {
        return tenants_may_see(engine.tenants, &(Viewer){ .uid = uid, .origin = ORIGIN_UNKNOWN },
                               tenants_by_handle(engine.tenants, tenant));
}
