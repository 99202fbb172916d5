/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/outbound.h"

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "conf/resolv.h"
#include "kernel/netns.h"

/* Whoever loads a firewall often begins with flushing all that there is, ours too: the kernel
 * tells, and the rules are loaded again. */

#define NFT_MSEC   5000
#define AGAIN_USEC (5 * UINT64_C(1000000))
#define REST       10 /* so many times what a failure took */
#define TABLE      "tenantq"

/* A file as it was when it was read. */
typedef struct Seen {
        uint64_t inode, size;
        struct timespec changed;
} Seen;

struct Outbound {
        const Host *host;
        sd_event *event;
        sd_event_source *again, *changes_source;
        int changes_fd; /* of the host's rules */
        bool is_loaded;
        /* What has been heard of a transaction that goes on, and how many of ours are to come. */
        bool takes_away, makes;
        unsigned n_own;
        /* The last failure, which is not tried again before its time. */
        TqError failure;
        int failure_code;
        uint64_t not_before;
        uint64_t connections;                                /* as loaded */
        bool is_written;                                     /* the file that jobs see */
        char dns[sizeof(((TqHostConfig *)0)->outbound_dns)]; /* as written */
        Seen seen[TQ_RESOLV_FILES];
};

/* Rules ---------------------------------------------------------------------------------------- */

static int wait_for(pid_t pid, int *ret_status) {
        TQ_CLOSE int pidfd = pidfd_open(pid, 0);
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        if (pidfd < 0 || poll(&p, 1, NFT_MSEC) <= 0)
                (void)kill(pid, SIGKILL);
        return waitpid(pid, ret_status, 0) < 0 ? tq_errno() : 0;
}

/* Our text on its standard input, what it says in a file of memory. */
static int run_nft(int text_fd, int said_fd, int *ret_status) {
        static char *const argv[] = { (char *)TQ_NFT, (char *)"-f", (char *)"-", NULL };
        static char *const environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        pid_t pid;
        int r;

        (void)sigemptyset(&none);
        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void)posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        r = posix_spawn_file_actions_adddup2(&actions, text_fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, said_fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, said_fd, STDERR_FILENO);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawn(&pid, TQ_NFT, &actions, &attributes, argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
        (void)posix_spawn_file_actions_destroy(&actions);
        return r != 0 ? -r : wait_for(pid, ret_status);
}

static int make_text(const char *text, int *ret_fd) {
        TQ_CLOSE int fd = memfd_create("tenantq-nft", MFD_CLOEXEC);
        int r = fd < 0 ? tq_errno() : tq_fs_write_all(fd, text, strlen(text));

        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = tq_errno();
        if (r >= 0)
                *ret_fd = tq_take_fd(&fd);
        return r;
}

