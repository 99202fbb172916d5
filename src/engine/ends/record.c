/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/record.h"

#include <stdio.h>

static int record(Commit *c, const Tenant *t, TqKind kind, const EndOrder *o, const char *fmt,
                  va_list ap) TQ_PRINTF(5, 0);
static int record(Commit *c, const Tenant *t, TqKind kind, const EndOrder *o, const char *fmt,
                  va_list ap) {
        char text[1024];

        (void)vsnprintf(text, sizeof(text), fmt, ap);
        return audit_add(c, &(AuditRow){ .kind = kind,
                                         .uid = o->uid,
                                         .origin = o->origin,
                                         .tenant = t->id,
                                         .tenant_name = t->name,
                                         .about = text,
                                         .why = o->why });
}

int end_record(Commit *c, const Tenant *t, TqKind kind, const EndOrder *o, const char *fmt, ...) {
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = record(c, t, kind, o, fmt, ap);
        va_end(ap);
        return r;
}

int end_record_step(Commit *c, const Tenant *t, TqKind kind, const char *fmt, ...) {
        const EndOrder o = { .uid = t->ending_uid, .why = t->ending_why };
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = record(c, t, kind, &o, fmt, ap);
        va_end(ap);
        return r;
}
