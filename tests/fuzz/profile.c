/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/profilefile.h"

#include "fuzz.h"

/* A profile of root's: what is accepted can be handed out. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TQ_FREE char *text = NULL;
        static TqProfile profile;
        TqError err = {};

        if (size > TQ_PROFILEFILE_MAX)
                return 0;
        text = fuzz_text(data, size);
        if (tq_profilefile_parse("fuzzed", text, &profile, &err) < 0)
                fuzz_error(&err);
        else {
                FUZZ_ASSERT(profile.n_rules <= TQ_PROFILEFILE_RULES);
                tq_profile_done(&profile);
        }
        return 0;
}
