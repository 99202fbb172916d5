/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/chain.h"

#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* What is hashed: the hash of the row before, then each column as a letter for its type, the length
 * of a text, and its bytes, so that no two rows are the same bytes. Integers are eight bytes, the
 * highest first.
 *
 * Rows are numbered without gaps, and the number is hashed: one that is missing is found by that,
 * one that was put elsewhere by its hash. What stands before the first row, since older ones were
 * forgotten, and which row is the last, are rows of the table `chain`. Whoever may write the file
 * can compute the chain anew, too: against that helps only a hash that was noted elsewhere, in the
 * journal or on another host. */

static void put_number(SHA2_CTX *sha, uint64_t v) {
        uint8_t bytes[8];

        for (int i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(v >> (56 - 8 * i));
        SHA256Update(sha, bytes, sizeof(bytes));
}

static void put_column(SHA2_CTX *sha, sqlite3_stmt *row, int i) {
        int type = sqlite3_column_type(row, i);
        const void *bytes;

        if (type == SQLITE_NULL) {
                SHA256Update(sha, (const uint8_t *)"n", 1);
        } else if (type == SQLITE_INTEGER) {
                SHA256Update(sha, (const uint8_t *)"i", 1);
                put_number(sha, (uint64_t)sqlite3_column_int64(row, i));
        } else {
                /* In a STRICT table there is nothing else but text here. */
                bytes = sqlite3_column_blob(row, i);
                SHA256Update(sha, (const uint8_t *)"t", 1);
                put_number(sha, (uint64_t)sqlite3_column_bytes(row, i));
                if (bytes)
                        SHA256Update(sha, bytes, (size_t)sqlite3_column_bytes(row, i));
        }
}

void tq_chain_link(TqChain *chain, sqlite3_stmt *row) {
        SHA2_CTX sha;

        SHA256Init(&sha);
        SHA256Update(&sha, chain->hash, sizeof(chain->hash));
        for (int i = 0; i < TQ_CHAIN_N; i++)
                put_column(&sha, row, i);
        SHA256Final(chain->hash, &sha);
        chain->id = (uint64_t)sqlite3_column_int64(row, 0);
}

static int read_hash(sqlite3_stmt *s, int i, uint8_t ret[TQ_CHAIN_HASH]) {
        if (sqlite3_column_bytes(s, i) != TQ_CHAIN_HASH)
                return -EBADMSG;
        memcpy(ret, sqlite3_column_blob(s, i), TQ_CHAIN_HASH);
        return 0;
}

/* what: "before" or "last". A row that is not there is the beginning; -EBADMSG in *ret_bad. */
static int read_end(sqlite3 *db, const char *what, TqChain *ret, bool *ret_bad) {
        sqlite3_stmt *s;
        int rc = sqlite3_prepare_v2(db, "SELECT id, hash FROM chain WHERE what = ?1", -1, &s, NULL);

        *ret = (TqChain){};
        if (rc != SQLITE_OK)
                return rc;
        (void)sqlite3_bind_text(s, 1, what, -1, SQLITE_STATIC);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
                ret->id = (uint64_t)sqlite3_column_int64(s, 0);
                *ret_bad = read_hash(s, 1, ret->hash) < 0;
        }
        (void)sqlite3_finalize(s);
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int tq_chain_read(sqlite3 *db, TqChain *ret) {
        bool is_bad = false;
        int rc = read_end(db, "last", ret, &is_bad);

        return rc == SQLITE_OK && is_bad ? SQLITE_CORRUPT : rc;
}

static int write_last(sqlite3 *db, const TqChain *last) {
        sqlite3_stmt *s;
        int rc = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO chain VALUES('last', ?1, ?2)", -1,
                                    &s, NULL);

        if (rc != SQLITE_OK)
                return rc;
        (void)sqlite3_bind_int64(s, 1, (int64_t)last->id);
        (void)sqlite3_bind_blob(s, 2, last->hash, TQ_CHAIN_HASH, SQLITE_STATIC);
        rc = sqlite3_step(s);
        (void)sqlite3_finalize(s);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int tq_chain_begin(sqlite3 *db) {
        sqlite3_stmt *rows = NULL, *put = NULL;
        TqChain chain = {};
        int rc;

        rc = sqlite3_prepare_v2(db, "SELECT " TQ_CHAIN_COLUMNS " FROM audit ORDER BY id", -1, &rows,
                                NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(db, "UPDATE audit SET hash = ?2 WHERE id = ?1", -1, &put,
                                        NULL);
        while (rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
                tq_chain_link(&chain, rows);
                (void)sqlite3_bind_int64(put, 1, (int64_t)chain.id);
                (void)sqlite3_bind_blob(put, 2, chain.hash, TQ_CHAIN_HASH, SQLITE_STATIC);
                rc = sqlite3_step(put);
                (void)sqlite3_reset(put);
                rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        (void)sqlite3_finalize(rows);
        (void)sqlite3_finalize(put);
        if (rc == SQLITE_DONE)
                rc = chain.id > 0 ? write_last(db, &chain) : SQLITE_OK;
        return rc;
}

/* Verification -------------------------------------------------------------------------------- */

typedef struct Verify {
        const uint8_t *mark;
        void (*problem)(void *userdata, const char *text);
        void *userdata;
        TqChainFound *found;
} Verify;

static void say(Verify *v, const char *fmt, ...) TQ_PRINTF(2, 3);
static void say(Verify *v, const char *fmt, ...) {
        char text[160];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        v->found->problems++;
        v->problem(v->userdata, text);
}

static void look_for_mark(Verify *v, const TqChain *c) {
        if (v->mark && memcmp(v->mark, c->hash, TQ_CHAIN_HASH) == 0)
                v->found->has_mark = true;
}

static void say_missing(Verify *v, uint64_t from, uint64_t to) {
        if (from == to)
                say(v, "row %" PRIu64 " is missing", from);
        else
                say(v, "rows %" PRIu64 " to %" PRIu64 " are missing", from, to);
}

/* The stored hash is what the next row is held against: so each row is judged by itself. */
static void verify_row(Verify *v, TqChain *chain, sqlite3_stmt *row) {
        uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
        bool follows = id == chain->id + 1;
        TqChain computed = *chain;

        if (v->found->rows++ == 0)
                v->found->first = id;
        if (!follows && id > chain->id)
                say_missing(v, chain->id + 1, id - 1);
        else if (!follows)
                say(v, "row %" PRId64 " stands before the first one", (int64_t)id);
        tq_chain_link(&computed, row);
        if (read_hash(row, TQ_CHAIN_N, chain->hash) < 0 ||
            (follows && memcmp(computed.hash, chain->hash, TQ_CHAIN_HASH) != 0))
                say(v, "row %" PRIu64 " was changed, or another one stands in its place", id);
        chain->id = id;
        look_for_mark(v, chain);
}

int tq_chain_verify(sqlite3 *db, const uint8_t mark[TQ_CHAIN_HASH],
                    void (*problem)(void *userdata, const char *text), void *userdata,
                    TqChainFound *ret) {
        Verify v = { .mark = mark, .problem = problem, .userdata = userdata, .found = ret };
        bool is_bad = false, is_last_bad = false;
        TqChain chain, last;
        sqlite3_stmt *rows;
        int rc;

        *ret = (TqChainFound){};
        rc = read_end(db, "before", &chain, &is_bad);
        if (rc == SQLITE_OK)
                rc = read_end(db, "last", &last, &is_last_bad);
        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(db,
                                        "SELECT " TQ_CHAIN_COLUMNS ", hash FROM audit ORDER BY id",
                                        -1, &rows, NULL);
        if (rc != SQLITE_OK)
                return rc;
        if (is_bad || is_last_bad)
                say(&v, "where it begins or ends was changed");
        if (chain.id > 0)
                look_for_mark(&v, &chain);
        while ((rc = sqlite3_step(rows)) == SQLITE_ROW)
                verify_row(&v, &chain, rows);
        (void)sqlite3_finalize(rows);
        if (rc != SQLITE_DONE)
                return rc;
        if (last.id > chain.id)
                say_missing(&v, chain.id + 1, last.id);
        else if (last.id < chain.id || memcmp(last.hash, chain.hash, TQ_CHAIN_HASH) != 0)
                say(&v, "row %" PRIu64 " is not the one that was written last", chain.id);
        ret->last = chain;
        return SQLITE_OK;
}

/* As text ------------------------------------------------------------------------------------- */

const char *tq_chain_format(const uint8_t hash[TQ_CHAIN_HASH], char buf[TQ_CHAIN_HEX]) {
        for (int i = 0; i < TQ_CHAIN_HASH; i++)
                (void)snprintf(buf + 2 * (size_t)i, 3, "%02x", hash[i]);
        return buf;
}

int tq_chain_parse(const char *text, uint8_t ret[TQ_CHAIN_HASH]) {
        static const char digits[] = "0123456789abcdef";

        if (strlen(text) != TQ_CHAIN_HEX - 1)
                return -EINVAL;
        for (int i = 0; i < TQ_CHAIN_HASH; i++) {
                const char *high = strchr(digits, text[2 * i]),
                           *low = strchr(digits, text[2 * i + 1]);

                if (!high || !low)
                        return -EINVAL;
                ret[i] = (uint8_t)((high - digits) << 4 | (low - digits));
        }
        return 0;
}
