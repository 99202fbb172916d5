/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What of the host a tenant's jobs may reach. */

/* Of the network, in ascending order: a job may choose less than its tenant has. */
typedef enum TqNetwork {
        TQ_NETWORK_NONE,     /* a loopback of the tenant's own */
        TQ_NETWORK_OUTBOUND, /* a network of the tenant's own, with a way out of the host */
        TQ_NETWORK_HOST,     /* the host's */
        _TQ_NETWORK_MAX,
        _TQ_NETWORK_INVALID = -EINVAL,
} TqNetwork;

TqNetwork tq_sandbox_network_from_string(const char *s);

/* The addresses of the tenants' own networks, two for each: the host's end, then the tenant's
 * (RFC 3021). */
typedef struct TqOutbound {
        uint32_t first; /* IPv4, in the host's byte order; even */
        uint32_t bits;  /* of the range's prefix: 8 to 30 */
} TqOutbound;

#define TQ_OUTBOUND_DEFAULT                                                                        \
        "198.18.0.0/15" /* of no network: for tests between devices (RFC 2544) */

/* "198.18.0.0/15". -EINVAL: it is no such range, or has loopback, link-local, multicast or other
 * addresses that no network can have. */
int tq_sandbox_outbound_from_string(const char *s, TqOutbound *ret);

/* What no network can have, and what has a meaning of its own wherever it is met: nobody is let out
 * to there. */
#define TQ_OUTBOUND_RESERVED 4
extern const TqOutbound tq_outbound_reserved[TQ_OUTBOUND_RESERVED];

/* What is to be done where the host lacks something that network=outbound needs. */
#define TQ_OUTBOUND_MEND_NFT "apt-get install nftables"
#define TQ_OUTBOUND_MEND_FORWARD                                                                   \
        "net.ipv4.ip_forward=1 in /etc/sysctl.d/60-tenantq.conf; sysctl --system. It is for all "  \
        "interfaces: look at the firewall"
#define TQ_OUTBOUND_MEND_DNS "[host] outbound_dns=ADDRESS in tenantq.conf; tenantqctl reload"

static inline uint32_t tq_outbound_mask(const TqOutbound *o) {
        return ~UINT32_C(0) << (32 - o->bits);
}

static inline uint32_t tq_outbound_networks(const TqOutbound *o) {
        return UINT32_C(1) << (31 - o->bits);
}

static inline bool tq_outbound_has(const TqOutbound *o, uint32_t address) {
        return (address & tq_outbound_mask(o)) == o->first;
}
