/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>

#include "supervisor/host/outbound.h"

/* Out of a tenant's interface (tqN) to wherever the host has a route: but not to the host itself,
 * whatever address it has, nor to another tenant. In: answers only, from whomever, the host
 * included. Before the chains of others, which may refuse more: what is accepted here goes on to
 * them.
 *
 * The kernel tracks connections of all in one table (nf_conntrack_max); no tenant has more than its
 * part of it. TCP connections that both ends have closed don't count, and are the first to be
 * forgotten when the table is full. */

static const char format[] =
        /* In one transaction: there is no moment without them. */
        "table inet tenantq\n"
        "delete table inet tenantq\n"
        "table inet tenantq {\n"
        "  set connections { type ipv4_addr; size 65535; flags dynamic; }\n"
        "  chain input {\n"
        "    type filter hook input priority filter - 5;\n"
        "    iifname \"tq*\" reject with icmpx admin-prohibited\n"
        "  }\n"
        "  chain output {\n"
        "    type filter hook output priority filter - 5;\n"
        "    oifname != \"tq*\" accept\n"
        "    ct state { established, related } accept\n"
        "    reject with icmpx admin-prohibited\n"
        "  }\n"
        "  chain out {\n"
        "    meta nfproto ipv6 drop\n"
        "    ip saddr != %1$s/%2$u drop\n"
        "    oifname \"tq*\" reject with icmpx admin-prohibited\n"
        "    ip daddr { 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3, %1$s/%2$u }"
        " reject with icmpx admin-prohibited\n"
        "    ct state { established, related } accept\n"
        "    ct state invalid drop\n"
        "    add @connections { ip saddr ct count over %3$llu }"
        " reject with icmpx admin-prohibited\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority filter - 5;\n"
        "    iifname \"tq*\" goto out\n"
        "    oifname != \"tq*\" accept\n"
        "    ct state { established, related } accept\n"
        "    drop\n"
        "  }\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat;\n"
        "    ip saddr %1$s/%2$u oifname != \"tq*\" masquerade\n"
        "  }\n"
        "}\n";

void outbound_rules(const TqHostConfig *c, TqBuffer *ret) {
        struct in_addr in = { .s_addr = htonl(c->outbound.first) };
        char first[INET_ADDRSTRLEN];

        (void)inet_ntop(AF_INET, &in, first, sizeof(first));
        tq_buffer_printf(ret, format, first, c->outbound.bits,
                         (unsigned long long)c->outbound_connections);
}
