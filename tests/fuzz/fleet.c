/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/fleetfile.h"

#include "fuzz.h"

/* A policy of the fleet: what is accepted is accepted with its flag turned, too, and with a tenant
 * of it put in its own place. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TQ_BUFFER_CLEANUP TqBuffer out = {};
        TQ_FREE char *text = NULL;
        TQ_FLEET_CLEANUP TqFleet fleet = {};
        TqError err = {};

        if (size > 100000)
                return 0;
        if (tq_fleetfile_parse((const char *)data, size, &fleet, &err) < 0) {
                fuzz_error(&err);
                return 0;
        }
        text = fuzz_text(data, size);
        for (size_t i = 0; i < TQ_MIN(fleet.n_flags, (size_t)3); i++) {
                TQ_FLEET_CLEANUP TqFleet turned = {};

                tq_buffer_reset(&out);
                FUZZ_ASSERT(tq_fleetfile_turn(text, fleet.flags[i].what.name, !fleet.flags[i].is_on,
                                              &out) >= 0);
                FUZZ_ASSERT(tq_fleetfile_parse(out.data, out.size, &turned, &err) >= 0);
                FUZZ_ASSERT(turned.flags[i].is_on != fleet.flags[i].is_on);
        }
        for (size_t i = 0; i < TQ_MIN(fleet.n, (size_t)3); i++) {
                TQ_FLEET_CLEANUP TqFleet spliced = {};

                tq_buffer_reset(&out);
                FUZZ_ASSERT(tq_fleetfile_splice(text, text, fleet.tenants[i].name, &out) >= 0);
                FUZZ_ASSERT(tq_fleetfile_parse(out.data, out.size, &spliced, &err) >= 0);
                FUZZ_ASSERT(tq_fleet_find(&spliced, fleet.tenants[i].name) != NULL);
        }
        return 0;
}
