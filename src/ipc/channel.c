/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/list.h"

#define SOCKET_BUFFER  (4 * 1024 * 1024)
#define BATCH_MESSAGES 64 /* received in one turn of the loop, so that other sources get theirs */

typedef struct Pending {
        TqList link;
        int fd;
        size_t size;
        char data[];
} Pending;

struct TqChannel {
        int fd;
        sd_event_source *source;
        TqChannelHandler handler;
        TqChannelClosed closed;
        void *userdata;
        TqList queue;
        bool is_broken;
        /* Aligned as TqMessage; one byte more, for the NUL behind a blob. */
        union {
                TqMessage message;
                char bytes[sizeof(TqMessage) + TQ_MESSAGE_BLOB_MAX + 1];
        } in;
};

int tq_channel_pair(int ret_fds[2]) {
        int size = SOCKET_BUFFER;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
                return tq_errno();
        for (int i = 0; i < 2; i++)
                if (setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                        (void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        return 0;
}

static void break_off(TqChannel *c, int error) {
        if (c->is_broken)
                return;
        c->is_broken = true;
        (void)sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
        c->closed(c->userdata, error);
}

/* 1: sent, 0: would block. */
static int send_now(TqChannel *c, struct iovec *iov, size_t n_iov, int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr mh = { .msg_iov = iov, .msg_iovlen = n_iov };

        if (fd >= 0) {
                mh.msg_control = &control;
                mh.msg_controllen = sizeof(control);
                control.header = (struct cmsghdr){
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int)),
                };
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        }
        if (sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                return 1;
        return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? 0 : tq_errno();
}

static int queue_up(TqChannel *c, const struct iovec *iov, size_t n_iov, int fd) {
        Pending *p;
        size_t size = 0;
        char *at;

        for (size_t i = 0; i < n_iov; i++)
                size += iov[i].iov_len;
        p = malloc(sizeof(*p) + size);
        if (!p)
                return -ENOMEM;
        p->size = size;
        /* None free: the message goes without, as it would arrive if the other end had none. */
        p->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -EBADF;
        at = p->data;
        for (size_t i = 0; i < n_iov; i++) {
                if (iov[i].iov_len > 0)
                        memcpy(at, iov[i].iov_base, iov[i].iov_len);
                at += iov[i].iov_len;
        }
        tq_list_append(&c->queue, &p->link);
        (void)sd_event_source_set_io_events(c->source, EPOLLIN | EPOLLOUT);
        return 0;
}

int tq_channel_send(TqChannel *c, TqMessageType type, TqMessage *m, const void *blob,
                    size_t blob_size, int fd) {
        struct iovec iov[2];
        int r = 0;

        if (c->is_broken)
                return -EPIPE;
        if (blob_size > TQ_MESSAGE_BLOB_MAX)
                return -E2BIG;
        m->header = (TqMessageHeader){ .version = TQ_MESSAGE_VERSION,
                                       .type = (uint16_t)type,
                                       .blob_size = (uint32_t)blob_size };
        iov[0] = (struct iovec){ m, sizeof(m->header) + tq_message_body_size(type) };
        iov[1] = (struct iovec){ (void *)blob, blob_size };
        if (tq_list_is_empty(&c->queue))
                r = send_now(c, iov, 2, fd);
        if (r == 0)
                r = queue_up(c, iov, 2, fd);
        /* Nobody asks twice: with one message missing the two would not agree any more on what
         * there is. So they part, and what begins anew is told everything. */
        if (r < 0)
                break_off(c, r == -ECONNRESET || r == -EPIPE ? 0 : r);
        return r < 0 ? r : 0;
}

static void pending_free(Pending *p) {
        tq_list_unlink(&p->link);
        (void)tq_close(p->fd);
        free(p);
}

static int send_queue(TqChannel *c) {
        TQ_LIST_FOREACH(node, &c->queue) {
                Pending *p = TQ_LIST_ENTRY(node, Pending, link);
                int r = send_now(c, &(struct iovec){ p->data, p->size }, 1, p->fd);

                if (r <= 0)
                        return r;
                pending_free(p);
        }
        return sd_event_source_set_io_events(c->source, EPOLLIN);
}

/* One descriptor or none. More than one is not in the protocol: all are closed, -EBADMSG. */
static int take_descriptor(struct msghdr *mh, int *ret) {
        size_t n = 0;

        for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h; h = CMSG_NXTHDR(mh, h)) {
                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t at = CMSG_LEN(0); at + sizeof(int) <= h->cmsg_len; at += sizeof(int)) {
                        (void)tq_close(*ret);
                        memcpy(ret, (char *)h + at, sizeof(int));
                        n++;
                }
        }
        if (n <= 1)
                return 0;
        *ret = tq_close(*ret);
        return -EBADMSG;
}

/* 1: handled one, 0: nothing there. */
static int receive_one(TqChannel *c) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { c->in.bytes, sizeof(c->in.bytes) - 1 };
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        TQ_CLOSE int fd = -EBADF;
        ssize_t n;
        int r;

        n = recvmsg(c->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : tq_errno();
        if (n == 0)
                return -ECONNRESET;
        r = take_descriptor(&mh, &fd);
        if (r < 0)
                return r;
        /* MSG_CTRUNC: we have no descriptor free for the one that came along. That is no fault of
         * the other end: the message is handled without it. */
        if (mh.msg_flags & MSG_TRUNC)
                return -EBADMSG;
        r = tq_message_check(&c->in.message, (size_t)n);
        if (r < 0)
                return r;
        c->in.bytes[n] = '\0';
        r = c->handler(c->userdata, &c->in.message,
                       c->in.bytes + sizeof(TqMessageHeader) +
                               tq_message_body_size((TqMessageType)c->in.message.header.type),
                       &fd);
        return r < 0 ? r : 1;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        TqChannel *c = userdata;
        int r = 1;

        (void)source;
        (void)fd;
        if (revents & EPOLLOUT)
                r = send_queue(c);
        if (r >= 0 && revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                for (int i = 0; i < BATCH_MESSAGES; i++) {
                        r = receive_one(c);
                        if (r <= 0 || c->is_broken)
                                break;
                }
        if (r < 0)
                break_off(c, r == -ECONNRESET || r == -EPIPE ? 0 : r);
        return 0;
}

int tq_channel_new(sd_event *event, int fd, int64_t priority, TqChannelHandler handler,
                   TqChannelClosed closed, void *userdata, TqChannel **ret) {
        TqChannel *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                (void)tq_close(fd);
                return -ENOMEM;
        }
        c->fd = fd;
        c->handler = handler;
        c->closed = closed;
        c->userdata = userdata;
        tq_list_init(&c->queue);
        r = sd_event_add_io(event, &c->source, fd, EPOLLIN, on_io, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->source, priority);
        if (r < 0) {
                (void)tq_channel_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

TqChannel *tq_channel_free(TqChannel *c) {
        if (!c)
                return NULL;
        TQ_LIST_FOREACH(node, &c->queue)
        pending_free(TQ_LIST_ENTRY(node, Pending, link));
        (void)sd_event_source_disable_unref(c->source);
        (void)tq_close(c->fd);
        free(c);
        return NULL;
}

void tq_channel_flush(TqChannel *c) {
        while (!c->is_broken && !tq_list_is_empty(&c->queue)) {
                struct pollfd p = { .fd = c->fd, .events = POLLOUT };

                if (poll(&p, 1, 5000) <= 0 || send_queue(c) < 0)
                        return;
        }
}
