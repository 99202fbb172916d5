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

/* 1 and who, 0, or negative errno: not all of the files can be read (that is *ret), and no other
 * has it. */
static int somebody_has_it(const Host *h, char *ret, size_t size) {
        TQ_FREE TqTenantConfig *c = malloc(sizeof(*c));
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, h->config_dir);
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r, worst = 0;

        (void)snprintf(ret, size, "%s", "tenants.d");
        if (!c)
                return -ENOMEM;
        r = fd < 0 ? fd : tq_fs_opendir(fd, "tenants.d", &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((e = readdir(dir))) {
                char name[NAME_MAX + 1], *dot;

                (void)snprintf(name, sizeof(name), "%s", e->d_name);
                dot = strrchr(name, '.');
                if (!dot || strcmp(dot, ".conf") != 0)
                        continue;
                *dot = '\0';
                r = tq_hostfile_load_tenant(fd, name, c, &(TqError){});
                if (r >= 0 && c->network != TQ_NETWORK_OUTBOUND)
                        continue;
                (void)snprintf(ret, size, r < 0 ? "tenants.d/%s.conf" : "%s", name);
                if (r >= 0)
                        return 1;
                worst = r;
        }
        return worst;
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
                        (void)snprintf(table, sizeof(table), "%.*s", (int)strcspn(line + 6, "{\n"),
                                       line + 6);
                else if (!is && strstr(line, "hook forward") && strstr(line, "policy drop")) {
                        (void)snprintf(ret, size, "%s", table);
                        is = 1;
                }
        }
        return pclose(f) == 0 ? is : -EPERM;
}

static bool has_servers(const Host *h) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqResolvServers s;

        tq_resolv_load(&h->config->outbound, h->config->outbound_dns, &text, &s);
        return s.n_reachable > 0 || s.n_others == 0;
}

static void look_at_outbound(const Host *h, Finding *f) {
        char what[288];
        int has = somebody_has_it(h, what, sizeof(what)), drops;

        if (has < 0) {
                doctor_say(f, DOCTOR_WARN, "%s: %s: it may have network=outbound", what,
                           has == -EBADMSG ? "it has an error" : strerror(-has));
                doctor_mend(f, "as root; tenantqd --check says all that is wrong");
        } else if (has == 0)
                doctor_say(f, DOCTOR_OK, "no tenant has network=outbound");
        else if (access(TQ_NFT, X_OK) < 0) {
                doctor_say(f, DOCTOR_FAIL, "%s has network=outbound: there is no " TQ_NFT, what);
                doctor_mend(f, "apt-get install nftables");
        } else if (!tq_netns_forwards()) {
                doctor_say(f, DOCTOR_FAIL, "%s has network=outbound: the host forwards no packets",
                           what);
                doctor_mend(f, "net.ipv4.ip_forward=1 in /etc/sysctl.d/60-tenantq.conf; sysctl "
                               "--system. It is for all interfaces: look at the firewall");
        } else if (!has_servers(h)) {
                doctor_say(f, DOCTOR_FAIL,
                           "%s has network=outbound: only the host reaches its name servers", what);
                doctor_mend(f, "outbound_dns= in tenantq.conf: IPv4 addresses of others");
        } else if (is_taken(&h->config->outbound, what, sizeof(what))) {
                doctor_say(f, DOCTOR_FAIL, "addresses of %s are the host's own, by %s",
                           h->config->outbound_addresses, what);
                doctor_mend(f, "outbound_addresses= in tenantq.conf: a network that nobody has");
        } else if ((drops = is_dropped(what, sizeof(what))) < 0) {
                doctor_say(f, DOCTOR_WARN, "what other firewalls drop can't be seen");
                doctor_mend(f, "as root");
        } else if (drops > 0) {
                doctor_say(f, DOCTOR_WARN,
                           "table %s drops what is forwarded, unless a rule says otherwise", what);
                doctor_mend(f, "accept there what has iifname or oifname tq*: tenantq's own table "
                               "refuses what is not to be");
        } else
                doctor_say(f, DOCTOR_OK, "nftables, forwarding and name servers are there");
}

const DoctorCheck doctor_network[] = { { "outbound", look_at_outbound } };
const size_t n_doctor_network = TQ_ELEMENTSOF(doctor_network);