/* Privileged and safe: the text is ours and of root's numbers, the program root's by its path. */
static int load_rules(const TqHostConfig *c, TqError *err) {
        TQ_BUFFER_CLEANUP TqBuffer rules = {};
        TQ_CLOSE int text_fd = -EBADF, said_fd = -EBADF;
        char said[256] = "";
        int r, status = 0;
        ssize_t n;

        outbound_rules(c, &rules);
        if (!tq_buffer_string(&rules))
                return -ENOMEM;
        r = make_text(rules.data, &text_fd);
        if (r >= 0)
                r = make_text("", &said_fd);
        if (r >= 0)
                r = run_nft(text_fd, said_fd, &status);
        if (r < 0)
                return tq_error_errno(err, r, "network=outbound: " TQ_NFT " (package nftables)");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        n = pread(said_fd, said, sizeof(said) - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        said[strcspn(said, "\n")] = '\0';
        return tq_error(err, -EIO, "network=outbound: " TQ_NFT ": %s",
                        said[0] ? said : "it did not end by itself");
}

/* All messages that name a table do so in their first attribute (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE,
 * NFTA_RULE_TABLE: linux/netfilter/nf_tables.h). */
static bool is_of_ours(const struct nlmsghdr *h) {
        const struct nlattr *a =
                (const struct nlattr *)((const char *)h + NLMSG_SPACE(sizeof(struct nfgenmsg)));

        return h->nlmsg_len >= NLMSG_SPACE(sizeof(struct nfgenmsg)) + NLA_HDRLEN + sizeof(TABLE) &&
               a->nla_type == NFTA_TABLE_NAME &&
               memcmp((const char *)a + NLA_HDRLEN, TABLE, sizeof(TABLE)) == 0;
}

/* A transaction ends with its generation. One that makes the table anew is ours, if we made one
 * that has not been heard of yet; if it was somebody else's who loaded what he had saved, then ours
 * seems to be his, and is made once more. */
static bool end_transaction(Outbound *o) {
        bool is_own = o->makes && o->n_own > 0;
        bool is_gone = o->takes_away && !is_own;

        if (is_own)
                o->n_own--;
        o->takes_away = o->makes = false;
        return is_gone;
}

/* Returns whether what is ours may have gone. */
static bool hear(Outbound *o, const struct nlmsghdr *h) {
        if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
                return false;
        switch (h->nlmsg_type & 0xFF) {
        case NFT_MSG_DELTABLE:
        case NFT_MSG_DELCHAIN:
        case NFT_MSG_DELRULE:
                o->takes_away |= is_of_ours(h);
                return false;
        case NFT_MSG_NEWTABLE:
                o->makes |= is_of_ours(h);
                return false;
        case NFT_MSG_NEWGEN:
                return end_transaction(o);
        default:
                return false;
        }
}

static bool read_changes(Outbound *o) {
        static union {
                struct nlmsghdr head;
                char space[65536];
        } buffer;
        bool is_gone = false;
        ssize_t n;

        while ((n = recv(o->changes_fd, &buffer, sizeof(buffer), MSG_DONTWAIT)) > 0 ||
               (n < 0 && (errno == EINTR || errno == ENOBUFS))) {
                size_t left = n > 0 ? (size_t)n : 0;

                if (n < 0 && errno == ENOBUFS) { /* some were dropped, of ours perhaps */
                        is_gone = true;
                        o->n_own = 0;
                }
                for (const struct nlmsghdr *h = &buffer.head; NLMSG_OK(h, left);
                     h = NLMSG_NEXT(h, left))
                        is_gone |= hear(o, h);
        }
        return is_gone;
}

/* All wait for us meanwhile, whichever tenant's they are: what takes its time to fail is not tried
 * as often. What is told of our own change is read when its turn comes: it may be followed by
 * somebody else's already. */
static int load(Outbound *o, TqError *err) {
        uint64_t began = tq_clock_monotonic_usec(), now;
        int r;

        if (began < o->not_before) {
                o->is_loaded = false;
                *err = o->failure;
                return o->failure_code;
        }
        r = load_rules(&o->host->config, err);
        o->is_loaded = r >= 0;
        o->connections = o->host->config.outbound_connections;
        if (r >= 0) {
                o->n_own++;
                return 0;
        }
        now = tq_clock_monotonic_usec();
        o->failure = *err;
        o->failure_code = r;
        o->not_before = now + TQ_MAX(AGAIN_USEC, REST * (now - began));
        return r;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata);

/* Jobs run whose packets they were for. */
static void load_again(Outbound *o) {
        TqError err = {};
        char text[512];
        int r = load(o, &err);

        if (r >= 0) {
                tq_log(LOG_NOTICE, "network=outbound: the rules are loaded again");
                return;
        }
        tq_log(LOG_ERR, "%s; it is tried again", tq_error_format(&err, text, sizeof(text)));
        /* Not relative: the loop's time is that before it was tried. */
        (void)sd_event_source_set_time(o->again, o->not_before);
        (void)sd_event_source_set_enabled(o->again, SD_EVENT_ONESHOT);
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata) {
        Outbound *o = userdata;

        (void)source;
        (void)usec;
        if (!o->is_loaded)
                load_again(o);
        return 0;
}

static int on_changes(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void)source;
        (void)fd;
        (void)revents;
        if (read_changes(userdata))
                load_again(userdata);
        return 0;
}

static int watch_changes(Outbound *o) {
        struct sockaddr_nl here = { .nl_family = AF_NETLINK };
        TQ_CLOSE int fd = -EBADF;
        int group = NFNLGRP_NFTABLES, r;

        if (o->changes_source)
                return 0;
        o->is_loaded = false; /* what became of them meanwhile, nobody told */
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
        if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
            setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
                return tq_errno();
        r = sd_event_add_io(o->event, &o->changes_source, fd, EPOLLIN, on_changes, o);
        if (r >= 0)
                o->changes_fd = tq_take_fd(&fd);
        return r;
}

/* Names ---------------------------------------------------------------------------------------- */

static Seen look(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return (Seen){};
        return (Seen){ st.st_ino, (uint64_t)st.st_size, st.st_mtim };
}

