/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sqlite3.h>

#include "base/error.h"

/* A ledger that nobody writes, to be looked at and never to be changed: a backup, or that of a
 * daemon that is stopped. */
typedef struct TqSnapshot TqSnapshot;

/* The file at path, with its log if it has one: then both are copied to $TMPDIR (/var/tmp), under
 * no name. -EBUSY: its daemon runs. -EBADMSG: it is no database. */
int tq_snapshot_open(const char *path, TqSnapshot **ret, TqError *err);
/* What the daemon has handed out; copied in the same way, since who reads it need not be its owner.
 */
int tq_snapshot_open_fd(int fd, TqSnapshot **ret, TqError *err);
TqSnapshot *tq_snapshot_close(TqSnapshot *s);

/* To ask of it what you like. */
sqlite3 *tq_snapshot_db(const TqSnapshot *s);
/* What SQLite says is wrong, as an error about `what`. */
int tq_snapshot_fail(const TqSnapshot *s, const char *what, TqError *err);
/* Whether the file was in use after all when it had been read: what was seen may be of two times.
 */
bool tq_snapshot_is_torn(const TqSnapshot *s);

/* Calls back for each row of an SQL query, in its order; a negative return ends it and is passed
 * on. -EBADMSG: the file is damaged, and *err says so. */
int tq_snapshot_each(const TqSnapshot *s, const char *sql,
                     int (*row)(void *userdata, sqlite3_stmt *s), void *userdata, TqError *err);
/* The number in the first row; the same errors. */
int tq_snapshot_number(const TqSnapshot *s, const char *sql, int64_t *ret, TqError *err);
