/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ctl.h"
#include "ctl/verbs.h"

int verb_reload(const Options *o, int argc, char *argv[]) {
        CALL_CLEANUP Call c = {};
        int r;

        (void)argc;
        (void)argv;
        r = call_open(o, &c, "Reload");
        if (r == 0 && call_append_intent(&c) < 0)
                r = fail(TQ_EXIT_FAILURE, "out of memory");
        return r != 0 ? r : call_send(&c);
}
