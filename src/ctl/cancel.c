/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/ctl.h"

static int each(const Options *o, int argc, char *argv[], const char *method) {
        int worst = 0;

        for (int i = 0; i < argc; i++) {
                CALL_CLEANUP Call c = {};
                uint64_t job;
                int r;

                r = parse_job(argv[i], &job);
                if (r == 0)
                        r = call_open(o, &c, method);
                if (r != 0)
                        return r;
                (void)sd_bus_message_append(c.request, "t", job);
                r = call_send(&c);
                if (r != 0)
                        worst = r;
        }
        return worst;
}

int verb_cancel(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "Cancel");
}

int verb_abandon(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "Abandon");
}
