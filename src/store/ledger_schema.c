/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger_schema.h"

/* An attempt's boot is the boot's id (16 bytes), and since version 3 behind it when it was released
 * by CLOCK_BOOTTIME (microseconds, 8 bytes, little endian), which means something within that boot
 * only.
 *
 * States, outcomes, levels, stages and stop reasons are stored as the words of core/, so that the
 * file can be read with sqlite3(1). Times are microseconds since the epoch. */
const char tq_ledger_schema[] =
        /* Of those with the same name, the one with the greatest `owned` has it. */
        "CREATE TABLE tenants("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL, user TEXT NOT NULL DEFAULT '',"
        "  owned INTEGER NOT NULL DEFAULT 0) STRICT;"

        "CREATE TABLE jobs("
        "  id INTEGER PRIMARY KEY, claim INTEGER UNIQUE, tenant INTEGER NOT NULL REFERENCES "
        "tenants,"
        "  queue TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,"
        "  submitted_usec INTEGER NOT NULL, submitter_uid INTEGER NOT NULL,"
        "  start_after_usec INTEGER, correlation_id TEXT, labels TEXT, stop TEXT,"
        "  attempt INTEGER NOT NULL DEFAULT 0, spec BLOB NOT NULL,"
        "  outcome TEXT, level TEXT, stage TEXT, code INTEGER, verdict TEXT, ended_usec INTEGER,"
        "  held INTEGER NOT NULL DEFAULT 0, deadline_usec INTEGER, after TEXT, runtime_usec "
        "INTEGER,"
        "  stop_usec INTEGER, memory_bytes INTEGER) STRICT;"
        "CREATE INDEX jobs_by_tenant ON jobs(tenant, id);"
        "CREATE INDEX jobs_live ON jobs(id) WHERE state <> 'done';"
        "CREATE INDEX jobs_live_by_tenant ON jobs(tenant, id) WHERE state <> 'done';"
        "CREATE INDEX jobs_by_name ON jobs(tenant, name, id);"

        "CREATE TABLE attempts("
        "  job INTEGER NOT NULL REFERENCES jobs, attempt INTEGER NOT NULL, boot BLOB NOT NULL,"
        "  released_usec INTEGER NOT NULL, started_usec INTEGER, ended_usec INTEGER, run_usec "
        "INTEGER,"
        "  verdict TEXT, cpu_usec INTEGER, memory_peak_bytes INTEGER, oom_kills INTEGER,"
        "  io_read_bytes INTEGER, io_write_bytes INTEGER, pids_peak INTEGER, pids_denied INTEGER,"
        "  dropped_bytes INTEGER, PRIMARY KEY(job, attempt)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE events("
        "  id INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, kind TEXT NOT NULL, tenant INTEGER,"
        "  job INTEGER, uid INTEGER, text TEXT NOT NULL) STRICT;"

        "CREATE TABLE limits("
        "  revision INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,"
        "  tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL,"
        "  old_value TEXT, new_value TEXT, kernel TEXT, why TEXT) STRICT;"
        "CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision);"

        /* What is switched off: of the host (tenant 0), a tenant, or a queue. */
        "CREATE TABLE switches("
        "  tenant INTEGER NOT NULL, queue TEXT NOT NULL, paused INTEGER NOT NULL,"
        "  draining INTEGER NOT NULL, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL, why TEXT,"
        "  PRIMARY KEY(tenant, queue)) STRICT, WITHOUT ROWID;";

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
};
