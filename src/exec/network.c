/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "exec/exec.h"
#include "kernel/netns.h"

/* The network of a tenant: a loopback; and with network=outbound a pair of interfaces, of which the
 * host has the other end. What must not be reached has no route here, which neither a job (it has
 * no CAP_NET_ADMIN) nor whoever writes the host's firewall anew can change; the rest is the
 * supervisor's rules (supervisor/host/outbound.c). IPv4 only: no address is made for IPv6.
 *
 * Nobody takes it down: the kernel does, with the last process and descriptor of the namespace.
 *
 * Messages are those of rtnetlink(7); each is answered before the next is sent. */

typedef union Message {
        struct nlmsghdr head;
        char space[512];
} Message;

/* Whole words: what a nest holds is part of the message to its end. */
static void *add_space(Message *m, size_t size) {
        void *p = m->space + m->head.nlmsg_len;

        m->head.nlmsg_len += (uint32_t)NLMSG_ALIGN(size);
        memset(p, 0, NLMSG_ALIGN(size));
        return p;
}

static void *start(Message *m, uint16_t type, uint16_t flags, size_t size) {
        *m = (Message){ .head = { .nlmsg_len = NLMSG_HDRLEN,
                                  .nlmsg_type = type,
                                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags } };
        return add_space(m, size);
}

static struct rtattr *add(Message *m, uint16_t type, const void *data, size_t size) {
        struct rtattr *a = add_space(m, RTA_LENGTH(size));

        a->rta_type = type;
        a->rta_len = (uint16_t)RTA_LENGTH(size);
        if (size > 0)
                memcpy(RTA_DATA(a), data, size);
        return a;
}

static void add_u32(Message *m, uint16_t type, uint32_t value) {
        (void)add(m, type, &value, sizeof(value));
}

static struct rtattr *open_nest(Message *m, uint16_t type) {
        return add(m, type, NULL, 0);
}

static void close_nest(const Message *m, struct rtattr *nest) {
        nest->rta_len = (uint16_t)(m->space + m->head.nlmsg_len - (const char *)nest);
}

static int ask(int fd, Message *m) {
        Message answer;
        const struct nlmsgerr *e = NLMSG_DATA(&answer.head);
        ssize_t n;

        if (send(fd, m, m->head.nlmsg_len, 0) < 0)
                return tq_errno();
        n = recv(fd, &answer, sizeof(answer), 0);
        if (n < 0)
                return tq_errno();
        if ((size_t)n < NLMSG_LENGTH(sizeof(*e)) || answer.head.nlmsg_type != NLMSG_ERROR)
                return -EPROTO;
        return e->error;
}

