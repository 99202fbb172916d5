/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger_schema.h"

/* An attempt's boot is the boot's id (16 bytes), and since version 3 behind it when it was released
 * by CLOCK_BOOTTIME (microseconds, 8 bytes, little endian), which means something within that boot
 * only.
 *
 * States, outcomes, levels, stages and stop reasons are stored as the words of core/, so that the
 * file can be read with sqlite3(1). Times are microseconds since the epoch. */

/* What jobs have used whose rows are gone, by the day (UTC) on which they ended; and the same of
 * all jobs, for whoever adds up. */
#define DAYS                                                                                       \
        "CREATE TABLE days("                                                                       \
        "  tenant INTEGER NOT NULL REFERENCES tenants, day TEXT NOT NULL, jobs INTEGER NOT NULL,"  \
        "  failed INTEGER NOT NULL, attempts INTEGER NOT NULL, run_usec INTEGER NOT NULL,"         \
        "  cpu_usec INTEGER NOT NULL, io_read_bytes INTEGER NOT NULL,"                             \
        "  io_write_bytes INTEGER NOT NULL, PRIMARY KEY(tenant, day)) STRICT, WITHOUT ROWID;"
#define SUMS                                                                                       \
        "CREATE VIEW sums AS SELECT tenant, day, sum(jobs) AS jobs, sum(failed) AS failed,"        \
        "  sum(attempts) AS attempts, sum(run_usec) AS run_usec, sum(cpu_usec) AS cpu_usec,"       \
        "  sum(io_read_bytes) AS io_read_bytes, sum(io_write_bytes) AS io_write_bytes FROM"        \
        "  (SELECT * FROM days UNION ALL SELECT j.tenant, date(j.ended_usec / 1000000,"            \
        "   'unixepoch'), 1, j.outcome <> 'exit' OR j.code <> 0, count(a.job),"                    \
        "   coalesce(sum(a.run_usec), 0), coalesce(sum(a.cpu_usec), 0),"                           \
        "   coalesce(sum(a.io_read_bytes), 0), coalesce(sum(a.io_write_bytes), 0)"                 \
        "   FROM jobs j LEFT JOIN attempts a ON a.job = j.id WHERE j.state = 'done'"               \
        "   GROUP BY j.id) GROUP BY tenant, day;"

/* What is intended with a tenant and not done yet, or `removed`: then the row stays, so that its
 * number is never another's. And the highest numbers that rows had which are gone. */
#define FLOORS                                                                                     \
        "CREATE TABLE floors("                                                                     \
        "  what TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
/* Where tenants stood, for a restart: tags and virtual times as core/standing.c has them, usage as
 * log2 of what was left of it (NULL: nothing). Tenant 0 is the host, of which only the averages
 * (core/fair.c) mean anything. `boot` is the boot's id and then the time by CLOCK_BOOTTIME, as an
 * attempt's. contended_usec: for how long somebody had competed; NULL: nobody did. */
#define STANDINGS                                                                                  \
        "CREATE TABLE standings("                                                                  \
        "  tenant INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, boot BLOB NOT NULL,"            \
        "  pool TEXT NOT NULL, presence TEXT NOT NULL, tag_nsec INTEGER NOT NULL,"                 \
        "  largest_nsec INTEGER NOT NULL, turn INTEGER NOT NULL, usage REAL, averages BLOB) "      \
        "STRICT;"                                                                                  \
        "CREATE TRIGGER standings_gone AFTER DELETE ON tenants BEGIN"                              \
        "  DELETE FROM standings WHERE tenant = old.id; END;"                                      \
        "CREATE TABLE pools("                                                                      \
        "  name TEXT PRIMARY KEY, time_usec INTEGER NOT NULL, boot BLOB NOT NULL,"                 \
        "  vtime_nsec INTEGER NOT NULL, largest_nsec INTEGER NOT NULL, contended_usec INTEGER)"    \
        "  STRICT, WITHOUT ROWID;"

/* What was changed, by whom and why: appended to, and forgotten from its beginning only. Each row
 * has the hash of the one before (chain.h). old_value: what held; old_set: what was set for good,
 * NULL if nothing was and it came of a file or a default. */
