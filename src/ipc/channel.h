/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/message.h"

/* One end of the socket pair between supervisor and engine, in an event loop. Sending never blocks:
 * what the socket does not take waits in a queue, in order. */
typedef struct TqChannel TqChannel;

/* Called for each message; blob is borrowed and followed by a NUL byte; *fd (-EBADF: none) is
 * closed afterwards unless taken. A negative return closes the channel as a broken peer would. */
typedef int (*TqChannelHandler)(void *userdata, const TqMessage *m, const char *blob, int *fd);

/* Called once, when the peer is gone (error 0) or has broken the protocol. */
typedef void (*TqChannelClosed)(void *userdata, int error);

/* Makes the two ends (SOCK_SEQPACKET, close-on-exec, non-blocking). */
int tq_channel_pair(int ret_fds[2]);

/* Takes fd. priority: as sd_event_source_set_priority(3). */
int tq_channel_new(sd_event *event, int fd, int64_t priority, TqChannelHandler handler,
                   TqChannelClosed closed, void *userdata, TqChannel **ret);
TqChannel *tq_channel_free(TqChannel *c);

/* Fills in the header and sends or queues. fd (or -EBADF) is duplicated by the kernel and stays the
 * caller's; a message with a descriptor that can't be sent at once keeps a copy, if one is free. 0;
 * -E2BIG: the blob is too large, nothing was sent; -EPIPE, -ENOMEM: the channel is closed, and
 * closed() was or will be called: no message is ever left out. */
int tq_channel_send(TqChannel *c, TqMessageType type, TqMessage *m, const void *blob,
                    size_t blob_size, int fd);

/* Waits until the queue is empty or the peer is gone: only before leaving. */
void tq_channel_flush(TqChannel *c);
