/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/inspect.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "core/ids.h"
#include "core/jobspec.h"
#include "core/verdict.h"
#include "store/chain.h"
#include "store/ledger_schema.h"

/* SQLite says whether the file is a database: pages, trees, indices, types, references. What makes
 * a database a ledger is a row here: a query that finds what must not be, each of its rows one
 * sentence. The words that a column may hold are those of core/, by a function in SQL. */

#define MOST 20 /* of one check */

typedef struct Check {
        const char *name;
        int since; /* the version of the schema that has what it asks for */
        const char *sql;
} Check;

#define LAST_CHANGE(tenant, name, queue)                                                           \
        "(SELECT b.id FROM audit b INDEXED BY audit_by_name WHERE b.revision IS NOT NULL"          \
        " AND b.tenant = " tenant " AND b.name = " name " AND coalesce(b.queue, '') = " queue      \
        " ORDER BY b.revision DESC, b.id DESC LIMIT 1)"

static const Check checks[] = {
        { "reference", 1,
          "SELECT \"table\" || ' ' || coalesce(rowid, '?') || ': its row of ' || parent || ' is "
          "not "
          "there' FROM pragma_foreign_key_check WHERE \"table\" NOT IN ('attempts', 'lineage')"
          " AND (\"table\" <> 'limits' OR rowid IS NOT NULL)" },
        { "tenant", 1,
          "SELECT 'tenant ' || id || ': its name is not valid' FROM tenants"
          " WHERE NOT tq_is('tenant', name)" },
        { "state", 1,
          "SELECT 'job ' || id || ': unknown state \"' || state || '\"' FROM jobs"
          " WHERE state NOT IN ('queued', 'running', 'stopping', 'done')" },
        { "outcome", 1,
          "SELECT 'job ' || id || ': unknown outcome \"' || outcome || '\"' FROM jobs"
          " WHERE NOT tq_is('outcome', outcome)" },
        { "level", 1,
          "SELECT 'job ' || id || ': unknown level \"' || level || '\"' FROM jobs"
          " WHERE NOT tq_is('level', level)" },
        { "stage", 1,
          "SELECT 'job ' || id || ': unknown stage \"' || stage || '\"' FROM jobs"
          " WHERE NOT tq_is('stage', stage)" },
        { "stop", 1,
          "SELECT 'job ' || id || ': unknown reason to stop \"' || stop || '\"' FROM jobs"
          " WHERE NOT tq_is('stop', stop)" },
        { "text", 1,
          "SELECT 'job ' || id || ': its queue, name or a text of it is not valid' FROM jobs"
          " WHERE NOT tq_is('queue', queue) OR NOT tq_is('utf8', name)"
          " OR NOT tq_is('utf8', labels) OR NOT tq_is('utf8', correlation_id)"
          " OR NOT tq_is('utf8', verdict)" },
        { "text", 12,
          "SELECT 'job ' || id || ': its trace is not valid' FROM jobs"
          " WHERE NOT tq_is('trace', trace_parent)" },
        { "lineage", 12,
          "SELECT 'lineage of job ' || job || ': tenant ' || tenant || ' has no such job'"
          " FROM lineage l WHERE NOT EXISTS"
          " (SELECT 1 FROM jobs j WHERE j.id = l.job AND j.tenant = l.tenant)" },
        { "lineage", 12,
          "SELECT 'lineage of job ' || job || ': a kind or a name in it is not valid' FROM lineage"
          " WHERE kind NOT IN ('parent', 'input', 'output') OR NOT tq_is('utf8', name)" },
        { "verdict", 1,
          "SELECT 'job ' || id || ': it has ended and has no verdict' FROM jobs"
          " WHERE state = 'done' AND (verdict IS NULL OR outcome IS NULL OR ended_usec IS NULL)" },
        { "verdict", 1,
          "SELECT 'job ' || id || ': it has not ended and has a verdict' FROM jobs"
          " WHERE state <> 'done' AND (verdict IS NOT NULL OR outcome IS NOT NULL)" },
        { "attempt", 1,
          "SELECT 'job ' || id || ': it runs, and its attempt ' || attempt || ' is not recorded'"
          " FROM jobs j WHERE state = 'running' AND NOT EXISTS"
          " (SELECT 1 FROM attempts a WHERE a.job = j.id AND a.attempt = j.attempt)" },
        { "attempt", 1,
          "SELECT 'attempt ' || attempt || ' of job ' || job || ': there is no such job'"
          " FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.job)" },
        { "attempt", 1,
          "SELECT 'attempt ' || attempt || ' of job ' || job || ': attempts are numbered from 1'"
          " FROM attempts WHERE attempt < 1" },
        { "attempt", 1,
          "SELECT 'attempt ' || a.attempt || ' of job ' || a.job || ': the job is at ' || j.attempt"
          " FROM attempts a JOIN jobs j ON j.id = a.job WHERE a.attempt > j.attempt" },
        { "attempt", 1,
          "SELECT 'attempt ' || attempt || ' of job ' || job || ': its boot is of ' ||"
          " length(boot) || ' bytes' FROM attempts WHERE length(boot) NOT IN (16, 24)" },
        { "hold", 2,
          "SELECT 'job ' || id || ': held by ' || held FROM jobs WHERE held NOT IN (0, 1, 2)" },
        { "switch", 2,
          "SELECT 'switches of tenant ' || tenant || ': there is no such tenant' FROM switches s"
          " WHERE tenant <> 0 AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = s.tenant)" },
        { "limit", 11,
          "SELECT 'limit ' || name || ' of tenant ' || tenant || ': there is no such tenant'"
          " FROM limits l WHERE NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = l.tenant)" },
        { "limit", 11,
          "SELECT 'limit ' || name || ' of tenant ' || tenant || ': of revision ' || revision ||"
          " ', and the tenant is at ' || (SELECT t.revision FROM tenants t WHERE t.id = l.tenant)"
          " FROM limits l WHERE revision > (SELECT t.revision FROM tenants t"
          " WHERE t.id = l.tenant)" },
        /* What set it may be older than the audit is. */
        { "limit", 11,
          "SELECT 'limit ' || l.name || ' of tenant ' || l.tenant || ': it is ' ||"
          " coalesce(l.value, 'unset') || ', and by the audit ' || coalesce(a.new_value, 'unset')"
          " FROM limits l JOIN audit a ON a.id = " LAST_CHANGE(
                  "l.tenant", "l.name", "l.queue") " WHERE a.new_value IS NOT l.value" },
        { "limit", 11,
          "SELECT 'limit ' || a.name || ' of tenant ' || a.tenant || ': it is not set, and by the "
          "audit ' || a.new_value FROM (SELECT DISTINCT tenant, name, coalesce(queue, '') AS queue"
          " FROM audit WHERE revision IS NOT NULL) k JOIN audit a ON a.id = " LAST_CHANGE(
                  "k.tenant", "k.name",
                  "k.queue") " JOIN tenants t ON t.id = k.tenant AND t.ending IS NOT 'removed'"
                             " WHERE a.new_value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM limits l"
                             " WHERE l.tenant = k.tenant AND l.name = k.name AND l.queue = "
                             "k.queue)" },
        { "rollout", 12,
          "SELECT 'rollout of tenant ' || tenant || ': there is no such tenant' FROM rollouts r"
          " WHERE NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = r.tenant)" },
        { "rollout", 12,
          "SELECT 'rollout of tenant ' || tenant || ': ' || percent || ' % in ' || span_usec ||"
          " ' us since ' || begun_usec FROM rollouts WHERE percent <= 100 OR span_usec <= 0"
          " OR begun_usec < 0" },
        { "dead", 5,
          "SELECT 'job ' || id || ': a dead letter that has not ended' FROM jobs"
          " WHERE dead <> 0 AND state <> 'done'" },
        { "dead", 5,
          "SELECT 'job ' || id || ': ' || failures || ' failures' FROM jobs WHERE failures < 0" },
};

