/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/sandbox.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"

static const char *const networks[_TQ_NETWORK_MAX] = {
        [TQ_NETWORK_NONE] = "none",
        [TQ_NETWORK_OUTBOUND] = "outbound",
        [TQ_NETWORK_HOST] = "host",
};

TqNetwork tq_sandbox_network_from_string(const char *s) {
        for (int i = 0; i < _TQ_NETWORK_MAX; i++)
                if (strcmp(networks[i], s) == 0)
                        return (TqNetwork)i;
        return _TQ_NETWORK_INVALID;
}

const TqOutbound tq_outbound_reserved[TQ_OUTBOUND_RESERVED] = {
        { 0x00000000, 8 },  /* this host (RFC 1122) */
        { 0x7F000000, 8 },  /* loopback */
        { 0xA9FE0000, 16 }, /* link-local, and a cloud's metadata (RFC 3927) */
        { 0xE0000000, 3 },  /* multicast, reserved */
};

static bool is_reserved(const TqOutbound *o) {
        for (size_t i = 0; i < TQ_OUTBOUND_RESERVED; i++)
                if (((o->first ^ tq_outbound_reserved[i].first) & tq_outbound_mask(o) &
                     tq_outbound_mask(&tq_outbound_reserved[i])) == 0)
                        return true;
        return false;
}

int tq_sandbox_outbound_from_string(const char *s, TqOutbound *ret) {
        const char *slash = strchr(s, '/');
        char address[INET_ADDRSTRLEN];
        struct in_addr in;
        TqOutbound o;
        uint64_t bits;

        if (!slash || (size_t)(slash - s) >= sizeof(address) ||
            tq_parse_u64_in(slash + 1, 8, 30, &bits) < 0)
                return -EINVAL;
        memcpy(address, s, (size_t)(slash - s));
        address[slash - s] = '\0';
        if (inet_pton(AF_INET, address, &in) != 1)
                return -EINVAL;
        o = (TqOutbound){ .first = ntohl(in.s_addr), .bits = (uint32_t)bits };
        if (!tq_outbound_has(&o, o.first) || is_reserved(&o))
                return -EINVAL;
        *ret = o;
        return 0;
}