/* Written where it is, so that jobs that run have it too. */
static int write_resolv(int run_fd, const TqBuffer *text) {
        TQ_CLOSE int fd = openat(run_fd, OUTBOUND_RESOLV,
                                 O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        int r;

        if (fd < 0 || fchmod(fd, 0644) < 0)
                return tq_errno();
        r = tq_fs_write_all(fd, text->data, text->size);
        return r >= 0 && ftruncate(fd, (off_t)text->size) < 0 ? tq_errno() : r;
}

static int translate(const TqHostConfig *c, TqBuffer *ret, TqError *err) {
        TqResolvServers s;

        tq_resolv_load(&c->outbound, c->outbound_dns, ret, &s);
        if (s.n_reachable == 0 && s.n_others > 0)
                return tq_error(err, -EDESTADDRREQ,
                                "network=outbound: the host's name servers can be reached from the "
                                "host alone, or by IPv6; expected outbound_dns= in tenantq.conf");
        return tq_buffer_error(ret);
}

static int renew_resolv(Outbound *o, TqError *err) {
        TQ_CLOSE int run_fd = tq_fs_open_dir(AT_FDCWD, o->host->config.run);
        const TqHostConfig *c = &o->host->config;
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        Seen now[TQ_RESOLV_FILES];
        int r;

        if (run_fd < 0)
                return tq_error_errno(err, run_fd, "%s", c->run);
        for (size_t i = 0; i < TQ_RESOLV_FILES; i++)
                now[i] = look(tq_resolv_files[i]);
        if (o->is_written && memcmp(now, o->seen, sizeof(now)) == 0 &&
            strcmp(o->dns, c->outbound_dns) == 0 &&
            faccessat(run_fd, OUTBOUND_RESOLV, F_OK, 0) >= 0)
                return 0;
        r = translate(c, &text, err);
        if (r < 0)
                return r;
        r = write_resolv(run_fd, &text);
        if (r < 0)
                return tq_error_errno(err, r, "%s/" OUTBOUND_RESOLV, c->run);
        o->is_written = true;
        memcpy(o->seen, now, sizeof(now));
        (void)snprintf(o->dns, sizeof(o->dns), "%s", c->outbound_dns);
        return 0;
}

/* ---------------------------------------------------------------------------------------------- */

int outbound_ready(Outbound *o, TqError *err) {
        int r;

        /* The host's to decide: it is for all of its interfaces. */
        if (!tq_netns_forwards())
                return tq_error(err, -EHOSTDOWN,
                                "network=outbound: the host forwards no packets: expected "
                                "net.ipv4.ip_forward=1 (sysctl.d(5))");
        r = watch_changes(o);
        if (r < 0)
                return tq_error_errno(err, r, "network=outbound: nftables");
        if (!o->is_loaded || o->connections != o->host->config.outbound_connections) {
                r = load(o, err);
                if (r < 0)
                        return r;
        }
        return renew_resolv(o, err);
}

/* Jobs of an earlier tenantqd run, perhaps. */
static bool has_interfaces(void) {
        struct if_nameindex *all = if_nameindex();
        bool has = false;

        for (const struct if_nameindex *i = all; i && i->if_index != 0; i++)
                has |= strncmp(i->if_name, "tq", 2) == 0;
        if (all)
                if_freenameindex(all);
        return has;
}

int outbound_new(sd_event *event, const Host *host, Outbound **ret) {
        Outbound *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        *o = (Outbound){ .host = host, .event = event, .changes_fd = -EBADF };
        /* Made while there are descriptors: it is needed when there may be none. */
        r = sd_event_add_time(event, &o->again, CLOCK_MONOTONIC, UINT64_MAX, AGAIN_USEC / 10,
                              on_again, o);
        if (r >= 0)
                r = sd_event_source_set_enabled(o->again, SD_EVENT_OFF);
        if (r < 0) {
                (void)outbound_free(o);
                return r;
        }
        if (has_interfaces()) {
                r = watch_changes(o);
                if (r < 0) /* the next launch tries it again */
                        tq_log(LOG_ERR, "network=outbound: nobody tells of changes: %s",
                               strerror(-r));
                load_again(o);
        }
        *ret = o;
        return 0;
}

Outbound *outbound_free(Outbound *o) {
        if (!o)
                return NULL;
        (void)sd_event_source_disable_unref(o->again);
        (void)sd_event_source_disable_unref(o->changes_source);
        (void)tq_close(o->changes_fd);
        free(o);
        return NULL;
}
