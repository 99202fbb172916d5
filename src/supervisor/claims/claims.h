/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/claims/reject.h"
#include "supervisor/claims/claim_file.h"

/* Claims: files that were taken out of a tenant's directory into .claims, under a number. Each is
 * open until the engine has accepted or refused it; then the file goes, or is rejected. */
typedef struct Claims Claims;

/* room: told when one more file of the tenant may be taken (NULL: of any). */
int claims_new(Own *own, Tenants *tenants, Rejects *rejects, TqLink *link,
               void (*room)(void *data, Tenant *t), void *data, Claims **ret);
Claims *claims_free(Claims *c);

/* A file of the tenant, to the engine. */
ClaimOutcome claims_claim(Claims *c, Tenant *t, const char *name);

/* Whether one more of any tenant, and one more of this one, may be open. */
bool claims_have_room(const Claims *c);
bool claims_have_credit(const Claims *c, const Tenant *t);
/* One that is kept from before is handed over: it comes before the files. CLAIM_GONE: there is none
 * that can be. LATER: it could not be read for now, and waits for claims_try_again(). */
ClaimOutcome claims_hand_over(Claims *c, Tenant *t);
bool claims_has_kept(const Claims *c, const Tenant *t);
bool claims_are_late(const Claims *c, const Tenant *t);
void claims_try_again(Claims *c, const Tenant *t);
/* Who owns the tenant or may submit for it may be others now: what was none of theirs is kept. */
void claims_look_again(Claims *c, const Tenant *t);

/* Whatever there is of it is not looked at any more: its files are about to go. */
void claims_forget(Claims *c, const Tenant *t);
/* What was user `from`'s is `to`'s, by root's order. */
void claims_give(Claims *c, const Tenant *t, uid_t from, uid_t to);

/* At start: what is in .claims is kept. Negative errno. */
int claims_find(Claims *c);
/* Taking stock: the engine is told which are kept, and says of each whether it was accepted. */
void claims_tell(Claims *c);
/* The engine has crashed over this one; before claims_keep_all(). After the last time that it may,
 * it is refused instead of handed over. False: it is not one that the engine had. */
bool claims_blame(Claims *c, uint64_t number, int sig);
/* The engine is gone: what was open is kept for the next one, which says itself who has no room. */
void claims_keep_all(Claims *c);
/* The first number that is given out. */
void claims_number_from(Claims *c, uint64_t number);