#define AUDIT                                                                                      \
        "CREATE TABLE audit("                                                                      \
        "  id INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, kind TEXT NOT NULL, tenant "        \
        "INTEGER,"                                                                                 \
        "  tenant_name TEXT, queue TEXT, job INTEGER, uid INTEGER, login_uid INTEGER,"             \
        "  session TEXT, sudo_user TEXT, revision INTEGER, policy INTEGER, name TEXT,"             \
        "  old_value TEXT, old_set TEXT, new_value TEXT, until_usec INTEGER, kernel TEXT,"         \
        "  text TEXT, why TEXT, hash BLOB NOT NULL) STRICT;"                                       \
        "CREATE INDEX audit_by_revision ON audit(tenant, revision) WHERE revision IS NOT NULL;"    \
        "CREATE INDEX audit_by_name ON audit(tenant, name, revision) WHERE revision IS NOT NULL;"  \
        "CREATE INDEX audit_by_tenant ON audit(tenant);"                                           \
        "CREATE TABLE chain("                                                                      \
        "  what TEXT PRIMARY KEY, id INTEGER NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;"
/* Limits of many tenants that were set as one: the text that was applied. */
#define POLICIES                                                                                   \
        "CREATE TABLE policies("                                                                   \
        "  version INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,"         \
        "  tenants INTEGER NOT NULL, about TEXT, why TEXT, spec TEXT NOT NULL) STRICT;"
/* What the files of root's said last, a line KEY=VALUE for each setting; tenant 0: tenantq.conf. */
#define FILES "CREATE TABLE files(tenant INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
/* What is set live, each with the revision that set it. Until until_usec, if that is not NULL, or
 * in the boot of until_boot until its CLOCK_BOOTTIME; then back_value holds again, NULL: it is
 * unset. value NULL: it is unset until then. */
#define LIMITS                                                                                     \
        "CREATE TABLE limits("                                                                     \
        "  tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL,"   \
        "  value TEXT, revision INTEGER NOT NULL, until_usec INTEGER, until_boot BLOB,"            \
        "  back_value TEXT, PRIMARY KEY(tenant, queue, name)) STRICT, WITHOUT ROWID;"

/* Changes of limits that are looked after (engine/settings/rollout.c), one of a tenant: from
 * begun_usec, which was CLOCK_BOOTTIME of `boot`, for span_usec; the CPU time of its slice then and
 * how long it had been throttled, and both of before that; NULL: not known. */
#define ROLLOUTS                                                                                   \
        "CREATE TABLE rollouts("                                                                   \
        "  tenant INTEGER PRIMARY KEY, revision INTEGER NOT NULL, begun_usec INTEGER NOT NULL,"    \
        "  span_usec INTEGER NOT NULL, percent INTEGER NOT NULL, cpu_usec INTEGER,"                \
        "  throttled_usec INTEGER, before_cpu_usec INTEGER, before_throttled_usec INTEGER,"        \
        "  boot BLOB) STRICT;"

/* What a job comes of, takes and makes, by names: rows of those jobs only that say so. kind:
 * `parent`, `input` or `output`. */
#define LINEAGE                                                                                    \
        "CREATE TABLE lineage("                                                                    \
        "  job INTEGER NOT NULL REFERENCES jobs, kind TEXT NOT NULL, name TEXT NOT NULL,"          \
        "  tenant INTEGER NOT NULL, PRIMARY KEY(job, kind, name)) STRICT, WITHOUT ROWID;"          \
        "CREATE INDEX lineage_by_name ON lineage(tenant, name, kind, job);"                        \
        "CREATE TRIGGER lineage_gone AFTER DELETE ON jobs BEGIN"                                   \
        "  DELETE FROM lineage WHERE job = old.id; END;"

/* These texts are of released steps, too: who changes one writes the old one into those first. A
 * job's file comes last: what lies behind 64 KiB of it would be read from page to page. */
#define JOBS_COLUMNS_10                                                                            \
        "  id INTEGER PRIMARY KEY, claim INTEGER UNIQUE, tenant INTEGER NOT NULL REFERENCES "      \
        "tenants,"                                                                                 \
        "  queue TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT "    \
        "NULL,"                                                                                    \
        "  submitted_usec INTEGER NOT NULL, submitter_uid INTEGER NOT NULL,"                       \
        "  start_after_usec INTEGER, correlation_id TEXT, labels TEXT, stop TEXT,"                 \
        "  attempt INTEGER NOT NULL DEFAULT 0,"                                                    \
        "  outcome TEXT, level TEXT, stage TEXT, code INTEGER, verdict TEXT, ended_usec INTEGER,"  \
        "  held INTEGER NOT NULL DEFAULT 0, deadline_usec INTEGER, after TEXT, runtime_usec "      \
        "INTEGER,"                                                                                 \
        "  stop_usec INTEGER, memory_bytes INTEGER, retry TEXT, failures INTEGER NOT NULL "        \
        "DEFAULT "                                                                                 \
        "0,"                                                                                       \
        "  retry_usec INTEGER, dead INTEGER NOT NULL DEFAULT 0, keep_usec INTEGER,"                \
        "  key TEXT, crashes INTEGER NOT NULL DEFAULT 0, quarantine TEXT"
