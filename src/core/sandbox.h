/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What of the host a tenant's jobs may reach. */

/* Of the network, in ascending order: a job may choose less than its tenant has. */
typedef enum TqNetwork {
        TQ_NETWORK_NONE, /* a loopback of the tenant's own */
        TQ_NETWORK_HOST, /* the host's */
        _TQ_NETWORK_MAX,
        _TQ_NETWORK_INVALID = -EINVAL,
} TqNetwork;

TqNetwork tq_sandbox_network_from_string(const char *s);
