/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define TQ_LEDGER_APPLICATION_ID 0x54715131 /* "TqQ1", PRAGMA application_id */
#define TQ_LEDGER_VERSION        13         /* PRAGMA user_version */

#define TQ_LEDGER_WITH_CHAIN 11 /* the first that has one: chain.h */

extern const char tq_ledger_schema[];

/* From version i + 1 to i + 2; each in one transaction. */
extern const char *const tq_ledger_migrations[TQ_LEDGER_VERSION - 1];
