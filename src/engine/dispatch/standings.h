/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/commit/commit.h"
#include "engine/dispatch/feed.h"

/* What tenants have used is remembered over a restart: the essay is in standings.c. */
typedef struct Standings Standings;

/* Of one tenant a row is written this often at most (and once more when it begins to compete), and
 * so many rows with one commit. */
#define STANDINGS_EVERY_USEC (5 * TQ_USEC_PER_SEC)
#define STANDINGS_MOST       32

int standings_new(Commit *commit, Feed *feed, Standings **ret);
Standings *standings_free(Standings *s);

/* Gives tenants and pools back where they stood: once their settings are known, and before the jobs
 * of the ledger. From here on what changes is written down. */
int standings_load(Standings *s);
/* We leave: all that has changed is written with the last commit. */
void standings_leave(Standings *s);
