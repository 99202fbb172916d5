/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/ledger.h"

/* A copy of a ledger that is in use, as it is at the end of the copying. See the essay in
 * ledger_backup.c. Everything here is for the thread that has the ledger. */
typedef struct TqLedgerBackup TqLedgerBackup;

/* What one step copies: about a millisecond, and a commit may have to wait for one of them. */
#define TQ_LEDGER_BACKUP_PAGES 256
/* What is left free on the ledger's disk, so that no commit fails for want of what a copy took. */
#define TQ_LEDGER_BACKUP_RESERVE (UINT64_C(16) * 1024 * 1024)

/* -EBUSY: there is one already. -ENOSPC: no room beside the ledger. */
int tq_ledger_backup_new(TqLedger *l, TqLedgerBackup **ret);
/* 1: there is more; 0: it is whole; negative errno: it will never be, and the ledger is as it was.
 */
int tq_ledger_backup_step(TqLedgerBackup *b);
/* Of a whole one: to be read only, of a file that has no name any more. */
int tq_ledger_backup_take_fd(TqLedgerBackup *b);
/* Before the ledger is closed. */
TqLedgerBackup *tq_ledger_backup_free(TqLedgerBackup *b);
