/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include "base/buffer.h"
#include "core/sandbox.h"

/* The host's resolver configuration (resolv.conf(5)), as the jobs of a tenant with a network of its
 * own can use it. */

#define TQ_RESOLV_SERVERS      3 /* MAXNS of <resolv.h>: what a resolver reads */
#define TQ_RESOLV_SERVERS_SIZE (TQ_RESOLV_SERVERS * INET_ADDRSTRLEN) /* as text, between blanks */

/* Whether such a network lets packets to that address out (IPv4, in the host's byte order). */
bool tq_resolv_is_reachable(const TqOutbound *o, uint32_t address) TQ_PURE;

typedef struct TqResolvServers {
        unsigned n_reachable; /* at most TQ_RESOLV_SERVERS */
        unsigned n_others;    /* of the host alone, or IPv6 */
} TqResolvServers;

/* Where the host has it: in the second, if the first only names systemd-resolved's stub. */
#define TQ_RESOLV_FILES 2
extern const char *const tq_resolv_files[TQ_RESOLV_FILES];

/* Translates the first of them that names a server which can be reached; a host without any has no
 * names itself. servers: blank-separated addresses, instead of the host's; empty: the host's. */
void tq_resolv_load(const TqOutbound *o, const char *servers, TqBuffer *ret,
                    TqResolvServers *ret_servers);

/* Copies the search domains and options of text, and the name servers that can be reached, of text
 * or those given as above; everything else is left out. The buffer's error is the caller's to ask
 * for. */
TqResolvServers tq_resolv_translate(const TqOutbound *o, const char *servers, const char *text,
                                    TqBuffer *ret);
