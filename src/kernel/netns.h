/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Makes a network namespace with nothing but a loopback, which is up, and returns its descriptor
 * (O_CLOEXEC) or negative errno (clone(2), network_namespaces(7)). */
int tq_netns_new(void);

/* The loopback of a new one is down: starts that of the namespace that we are in (netdevice(7)).
 * 0 or negative errno. */
int tq_netns_start_loopback(void);

/* What loads the host's rules (nft(8)). */
#define TQ_NFT "/usr/sbin/nft"

/* Whether the network that we are in forwards packets of IPv4 (net.ipv4.ip_forward). */
bool tq_netns_forwards(void);
