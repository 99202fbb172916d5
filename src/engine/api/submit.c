/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/api/submitted.h"
#include "engine/api/verbs.h"

static int read_bytes(const Call *c, Submission *ret) {
        const void *bytes;
        int r;

        r = sd_bus_message_read_array(c->message, 'y', &bytes, &ret->size);
        ret->data = bytes;
        return r;
}

static int submit(const Call *c, bool is_trial) {
        Submission s = { .tenant = c->tenant,
                         .uid = c->viewer.uid,
                         .is_trial = is_trial,
                         .has_input = is_trial };
        int r = read_bytes(c, &s);

        return r < 0 ? r : submitted_take(c, &s, NULL, _TQ_KIND_INVALID);
}

/* Submit(tenant, bytes) */
int verb_submit(Call *c) {
        return submit(c, false);
}

/* TrySubmit(tenant, bytes): whether it would be taken, and what it would wait for. */
int verb_try_submit(Call *c) {
        return submit(c, true);
}

/* SubmitInput(tenant, bytes): the same, of a job with StandardInput=client. The caller is given a
 * pipe's end to write to, and has no say in what the job reads from: with a descriptor of his own,
 * his terminal would come along. */
int verb_submit_input(Call *c) {
        Submission s = { .tenant = c->tenant, .uid = c->viewer.uid, .has_input = true };
        int fds[2], r = read_bytes(c, &s);

        if (r < 0)
                return r;
        /* As in OpenLog: what is not read holds descriptors. */
        if (connection_has_unread(c->connection))
                return call_error(c, TQ_CONTROL_BUSY,
                                  "answers to earlier calls have not been read");
        if (pipe2(fds, O_CLOEXEC) < 0)
                return call_error(c, TQ_CONTROL_BUSY, "no pipe can be had now: %s",
                                  strerror(errno));
        s.input_fd = fds[0];
        return submitted_take(c, &s, fds, _TQ_KIND_INVALID);
}