typedef struct Run {
        const TqSnapshot *snapshot;
        TqInspection *found;
        TqInspectProblem problem;
        void *userdata;
        const char *check;
        size_t n; /* of this check */
} Run;

static void say(Run *r, const char *text) {
        r->found->problems++;
        r->problem(r->userdata, r->check, text);
}

static int on_row(void *userdata, sqlite3_stmt *s) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        Run *r = userdata;

        /* integrity_check puts several into one row, below a heading. */
        for (const char *line = text ? text : "?"; *line;) {
                size_t length = strcspn(line, "\n");
                char one[512];

                (void)snprintf(one, sizeof(one), "%.*s", (int)TQ_MIN(length, sizeof(one) - 1),
                               line);
                line += length + (line[length] == '\n');
                if (strncmp(one, "*** ", 4) == 0)
                        continue;
                if (r->n++ >= MOST) {
                        say(r, "there is more of this kind");
                        return -ECANCELED;
                }
                say(r, one);
        }
        return 0;
}

static int run_check(Run *r, const char *name, const char *sql) {
        TqError err = {};
        int result;

        r->check = name;
        r->n = 0;
        result = tq_snapshot_each(r->snapshot, sql, on_row, r, &err);
        if (result < 0 && err.text[0] != '\0' && result != -ENOMEM)
                say(r, err.text);
        return result == -ENOMEM ? result : 0;
}

/* Words --------------------------------------------------------------------------------------- */

#define IS_WORD(name, max, to_string)                                                              \
        static bool name(const char *text) {                                                       \
                for (int i = 0; i < (max); i++) {                                                  \
                        const char *word = to_string(i);                                           \
                                                                                                   \
                        if (word && strcmp(word, text) == 0)                                       \
                                return true;                                                       \
                }                                                                                  \
                return false;                                                                      \
        }
IS_WORD(is_outcome, _TQ_OUTCOME_MAX, tq_verdict_outcome_to_string)
IS_WORD(is_level, _TQ_LEVEL_MAX, tq_verdict_level_to_string)
IS_WORD(is_stage, _TQ_STAGE_MAX, tq_verdict_stage_to_string)
IS_WORD(is_stop, _TQ_STOP_MAX, tq_verdict_stop_to_string)

