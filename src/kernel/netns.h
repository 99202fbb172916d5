/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes a network namespace, empty but for a loopback that is down, and returns its descriptor
 * (O_CLOEXEC) or negative errno (clone(2), network_namespaces(7)). */
int tq_netns_new(void);
