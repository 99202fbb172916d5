/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* The control interface: which methods there are, who may call them, about what. */
typedef struct Methods Methods;

/* context: borrowed, and filled in before the first call. */
int methods_new(const ApiContext *context, Methods **ret);
Methods *methods_free(Methods *m);
/* Offers them on the bus of a connection. */
int methods_attach(Methods *m, Connection *c, sd_bus *bus);