#define JOBS_COLUMNS JOBS_COLUMNS_10 ", trace_parent TEXT"
#define JOBS_INDICES                                                                               \
        "CREATE INDEX jobs_by_tenant ON jobs(tenant, id);"                                         \
        "CREATE INDEX jobs_live ON jobs(id) WHERE state <> 'done';"                                \
        "CREATE INDEX jobs_live_by_tenant ON jobs(tenant, id) WHERE state <> 'done';"              \
        "CREATE INDEX jobs_by_name ON jobs(tenant, name, id);"                                     \
        "CREATE INDEX jobs_dead ON jobs(tenant, id) WHERE dead <> 0;"                              \
        "CREATE INDEX jobs_by_key ON jobs(tenant, key, id) WHERE key IS NOT NULL;"                 \
        "CREATE INDEX jobs_dead_by_queue ON jobs(tenant, queue, id) WHERE dead <> 0;"

const char tq_ledger_schema[] =
        /* Of those with the same name, the one with the greatest `owned` has it. */
        "CREATE TABLE tenants("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL, user TEXT NOT NULL DEFAULT '',"
        "  owned INTEGER NOT NULL DEFAULT 0, ending TEXT, ending_to TEXT, ending_uid INTEGER,"
        "  ending_why TEXT, revision INTEGER NOT NULL DEFAULT 0) STRICT;"

        "CREATE TABLE jobs(" JOBS_COLUMNS ", spec BLOB NOT NULL) STRICT;" JOBS_INDICES

        "CREATE TABLE attempts("
        "  job INTEGER NOT NULL REFERENCES jobs, attempt INTEGER NOT NULL, boot BLOB NOT NULL,"
        "  released_usec INTEGER NOT NULL, started_usec INTEGER, ended_usec INTEGER, run_usec "
        "INTEGER,"
        "  verdict TEXT, cpu_usec INTEGER, memory_peak_bytes INTEGER, oom_kills INTEGER,"
        "  io_read_bytes INTEGER, io_write_bytes INTEGER, pids_peak INTEGER, pids_denied INTEGER,"
        "  dropped_bytes INTEGER, silent INTEGER, PRIMARY KEY(job, attempt)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE events("
        "  id INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, kind TEXT NOT NULL, tenant INTEGER,"
        "  job INTEGER, uid INTEGER, text TEXT NOT NULL) STRICT;"

        /* What is switched off: of the host (tenant 0), a tenant, or a queue. */
        "CREATE TABLE switches("
        "  tenant INTEGER NOT NULL, queue TEXT NOT NULL, paused INTEGER NOT NULL,"
        "  draining INTEGER NOT NULL, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL, why TEXT,"
        "  PRIMARY KEY(tenant, queue)) STRICT, WITHOUT ROWID;"

        DAYS SUMS STANDINGS FLOORS AUDIT LIMITS POLICIES FILES ROLLOUTS LINEAGE;