/* Of the namespace that we are in. Without the request in the answer: it has room for the error. */
static int open_rtnetlink(void) {
        TQ_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int on = 1;

        if (fd < 0 || setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

/* Locally administered, of the same number as the address: udev gives no other. */
static void add_mac(Message *m, uint16_t type, uint32_t number) {
        uint8_t mac[6] = { 0x02, 0x74 };

        number = htonl(number);
        memcpy(mac + 2, &number, sizeof(number));
        (void)add(m, type, mac, sizeof(mac));
}

#define OUR_END "eth0"

/* Interface tqNUMBER, here, and its other end in the namespace. -EEXIST: the number is taken. */
static int add_pair(int fd, int namespace_fd, uint32_t number) {
        struct rtattr *info, *data, *peer;
        char name[IF_NAMESIZE];
        Message m;

        (void)snprintf(name, sizeof(name), "tq%u", number);
        (void)start(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
        (void)add(&m, IFLA_IFNAME, name, strlen(name) + 1);
        add_mac(&m, IFLA_ADDRESS, 2 * number);
        info = open_nest(&m, IFLA_LINKINFO);
        (void)add(&m, IFLA_INFO_KIND, "veth", sizeof("veth"));
        data = open_nest(&m, IFLA_INFO_DATA);
        peer = open_nest(&m, VETH_INFO_PEER);
        (void)add_space(&m, sizeof(struct ifinfomsg));
        (void)add(&m, IFLA_IFNAME, OUR_END, sizeof(OUR_END));
        add_mac(&m, IFLA_ADDRESS, 2 * number + 1);
        add_u32(&m, IFLA_NET_NS_FD, (uint32_t)namespace_fd);
        close_nest(&m, peer);
        close_nest(&m, data);
        close_nest(&m, info);
        return ask(fd, &m);
}

static int get_index(int fd, const char *name) {
        Message m, answer;
        const struct ifinfomsg *link = NLMSG_DATA(&answer.head);
        ssize_t n;

        (void)start(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
        m.head.nlmsg_flags = NLM_F_REQUEST;
        (void)add(&m, IFLA_IFNAME, name, strlen(name) + 1);
        if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
                return tq_errno();
        n = recv(fd, &answer, sizeof(answer), MSG_TRUNC);
        if (n < 0)
                return tq_errno();
        if (answer.head.nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
        return (size_t)n < NLMSG_LENGTH(sizeof(*link)) ? -EPROTO : link->ifi_index;
}

/* Without ARP, by which a job would ask for addresses that it has no route to: who binds a socket
 * to it needs none, the kernel takes all the world to be on the link (SO_BINDTODEVICE). What it
 * sends there goes to nobody then, and what that leaves in the table of neighbours, which is one
 * for all namespaces of the host (neigh/default/gc_thresh3), waits for no answer: it is forgotten
 * as soon as somebody needs the room. */
static int set_up(int fd, int index) {
        Message m;
        struct ifinfomsg *link = start(&m, RTM_NEWLINK, 0, sizeof(*link));

        link->ifi_index = index;
        link->ifi_flags = link->ifi_change = IFF_UP | IFF_NOARP;
        return ask(fd, &m);
}

/* Before it is up: then it would have one. A kernel without IPv6 has none either. */
static int without_ipv6(int fd, int index) {
        Message m;
        struct ifinfomsg *link = start(&m, RTM_NEWLINK, 0, sizeof(*link));
        struct rtattr *families, *family;
        uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
        int r;

        link->ifi_index = index;
        families = open_nest(&m, IFLA_AF_SPEC);
        family = open_nest(&m, AF_INET6);
        (void)add(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
        close_nest(&m, family);
        close_nest(&m, families);
        r = ask(fd, &m);
        return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

static int add_address(int fd, int index, uint32_t address) {
        Message m;
        struct ifaddrmsg *a = start(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*a));

        *a = (struct ifaddrmsg){ .ifa_family = AF_INET,
                                 .ifa_prefixlen = 31,
                                 .ifa_index = (uint32_t)index };
        add_u32(&m, IFA_LOCAL, htonl(address));
        add_u32(&m, IFA_ADDRESS, htonl(address));
        return ask(fd, &m);
}

/* The other end. A permanent one doesn't count for the table's bounds. */
static int add_neighbour(int fd, int index, uint32_t address, uint32_t number) {
        Message m;
        struct ndmsg *n = start(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*n));

        *n = (struct ndmsg){ .ndm_family = AF_INET,
                             .ndm_ifindex = index,
                             .ndm_state = NUD_PERMANENT };
        add_u32(&m, NDA_DST, htonl(address));
        add_mac(&m, NDA_LLADDR, number);
        return ask(fd, &m);
}

/* What leads nowhere is still there when the interface has gone. */
static int add_route(int fd, uint8_t type, uint32_t to, uint32_t bits, uint32_t gateway) {
        Message m;
        struct rtmsg *route = start(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*route));

        *route = (struct rtmsg){ .rtm_family = AF_INET,
                                 .rtm_dst_len = (uint8_t)bits,
                                 .rtm_table = RT_TABLE_MAIN,
                                 .rtm_protocol = RTPROT_STATIC,
                                 .rtm_scope = RT_SCOPE_UNIVERSE,
                                 .rtm_type = type };
        if (bits > 0)
                add_u32(&m, RTA_DST, htonl(to));
        if (gateway)
                add_u32(&m, RTA_GATEWAY, htonl(gateway));
        return ask(fd, &m);
}

/* As if there were no route at all: "Network is unreachable", which is counted (watch.c). */
static int add_routes(int fd, const TqOutbound *o, uint32_t gateway) {
        int r = add_route(fd, RTN_THROW, o->first, o->bits, 0);

        for (size_t i = 0; i < TQ_OUTBOUND_RESERVED && r >= 0; i++)
                r = add_route(fd, RTN_THROW, tq_outbound_reserved[i].first,
                              tq_outbound_reserved[i].bits, 0);
        return r < 0 ? r : add_route(fd, RTN_UNICAST, 0, 0, gateway);
}

/* Of a pair, whose addresses differ in the last bit: the end of this number in the range. */
static int start_end(int fd, int index, const TqOutbound *o, uint32_t number) {
        int r = without_ipv6(fd, index);

        if (r >= 0)
                r = add_address(fd, index, o->first + number);
        if (r >= 0)
                r = set_up(fd, index);
        return r < 0 ? r : add_neighbour(fd, index, o->first + (number ^ 1), number ^ 1);
}

/* The first number from the tenant's own on that no interface has: who makes it, has it. */
static int make_pair(const TqPlan *plan, int fd, int namespace_fd, uint32_t *ret_number) {
        uint32_t n = tq_outbound_networks(&plan->outbound);
        int r = -EEXIST;

        for (uint32_t i = 0; i < n && r == -EEXIST; i++) {
                *ret_number = (plan->tenant % n + i) % n;
                r = add_pair(fd, namespace_fd, *ret_number);
        }
        return r == -EEXIST ? -EADDRNOTAVAIL : r;
}

/* The route to all the rest is the last thing that is made: it is asked for by the address of
 * somebody who is not among those without one. 1, 0, or negative errno: then it may be there, and
 * in use. */
static int has_way_out(int fd, const TqOutbound *o) {
        Message m, answer;
        const struct nlmsgerr *e = NLMSG_DATA(&answer.head);
        struct rtmsg *route = start(&m, RTM_GETROUTE, 0, sizeof(*route));
        ssize_t n;

        m.head.nlmsg_flags = NLM_F_REQUEST;
        *route = (struct rtmsg){ .rtm_family = AF_INET, .rtm_dst_len = 32 };
        add_u32(&m, RTA_DST, htonl(tq_outbound_has(o, 0x01010101) ? 0x03030303 : 0x01010101));
        if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
                return tq_errno();
        n = recv(fd, &answer, sizeof(answer), 0);
        if (n < 0)
                return tq_errno();
        if (answer.head.nlmsg_type == RTM_NEWROUTE)
                return 1;
        if ((size_t)n < NLMSG_LENGTH(sizeof(*e)) || answer.head.nlmsg_type != NLMSG_ERROR)
                return -EPROTO;
        return e->error == -ENETUNREACH ? 0 : e->error;
}

/* Of one who was killed in the middle. */
static int remove_half(int fd) {
        int index = get_index(fd, OUR_END);
        Message m;
        struct ifinfomsg *link = start(&m, RTM_DELLINK, 0, sizeof(*link));

        if (index < 0)
                return index == -ENODEV ? 0 : index;
        link->ifi_index = index;
        return ask(fd, &m);
}

static int connect_out(const TqPlan *plan, int host_fd, int fd, int namespace_fd) {
        const TqOutbound *o = &plan->outbound;
        int r = remove_half(fd), index;
        char name[IF_NAMESIZE];
        uint32_t number;

        if (r >= 0)
                r = make_pair(plan, host_fd, namespace_fd, &number);
        if (r < 0)
                return r;
        (void)snprintf(name, sizeof(name), "tq%u", number);
        index = get_index(host_fd, name);
        r = index < 0 ? index : start_end(host_fd, index, o, 2 * number);
        if (r < 0)
                return r;
        index = get_index(fd, OUR_END);
        r = index < 0 ? index : start_end(fd, index, o, 2 * number + 1);
        return r < 0 ? r : add_routes(fd, o, o->first + 2 * number);
}

int network_new(void) {
        return unshare(CLONE_NEWNET) < 0 ? tq_errno() : tq_netns_start_loopback();
}

/* One at a time: of the jobs that start together the first makes what the others find. The lock is
 * anybody's who is in there, but then nobody asks for it any more; it ends with whoever has it. */
static int share_way_out(const TqPlan *plan, int host_fd) {
        TQ_CLOSE int fd = open_rtnetlink(), namespace_fd = -EBADF;
        int r = fd < 0 ? fd : has_way_out(fd, &plan->outbound);

        if (r != 0)
                return r < 0 ? r : 0;
        namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (namespace_fd < 0 || flock(namespace_fd, LOCK_EX) < 0)
                return tq_errno();
        r = has_way_out(fd, &plan->outbound);
        if (r != 0)
                return r < 0 ? r : 0;
        return connect_out(plan, host_fd, fd, namespace_fd);
}

/* Privileged and safe: numbers are the supervisor's, and nothing of the tenant's runs yet but what
 * has the same network. */
int network_enter(const TqPlan *plan) {
        TQ_CLOSE int host_fd = -EBADF;

        if (plan->network == TQ_NETWORK_HOST)
                return 0;
        if (plan->network == TQ_NETWORK_OUTBOUND) {
                host_fd = open_rtnetlink();
                if (host_fd < 0)
                        return host_fd;
        }
        if (setns(plan->network_fd, CLONE_NEWNET) < 0)
                return tq_errno();
        return host_fd < 0 ? 0 : share_way_out(plan, host_fd);
}

/* A column of /proc/PID/net/snmp (proc(5)): a line of names, then one of values. */
static uint64_t column(const char *text, const char *group, const char *name) {
        const char *names = strstr(text, group), *values = names ? strchr(names, '\n') : NULL;

        for (const char *n = names, *v = values ? values + 1 : NULL; n && v && n < values;) {
                n = strchr(n, ' ');
                v = strchr(v, ' ');
                if (n && v && strncmp(++n, name, strlen(name)) == 0 &&
                    strchr(" \n", n[strlen(name)]))
                        return strtoull(++v, NULL, 10);
                v = v ? v + 1 : NULL;
        }
        return 0;
}

uint64_t network_unreachable(int fd) {
        char text[4096];
        ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

        if (n <= 0)
                return 0;
        text[n] = '\0';
        return column(text, "Ip:", "OutNoRoutes") + column(text, "Icmp:", "InDestUnreachs");
}