static bool is_text(const char *text) {
        return tq_parse_is_utf8(text, strlen(text));
}

/* tq_is(KIND, TEXT); NULL is anything. */
static void is(sqlite3_context *context, int n, sqlite3_value **values) {
        static const struct {
                const char *kind;
                bool (*is)(const char *text);
        } kinds[] = {
                { "outcome", is_outcome },
                { "level", is_level },
                { "stage", is_stage },
                { "stop", is_stop },
                { "utf8", is_text },
                { "trace", tq_jobspec_trace_is_valid },
                { "tenant", tq_ids_tenant_is_valid },
                { "queue", tq_ids_queue_is_valid },
        };
        const char *kind = (const char *)sqlite3_value_text(values[0]);
        const char *text = (const char *)sqlite3_value_text(values[1]);
        bool result = !text;

        (void)n;
        for (size_t i = 0; text && kind && i < TQ_ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].kind, kind) == 0)
                        result = kinds[i].is(text);
        sqlite3_result_int(context, result);
}

/* Inspection -------------------------------------------------------------------------------- */

/* 1: the rest can be asked; 0: of its pages only; -EBADMSG: nothing. */
static int check_what_it_is(Run *r) {
        int64_t id = 0, objects = 0;
        TqError err = {};
        char text[160];
        int result;

        r->check = "file";
        result = tq_snapshot_number(r->snapshot, "PRAGMA application_id", &id, &err);
        if (result >= 0)
                result = tq_snapshot_number(r->snapshot, "SELECT count(*) FROM sqlite_schema",
                                            &objects, &err);
        if (result >= 0)
                result = tq_snapshot_number(r->snapshot, "PRAGMA user_version", &r->found->version,
                                            &err);
        if (result < 0) {
                say(r, err.text);
                return -EBADMSG;
        }
        if (objects == 0)
                say(r, "there is nothing in it");
        else if (id != TQ_LEDGER_APPLICATION_ID) {
                (void)snprintf(text, sizeof(text), "not a ledger of tenantq (application id %lld)",
                               (long long)id);
                say(r, text);
        } else if (r->found->version < 1 || r->found->version > TQ_LEDGER_VERSION) {
                (void)snprintf(text, sizeof(text), "schema version %lld, and this program knows %d",
                               (long long)r->found->version, TQ_LEDGER_VERSION);
                say(r, text);
        } else
                return 1;
        return 0;
}

static void count(const Run *r) {
        const struct {
                const char *sql;
                uint64_t *n;
        } counts[] = {
                { "SELECT count(*) FROM tenants", &r->found->tenants },
                { "SELECT count(*) FROM jobs", &r->found->jobs },
                { "SELECT count(*) FROM jobs WHERE state <> 'done'", &r->found->live },
                { "SELECT count(*) FROM attempts", &r->found->attempts },
        };

        /* What can't be counted was said already. */
        for (size_t i = 0; i < TQ_ELEMENTSOF(counts); i++) {
                int64_t n = 0;

                (void)tq_snapshot_number(r->snapshot, counts[i].sql, &n, NULL);
                *counts[i].n = (uint64_t)n;
        }
}

static void on_broken_link(void *userdata, const char *text) {
        Run *r = userdata;

        if (r->n++ < MOST)
                say(r, text);
        else if (r->n == MOST + 2)
                say(r, "there is more of this kind");
}

static int check_chain(Run *r) {
        TqChainFound found;
        int rc;

        r->check = "audit";
        r->n = 0;
        rc = tq_chain_verify(tq_snapshot_db(r->snapshot), NULL, on_broken_link, r, &found);
        if (rc != SQLITE_OK && rc != SQLITE_NOMEM)
                say(r, sqlite3_errstr(rc));
        return rc == SQLITE_NOMEM ? -ENOMEM : 0;
}

int tq_inspect(const TqSnapshot *s, TqInspectProblem problem, void *userdata, TqInspection *ret) {
        Run r = { .snapshot = s, .found = ret, .problem = problem, .userdata = userdata };
        int is_ours, result = 0;

        *ret = (TqInspection){};
        if (sqlite3_create_function(tq_snapshot_db(s), "tq_is", 2,
                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, is, NULL,
                                    NULL) != SQLITE_OK)
                return -ENOMEM;
        is_ours = check_what_it_is(&r);
        if (is_ours >= 0)
                result = run_check(&r, "pages",
                                   "SELECT integrity_check FROM pragma_integrity_check"
                                   " WHERE integrity_check <> 'ok'");
        for (size_t i = 0; is_ours > 0 && result >= 0 && i < TQ_ELEMENTSOF(checks); i++)
                if (checks[i].since <= ret->version)
                        result = run_check(&r, checks[i].name, checks[i].sql);
        if (is_ours > 0 && result >= 0 && ret->version >= TQ_LEDGER_WITH_CHAIN)
                result = check_chain(&r);
        if (is_ours > 0)
                count(&r);
        return result;
}