const char *const tq_ledger_migrations[TQ_LEDGER_VERSION - 1] = {
        "ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE jobs ADD COLUMN deadline_usec INTEGER;"
        "ALTER TABLE jobs ADD COLUMN after TEXT;"
        "ALTER TABLE jobs ADD COLUMN runtime_usec INTEGER;"
        "ALTER TABLE jobs ADD COLUMN stop_usec INTEGER;"
        "ALTER TABLE jobs ADD COLUMN memory_bytes INTEGER;"
        "CREATE INDEX jobs_live_by_tenant ON jobs(tenant, id) WHERE state <> 'done';"
        "CREATE INDEX jobs_by_name ON jobs(tenant, name, id);"
        "CREATE TABLE switches("
        "  tenant INTEGER NOT NULL, queue TEXT NOT NULL, paused INTEGER NOT NULL,"
        "  draining INTEGER NOT NULL, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL, why TEXT,"
        "  PRIMARY KEY(tenant, queue)) STRICT, WITHOUT ROWID;",
        /* A name may come to another owner: the same name, another row. */
        "CREATE TABLE tenants_3("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL, user TEXT NOT NULL DEFAULT '') STRICT;"
        "INSERT INTO tenants_3(id, name, uid, first_seen_usec)"
        "  SELECT id, name, uid, first_seen_usec FROM tenants;"
        "DROP TABLE tenants;"
        "ALTER TABLE tenants_3 RENAME TO tenants;",
        /* Who came last had it, as far as that version knew. */
        "ALTER TABLE tenants ADD COLUMN owned INTEGER NOT NULL DEFAULT 0;"
        "UPDATE tenants SET owned = id;",
        "ALTER TABLE jobs ADD COLUMN retry TEXT;"
        "ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE jobs ADD COLUMN retry_usec INTEGER;"
        "ALTER TABLE jobs ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;"
        "CREATE INDEX jobs_dead ON jobs(tenant, id) WHERE dead <> 0;",
        "ALTER TABLE jobs ADD COLUMN keep_usec INTEGER;"
        "ALTER TABLE jobs ADD COLUMN key TEXT;"
        "CREATE INDEX jobs_by_key ON jobs(tenant, key, id) WHERE key IS NOT NULL;" DAYS SUMS,
        "ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE jobs ADD COLUMN quarantine TEXT;",
        STANDINGS,
        "ALTER TABLE tenants ADD COLUMN ending TEXT;"
        "ALTER TABLE tenants ADD COLUMN ending_to TEXT;"
        "ALTER TABLE tenants ADD COLUMN ending_uid INTEGER;"
        "ALTER TABLE tenants ADD COLUMN ending_why TEXT;"
        "CREATE INDEX jobs_dead_by_queue ON jobs(tenant, queue, id) WHERE dead <> 0;" FLOORS,
        "DROP VIEW sums;"
        "CREATE TABLE jobs_10(" JOBS_COLUMNS_10 ", spec BLOB NOT NULL) STRICT;"
        "INSERT INTO jobs_10 SELECT id, claim, tenant, queue, name, state, priority,"
        "  submitted_usec, submitter_uid, start_after_usec, correlation_id, labels, stop, attempt,"
        "  outcome, level, stage, code, verdict, ended_usec, held, deadline_usec, after,"
        "  runtime_usec, stop_usec, memory_bytes, retry, failures, retry_usec, dead,"
        "  CASE WHEN keep_usec = 9223372036854775807 THEN -1 ELSE keep_usec END,"
        "  key, crashes, quarantine, spec FROM jobs;"
        "DROP TABLE jobs;"
        "ALTER TABLE jobs_10 RENAME TO jobs;" JOBS_INDICES SUMS,
        /* Revisions were rows of limits. Their hashes: tq_chain_begin(). */
        "ALTER TABLE limits RENAME TO limits_10;"
        "ALTER TABLE tenants ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
        "UPDATE tenants SET revision = coalesce("
        "  (SELECT max(revision) FROM limits_10 l WHERE l.tenant = tenants.id), 0);" AUDIT LIMITS
                POLICIES FILES
        "INSERT INTO limits SELECT tenant, queue, name, new_value, max(revision), NULL, NULL, NULL"
        "  FROM limits_10 GROUP BY tenant, queue, name HAVING new_value IS NOT NULL;"
        "INSERT INTO audit SELECT row_number() OVER (ORDER BY revision), time_usec, 'limits',"
        "  tenant, (SELECT t.name FROM tenants t WHERE t.id = tenant), nullif(queue, ''), NULL, "
        "uid,"
        "  NULL, NULL, NULL, revision, NULL, name, old_value,"
        "  lag(new_value) OVER (PARTITION BY tenant, queue, name ORDER BY revision), new_value,"
        "  NULL, kernel, NULL, why, x'' FROM limits_10 ORDER BY revision;"
        "DROP TABLE limits_10;",
        "DROP VIEW sums;"
        "CREATE TABLE jobs_12(" JOBS_COLUMNS ", spec BLOB NOT NULL) STRICT;"
        "INSERT INTO jobs_12 SELECT id, claim, tenant, queue, name, state, priority,"
        "  submitted_usec, submitter_uid, start_after_usec, correlation_id, labels, stop, attempt,"
        "  outcome, level, stage, code, verdict, ended_usec, held, deadline_usec, after,"
        "  runtime_usec, stop_usec, memory_bytes, retry, failures, retry_usec, dead, keep_usec,"
        "  key, crashes, quarantine, NULL, spec FROM jobs;"
        "DROP TABLE jobs;"
        "ALTER TABLE jobs_12 RENAME TO jobs;" JOBS_INDICES SUMS LINEAGE ROLLOUTS,
        "ALTER TABLE attempts ADD COLUMN silent INTEGER;",
};
