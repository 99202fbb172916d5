/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* What holds now, in the form that simulate --tenants reads. */

int export_get(const Options *o, char **ret) {
        CALL_CLEANUP Call c = {};
        const char *text;
        int r;

        r = call_open(o, &c, "Export");
        if (r == 0)
                r = call_send(&c);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c.reply, "s", &text);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        *ret = strdup(text);
        return *ret ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

int verb_export(const Options *o, int argc, char *argv[]) {
        TQ_FREE char *text = NULL;
        int r;

        (void)argc;
        (void)argv;
        r = export_get(o, &text);
        if (r == 0)
                (void)fputs(text, stdout);
        return r;
}
