/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ipc/message.h"
#include "supervisor/host/own.h"

/* Root's word that something is to be done with a tenant: a file that only root can write,
 * STATE/orders/NAME, with `remove`, `rename NEW` or `chown USER`. */

/* Whether there is such an order, and from now on it has begun: whatever happens, it is finished.
 * -ENOENT: there is none, or another one. */
int order_begin(const Own *own, TqOrderStep step, const char *name, const char *to);
/* The same, but nothing begins: 1, or 0; another negative errno: it can't be told. */
int order_is_there(const Own *own, TqOrderStep step, const char *name, const char *to);
/* Any order about it. */
bool order_is_about(const Own *own, const char *name);
int order_has_begun(const Own *own, TqOrderStep step, const char *name, const char *to);
/* Of a CHOWN that has begun: whose the directory was, which is noted the first time. */
int order_from(const Own *own, const char *name, uid_t owner, uid_t *ret);
/* Calls back for each that has begun, and (all) for each that has not; of one that has begun and
 * can't be read, with TQ_ORDER_LOOK. */
int order_each(const Own *own, bool all,
               void (*row)(void *data, const char *name, TqOrderStep step, const char *to),
               void *data);
/* It was given just now: whoever gave it is about to say so to the engine. */
bool order_is_young(const Own *own, const char *name);
/* It is done, or not wanted. */
void order_drop(const Own *own, const char *name);
