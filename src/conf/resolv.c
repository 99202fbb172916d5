/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST 65536

bool tq_resolv_is_reachable(const TqOutbound *o, uint32_t address) {
        for (size_t i = 0; i < TQ_OUTBOUND_RESERVED; i++)
                if (tq_outbound_has(&tq_outbound_reserved[i], address))
                        return false;
        return !tq_outbound_has(o, address);
}

static void take_server(const TqOutbound *o, const char *text, TqResolvServers *s, TqBuffer *ret) {
        char address[INET6_ADDRSTRLEN + 1];
        struct in_addr in;

        (void)snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, " \t"), text);
        if (inet_pton(AF_INET, address, &in) != 1 || !tq_resolv_is_reachable(o, ntohl(in.s_addr)))
                s->n_others++;
        else if (s->n_reachable < TQ_RESOLV_SERVERS) {
                s->n_reachable++;
                tq_buffer_printf(ret, "nameserver %s\n", address);
        }
}

static const char *value_of(const char *line, const char *key) {
        size_t n = strlen(key);

        return strncmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == '\t')
                       ? line + n + strspn(line + n, " \t")
                       : NULL;
}

static void take_servers(const TqOutbound *o, const char *words, TqResolvServers *s,
                         TqBuffer *ret) {
        for (words += strspn(words, " \t"); *words; words += strspn(words, " \t")) {
                take_server(o, words, s, ret);
                words += strcspn(words, " \t");
        }
}

static void take_line(const char *line, TqBuffer *ret) {
        static const char *const as_they_are[] = { "domain", "search", "options" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(as_they_are); i++)
                if (value_of(line, as_they_are[i]))
                        tq_buffer_printf(ret, "%s\n", line);
}

TqResolvServers tq_resolv_translate(const TqOutbound *o, const char *servers, const char *text,
                                    TqBuffer *ret) {
        TqResolvServers s = {};

        take_servers(o, servers, &s, ret);
        while (*text) {
                size_t n = strcspn(text, "\n");
                char line[512];
                const char *value;

                if (n < sizeof(line)) {
                        memcpy(line, text, n);
                        line[n] = '\0';
                        value = value_of(line, "nameserver");
                        if (!value)
                                take_line(line, ret);
                        else if (!servers[0])
                                take_server(o, value, &s, ret);
                }
                text += n + (text[n] == '\n');
        }
        return s;
}

const char *const tq_resolv_files[TQ_RESOLV_FILES] = { "/etc/resolv.conf",
                                                       "/run/systemd/resolve/resolv.conf" };

/* The second is a service's: not a file that waits for somebody. */
static char *read_file(const char *path) {
        TQ_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        TQ_FREE char *text = malloc(FILE_MOST);
        struct stat st;
        ssize_t n;

        if (!text || fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return NULL;
        n = pread(fd, text, FILE_MOST - 1, 0);
        if (n < 0)
                return NULL;
        text[n] = '\0';
        return TQ_TAKE_PTR(text);
}

void tq_resolv_load(const TqOutbound *o, const char *servers, TqBuffer *ret,
                    TqResolvServers *ret_servers) {
        TqResolvServers s = {};
        unsigned n_others = 0;

        for (size_t i = 0; i < TQ_RESOLV_FILES && s.n_reachable == 0; i++) {
                TQ_FREE char *text = read_file(tq_resolv_files[i]);

                if (!text && !servers[0])
                        continue;
                tq_buffer_reset(ret);
                s = tq_resolv_translate(o, servers, text ? text : "", ret);
                n_others += s.n_others;
        }
        *ret_servers = (TqResolvServers){ s.n_reachable, n_others };
}
