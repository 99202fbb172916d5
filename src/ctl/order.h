/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/hostfile.h"

/* Root's word about a tenant: STATE/orders/NAME, where only root can write (supervisor/ends/order.h
 * reads it). The tenant's name is a valid one. */

/* The directory. Says what fails; an exit code. */
int order_open(const TqHostConfig *config, int *ret_fd);

/* Who else gives root's word about it meanwhile, or archives it, does so before or behind us. The
 * lock goes with us; its file, if a crash has left it, is nobody's. Waits for some seconds; says
 * what fails; an exit code. */
int order_lock(int dir_fd, const char *tenant, int *ret_fd);
/* lock_fd may be negative. Returns -EBADF. */
int order_unlock(int dir_fd, const char *tenant, int lock_fd);

/* 0 or negative errno: it is on the disk. */
int order_write(int dir_fd, const char *tenant, const char *text);
/* before: what stood there, and may be waited for; empty: nothing. */
void order_take_back(int dir_fd, const char *tenant, const char *before);
/* It stands there, or what it says has begun. */
bool order_is_given(int dir_fd, const char *tenant);
