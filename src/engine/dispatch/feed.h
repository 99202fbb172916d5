/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/scheduler.h"

/* The scheduler's one way in: events go to it, and each of its actions to whoever has asked for
 * that type. */
typedef struct Feed Feed;

typedef void (*FeedAction)(void *data, const TqAction *a);

int feed_new(Feed **ret);
Feed *feed_free(Feed *f);
void feed_on(Feed *f, TqActionType type, FeedAction action, void *data);
/* After a step that has decided anything. */
void feed_on_decision(Feed *f, void (*decided)(void *data), void *data);

/* As tq_scheduler_step(), now; the actions have been carried out when it returns, and may have been
 * events of their own. */
int feed_step(Feed *f, const TqEvent *event);
/* Of what has happened, or was recorded, and nobody says again: should there be no memory for it,
 * feed_on_lost() is told. */
void feed_must(Feed *f, const TqEvent *event);
void feed_on_lost(Feed *f, void (*lost)(void *data), void *data);
/* Of the latest SUBMIT that was refused, or that comes near a limit. */
const TqRefusal *feed_refusal(const Feed *f);
/* As tq_scheduler_next_changed(). */
const TqTenant *feed_next_changed(Feed *f);
/* To look at. */
const TqScheduler *feed_scheduler(const Feed *f);
