/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/sandbox.h"

#include <string.h>

static const char *const networks[_TQ_NETWORK_MAX] = {
        [TQ_NETWORK_NONE] = "none",
        [TQ_NETWORK_HOST] = "host",
};

TqNetwork tq_sandbox_network_from_string(const char *s) {
        for (int i = 0; i < _TQ_NETWORK_MAX; i++)
                if (strcmp(networks[i], s) == 0)
                        return (TqNetwork)i;
        return _TQ_NETWORK_INVALID;
}
