/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/work.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void work_answer(Ends *e, uint64_t cookie, int result, const void *blob, size_t size) {
        TqMessage m = { .number = { .cookie = cookie, .result = result } };

        if (cookie > 0)
                (void)tq_link_send(e->link, TQ_MESSAGE_ANSWER, &m, blob, size, -EBADF);
}

void work_answer_text(Ends *e, uint64_t cookie, int result, const char *fmt, ...) {
        char text[TQ_MESSAGE_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        work_answer(e, cookie, result, text, strlen(text));
}

Work *work_find(const Ends *e, const char *name) {
        TQ_LIST_FOREACH(node, &e->works) {
                Work *w = TQ_LIST_ENTRY(node, Work, link);

                if (strcmp(w->name, name) == 0 && w->step != TQ_ORDER_LOOK)
                        return w;
        }
        return NULL;
}

Work *work_new(Ends *e, TqOrderStep step, const char *name, const char *to, uint64_t cookie) {
        Work *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->ends = e;
        w->step = step;
        w->cookie = cookie;
        (void)snprintf(w->name, sizeof(w->name), "%s", name);
        (void)snprintf(w->to, sizeof(w->to), "%s", to);
        tq_list_append(&e->works, &w->link);
        return w;
}

Work *work_free(Work *w) {
        (void)sweep_free(w->sweep);
        tq_list_unlink(&w->link);
        free(w);
        return NULL;
}

int work_sweep(Work *w, SweepKind kind, SweepDone done) {
        Ends *e = w->ends;

        return sweep_start(e->event, e->own,
                           &(SweepOrder){ .kind = kind,
                                          .name = w->name,
                                          .spool = e->host->config.spool,
                                          .logs = e->host->config.logs,
                                          .from = w->from,
                                          .to = w->uid,
                                          .gid = w->gid },
                           done, w, &w->sweep);
}

bool work_has_file(const Ends *e, const char *name) {
        char path[TQ_TENANT_NAME_MAX + 32];

        (void)snprintf(path, sizeof(path), "tenants.d/%s.conf", name);
        return faccessat(e->host->config_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}
