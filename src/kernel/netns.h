/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes a network namespace with nothing but a loopback, which is up, and returns its descriptor
 * (O_CLOEXEC) or negative errno (clone(2), network_namespaces(7)). */
int tq_netns_new(void);

/* The loopback of a new one is down: starts that of the namespace that we are in (netdevice(7)).
 * 0 or negative errno. */
int tq_netns_start_loopback(void);
