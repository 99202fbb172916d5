/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ipc/channel.h"
#include "ipc/crumb.h"

/* What one daemon says to the other, and who of ours hears what the other says: a channel with a
 * handler for each type of message, and questions whose answers come later (TQ_MESSAGE_ANSWER),
 * matched by a cookie. It outlives the channel: without one nothing is said. */
typedef struct TqLink TqLink;

/* Returns 0, or a negative errno: the peer is broken. *fd is closed afterwards unless taken. */
typedef int (*TqLinkHandler)(void *userdata, const TqMessage *m, const char *blob, int *fd);

/* Called once. result: 0 or a negative errno of the other's; blob: values or a text. */
typedef void (*TqLinkAnswered)(void *userdata, int result, const char *blob, size_t size, int *fd);

/* closed is called when the peer is gone or broken, not by tq_link_close(). */
int tq_link_new(sd_event *event, TqChannelClosed closed, void *userdata, TqLink **ret);
TqLink *tq_link_free(TqLink *l);

/* Takes fd, one end of tq_channel_pair(). */
int tq_link_open(TqLink *l, int fd);
/* Says what is still to be said, and no more; questions get -ECONNRESET. */
void tq_link_close(TqLink *l);
bool tq_link_is_open(const TqLink *l);

/* One handler for each type; a message of a type that nobody hears is not the peer's to say, and
 * breaks the channel. */
void tq_link_on(TqLink *l, TqMessageType type, TqLinkHandler handler, void *userdata);

/* Where the engine leaves word of what it works on; NULL: nowhere. Borrowed, and outlives the link.
 */
void tq_link_set_crumb(TqLink *l, TqCrumb *crumb);
TqCrumb *tq_link_crumb(const TqLink *l);

/* As tq_channel_send(); 0 and nothing said when the link is closed. */
int tq_link_send(TqLink *l, TqMessageType type, TqMessage *m, const void *blob, size_t size,
                 int fd);
/* A message that only names an attempt. */
int tq_link_send_attempt(TqLink *l, TqMessageType type, uint32_t tenant, uint64_t job,
                         unsigned attempt);
/* A message whose body begins with a cookie, which is filled in. -ENOMEM, or -ENOTCONN of a closed
 * link: nothing was asked. */
int tq_link_ask(TqLink *l, TqMessageType type, TqMessage *m, TqLinkAnswered answered,
                void *userdata);
