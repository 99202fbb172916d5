/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "supervisor/host/host.h"

/* The host's part of network=outbound: rules that let out what the jobs of such tenants send
 * (exec/network.c makes their networks), and the resolver's configuration that they see. */
typedef struct Outbound Outbound;

int outbound_new(sd_event *event, const Host *host, Outbound **ret);
Outbound *outbound_free(Outbound *o);

/* Before a launch: both are in force. Negative errno with err: nobody can be let out. */
int outbound_ready(Outbound *o, TqError *err);

/* What the jobs see as /etc/resolv.conf: a file of run=. */
#define OUTBOUND_RESOLV "resolv.conf"

/* The rules, for nft(8). The buffer's error is the caller's to ask for. */
void outbound_rules(const TqHostConfig *c, TqBuffer *ret);
