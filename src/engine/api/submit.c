/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/submitted.h"
#include "engine/api/verbs.h"

static int submit(const Call *c, bool is_trial) {
        Submission s = { .tenant = c->tenant, .uid = c->viewer.uid, .is_trial = is_trial };
        const void *bytes;
        int r;

        r = sd_bus_message_read_array(c->message, 'y', &bytes, &s.size);
        if (r < 0)
                return r;
        s.data = bytes;
        return submitted_take(c, &s, _TQ_KIND_INVALID);
}

/* Submit(tenant, bytes) */
int verb_submit(Call *c) {
        return submit(c, false);
}

/* TrySubmit(tenant, bytes): whether it would be taken, and what it would wait for. */
int verb_try_submit(Call *c) {
        return submit(c, true);
}
