/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "conf/resolv.h"
#include "ctl/doctor.h"
#include "kernel/netns.h"

/* What network=outbound needs of the host, if a tenant has it. */

static bool is_outbound(const TqTenantConfig *c) {
        return c->network == TQ_NETWORK_OUTBOUND;
}

/* A row of /proc/net/route (proc(5)): interface, destination, gateway, four that don't matter,
 * mask; addresses are hexadecimal, as this machine reads four bytes of network order. */
static bool leads_into(const TqOutbound *o, char *row) {
        uint32_t to = 0, mask = 0;
        char *save = NULL;
        const char *word = strtok_r(row, "\t ", &save);

        if (!word || strncmp(word, "tq", 2) == 0)
                return false;
        for (int i = 1; (word = strtok_r(NULL, "\t ", &save)); i++) {
                if (i == 1)
                        to = ntohl((uint32_t)strtoul(word, NULL, 16));
                if (i == 7)
                        mask = ntohl((uint32_t)strtoul(word, NULL, 16));
        }
        /* Two halves of all there is are a default route as well (VPNs make them so). */
        return mask > 0x80000000 && ((to ^ o->first) & mask & tq_outbound_mask(o)) == 0;
}

/* The interface by which the host itself has a part of the range. */
static bool is_taken(const TqOutbound *o, char *ret, size_t size) {
        FILE *f = fopen("/proc/net/route", "re");
        char line[256];
        bool is = false;

        /* The first row has the names. */
        for (int i = 0; f && !is && fgets(line, sizeof(line), f); i++) {
                is = i > 0 && leads_into(o, line);
                if (is)
                        (void)snprintf(ret, size, "%s", line); /* cut behind the first word */
        }
        if (f)
                (void)fclose(f);
        return is;
}

/* Of `inet fw {`. */
static size_t table_length(const char *s) {
        size_t n = strcspn(s, "{\n");

        while (n > 0 && s[n - 1] == ' ')
                n--;
        return n;
}

/* 1: a chain of somebody else, of the table *ret, drops what it does not know; 0; -EPERM: only root
 * sees them. */
static int is_dropped(char *ret, size_t size) {
        FILE *f = popen(TQ_NFT " list chains 2>/dev/null", "re"); /* NOLINT(cert-env33-c): fixed */
        char line[256], table[128] = "";
        int is = 0;

        if (!f)
                return -EPERM;
        while (fgets(line, sizeof(line), f)) {
                if (strncmp(line, "table ", 6) == 0)
                        (void)snprintf(table, sizeof(table), "%.*s", (int)table_length(line + 6),
                                       line + 6);
                else if (!is && strstr(line, "hook forward") && strstr(line, "policy drop")) {
                        (void)snprintf(ret, size, "%s", table);
                        is = 1;
                }
        }
        return pclose(f) == 0 ? is : -EPERM;
}

static TqResolvServers find_servers(const Host *h) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqResolvServers s;

        tq_resolv_load(&h->config->outbound, h->config->outbound_dns, &text, &s);
        return s;
}

static void look_at_outbound(const Host *h, Finding *f) {
        char what[288];
        int has = doctor_tenants_with(h, is_outbound, 1, what, sizeof(what)), drops;
        TqResolvServers servers = find_servers(h);

        if (has < 0)
                doctor_say_unread(f, what, has, "network=outbound");
        else if (has == 0)
                doctor_say(f, DOCTOR_OK, "no tenant has network=outbound");
        else if (access(TQ_NFT, X_OK) < 0) {
                doctor_say(f, DOCTOR_FAIL, "%s has network=outbound: there is no " TQ_NFT, what);
                doctor_mend(f, TQ_OUTBOUND_MEND_NFT);
        } else if (!tq_netns_forwards()) {
                doctor_say(f, DOCTOR_FAIL, "%s has network=outbound: the host forwards no packets",
                           what);
                doctor_mend(f, TQ_OUTBOUND_MEND_FORWARD);
        } else if (servers.n_reachable == 0 && servers.n_others > 0) {
                doctor_say(f, DOCTOR_FAIL,
                           "%s has network=outbound: only the host reaches its name servers", what);
                doctor_mend(f, TQ_OUTBOUND_MEND_DNS);
        } else if (is_taken(&h->config->outbound, what, sizeof(what))) {
                doctor_say(f, DOCTOR_FAIL, "addresses of %s are the host's own, by %s",
                           h->config->outbound_addresses, what);
                doctor_mend(
                        f,
                        "[host] outbound_addresses=NETWORK/BITS in tenantq.conf, one that nobody "
                        "has; systemctl restart tenantq");
        } else if ((drops = is_dropped(what, sizeof(what))) < 0) {
                doctor_say(f, DOCTOR_WARN, "what other firewalls drop can't be seen");
                doctor_mend(f, "look again as root");
        } else if (drops > 0) {
                doctor_say(f, DOCTOR_WARN,
                           "table %s drops what is forwarded, unless a rule says otherwise", what);
                doctor_mend(f, "accept there what has iifname or oifname tq*: tenantq's own table "
                               "refuses what is not to be");
        } else if (servers.n_reachable == 0) {
                doctor_say(f, DOCTOR_WARN,
                           "the host has no name servers, and so its jobs have none");
                doctor_mend(f, TQ_OUTBOUND_MEND_DNS);
        } else
                doctor_say(f, DOCTOR_OK, "nftables, forwarding and name servers are there");
}

const DoctorCheck doctor_network[] = { { "outbound", look_at_outbound } };
const size_t n_doctor_network = TQ_ELEMENTSOF(doctor_network);
