/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "ctl/ctl.h"

int submit_bytes(const Options *o, const char *data, size_t size, uint64_t *ret_job) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "Submit");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "s", o->tenant ? o->tenant : "");
        if (r >= 0)
                r = sd_bus_message_append_array(c.request, 'y', data, size);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        r = call_send(&c);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c.reply, "t", ret_job);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read") : 0;
}

static int read_all(FILE *f, const char *name, TqBuffer *ret) {
        char piece[8192];
        size_t n;

        while ((n = fread(piece, 1, sizeof(piece), f)) > 0 && ret->size <= TQ_JOB_FILE_MAX)
                tq_buffer_append(ret, piece, n);
        if (ferror(f))
                return fail(TQ_EXIT_FAILURE, "%s: can't be read", name);
        if (ret->size > TQ_JOB_FILE_MAX)
                return fail(TQ_EXIT_INVALID, "%s: larger than %d bytes", name, TQ_JOB_FILE_MAX);
        return tq_buffer_error(ret) < 0 ? fail(TQ_EXIT_FAILURE, "out of memory") : 0;
}

int verb_submit(const Options *o, int argc, char *argv[]) {
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        FILE *f;
        uint64_t job = 0;
        int r;

        (void)argc;
        f = strcmp(argv[0], "-") == 0 ? stdin : fopen(argv[0], "re");
        if (!f)
                return fail(TQ_EXIT_FAILURE, "%s: %s", argv[0], strerror(errno));
        r = read_all(f, argv[0], &data);
        if (f != stdin)
                (void)fclose(f);
        if (r == 0)
                r = submit_bytes(o, data.data ? data.data : "", data.size, &job);
        if (r != 0)
                return r;
        (void)printf(o->json ? "{\"schema\":\"tenantq.submit.v1\",\"job\":%" PRIu64 "}\n"
                             : "%" PRIu64 "\n",
                     job);
        return 0;
}
