/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sqlite3.h>

#include "base/error.h"

/* The chain of the table `audit`: each row has the SHA-256 (FIPS 180-4) of the row before it and of
 * its own columns, so that a row that is changed, removed or put elsewhere is found. */

#define TQ_CHAIN_HASH 32 /* bytes */
#define TQ_CHAIN_HEX  (2 * TQ_CHAIN_HASH + 1)

/* A row's number and hash. 0 and zeros: before the first. */
typedef struct TqChain {
        uint64_t id;
        uint8_t hash[TQ_CHAIN_HASH];
} TqChain;

/* All but the hash, in the order in which they are hashed. */
#define TQ_CHAIN_COLUMNS                                                                           \
        "id, time_usec, kind, tenant, tenant_name, queue, job, uid, login_uid, session, "          \
        "sudo_user,"                                                                               \
        " revision, policy, name, old_value, old_set, new_value, until_usec, kernel, text, why"
#define TQ_CHAIN_N 21

/* From the row before to this one: its columns are the first of a statement's row. */
void tq_chain_link(TqChain *chain, sqlite3_stmt *row);

/* Gives the rows that are there, of a ledger that had no chain, their hashes. An SQLite result
 * code. */
int tq_chain_begin(sqlite3 *db);

/* The last row's, or what stands before the first if there is none. An SQLite result code. */
int tq_chain_read(sqlite3 *db, TqChain *ret);

typedef struct TqChainFound {
        uint64_t rows, first; /* their number, and the number of the first one */
        TqChain last;
        bool has_mark; /* the hash that was asked for is one of theirs */
        size_t problems;
} TqChainFound;

/* Goes through all of it. problem: a sentence that names the row. mark: a hash that somebody has
 * noted, of a row or of the last that was forgotten; NULL: none. An SQLite result code. */
int tq_chain_verify(sqlite3 *db, const uint8_t mark[TQ_CHAIN_HASH],
                    void (*problem)(void *userdata, const char *text), void *userdata,
                    TqChainFound *ret);

/* Returns buf. */
const char *tq_chain_format(const uint8_t hash[TQ_CHAIN_HASH], char buf[TQ_CHAIN_HEX]);
/* -EINVAL: not 64 hexadecimal digits. */
int tq_chain_parse(const char *text, uint8_t ret[TQ_CHAIN_HASH]);
