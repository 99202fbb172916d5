/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* Bytes between one caller's socket and his bus, one whole call at a time. */
typedef struct Relay Relay;

/* Each is set. */
typedef struct RelayHooks {
        void *data;
        int (*attach)(void *data, sd_bus *bus); /* before it starts: what the bus is to offer */
        void (*ready)(void *data); /* a whole call is there: relay_serve() when it is its turn */
        void (*ended)(void *data); /* once: it serves nothing any more; not to be freed at once */
} RelayHooks;

/* Takes fd, the caller's, also on failure. priority: as sd_event_source_set_priority(3). is_once:
 * it ends after the first answer. */
int relay_new(sd_event *event, int64_t priority, int fd, bool is_once, const RelayHooks *hooks,
              Relay **ret);
/* Not while one of its functions or hooks is running. */
Relay *relay_free(Relay *r);

/* Takes the call that is there out of the socket and lets the bus answer it. */
void relay_serve(Relay *r);
void relay_end(Relay *r);
/* A copy of the caller's socket, for another reader of what he writes after the answer to the
 * present call, if this one ends with that; negative errno. */
int relay_copy_socket(const Relay *r);
void relay_end_after_answer(Relay *r);
/* The caller's socket still holds answers. */
bool relay_has_unread(const Relay *r);
