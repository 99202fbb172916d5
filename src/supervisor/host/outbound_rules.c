/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <inttypes.h>

#include "supervisor/host/outbound.h"

/* Out of a tenant's interface (tqN) to wherever the host has a route: but not to the host itself,
 * whatever address it has, nor to another tenant. In: answers only, from whomever, the host
 * included. Before the chains of others, which may refuse more: what is accepted here goes on to
 * them.
 *
 * The kernel tracks connections of all in one table (nf_conntrack_max); no tenant has more than its
 * part of it. TCP connections that both ends have closed don't count, and are the first to be
 * forgotten when the table is full. */

/* In one transaction: there is no moment without them. */
static const char head[] = "table inet tenantq\n"
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
                           "    ip saddr != ";

static const char forward[] = "  chain forward {\n"
                              "    type filter hook forward priority filter - 5;\n"
                              "    iifname \"tq*\" goto out\n"
                              "    oifname != \"tq*\" accept\n"
                              "    ct state { established, related } accept\n"
                              "    drop\n"
                              "  }\n";

static void append_range(TqBuffer *b, const TqOutbound *o) {
        struct in_addr in = { .s_addr = htonl(o->first) };
        char first[INET_ADDRSTRLEN];

        tq_buffer_printf(b, "%s/%" PRIu32, inet_ntop(AF_INET, &in, first, sizeof(first)), o->bits);
}

void outbound_rules(const TqHostConfig *c, TqBuffer *ret) {
        tq_buffer_append_string(ret, head);
        append_range(ret, &c->outbound);
        tq_buffer_append_string(ret, " drop\n"
                                     "    oifname \"tq*\" reject with icmpx admin-prohibited\n"
                                     "    ip daddr { ");
        for (size_t i = 0; i < TQ_OUTBOUND_RESERVED; i++) {
                append_range(ret, &tq_outbound_reserved[i]);
                tq_buffer_append_string(ret, ", ");
        }
        append_range(ret, &c->outbound);
        tq_buffer_printf(ret,
                         " } reject with icmpx admin-prohibited\n"
                         "    ct state { established, related } accept\n"
                         "    ct state invalid drop\n"
                         "    add @connections { ip saddr ct count over %" PRIu64 " }"
                         " reject with icmpx admin-prohibited\n"
                         "  }\n",
                         c->outbound_connections);
        tq_buffer_append_string(ret, forward);
        tq_buffer_append_string(ret, "  chain postrouting {\n"
                                     "    type nat hook postrouting priority srcnat;\n"
                                     "    ip saddr ");
        append_range(ret, &c->outbound);
        tq_buffer_append_string(ret, " oifname != \"tq*\" masquerade\n"
                                     "  }\n"
                                     "}\n");
}
