/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger_schema.h"

/* States, outcomes, levels, stages and stop reasons are stored as the words of core/, so that the
 * file can be read with sqlite3(1). Times are microseconds since the epoch. */
const char tq_ledger_schema[] =
        "CREATE TABLE tenants("
        "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL,"
        "  first_seen_usec INTEGER NOT NULL) STRICT;"

        "CREATE TABLE jobs("
        "  id INTEGER PRIMARY KEY, claim INTEGER UNIQUE, tenant INTEGER NOT NULL REFERENCES "
        "tenants,"
        "  queue TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,"
        "  submitted_usec INTEGER NOT NULL, submitter_uid INTEGER NOT NULL,"
        "  start_after_usec INTEGER, correlation_id TEXT, labels TEXT, stop TEXT,"
        "  attempt INTEGER NOT NULL DEFAULT 0, spec BLOB NOT NULL,"
        "  outcome TEXT, level TEXT, stage TEXT, code INTEGER, verdict TEXT, ended_usec INTEGER) "
        "STRICT;"
        "CREATE INDEX jobs_by_tenant ON jobs(tenant, id);"
        "CREATE INDEX jobs_live ON jobs(id) WHERE state <> 'done';"

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
        "CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision);";
