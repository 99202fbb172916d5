/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/claims.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "base/parse.h"
#include "core/ids.h"

/* A claim goes one way:
 *
 *   claimed ──► FLYING ──► accepted: its file is removed
 *               │   ▲     refused: its file is rejected
 *               ▼   │
 *             AT_DOOR      a limit refuses it for now; the engine asks for it again
 *
 * and when the engine is gone, all are KEPT, and handed over to the next one. A crash between the
 * engine's commit and the removal is settled by the number, which is unique in the ledger. One
 * whose directory belongs to somebody else by now is FOREIGN: its file stays in .claims, and is
 * looked at again when owner or submitters may be others.
 *
 * What is FLYING is bounded for all together, since its bytes may wait in the channel; what is
 * open, for each tenant, by the credit that the engine has given it. So nobody's files keep
 * another's from being claimed. */

#define FLYING_MOST 256
#define NAME_BYTES  (24 + TQ_TENANT_NAME_MAX)

typedef enum ClaimState {
        STATE_FLYING,
        STATE_AT_DOOR,
        STATE_KEPT,
        STATE_FOREIGN, /* not counted: nothing comes of it */
} ClaimState;

/* A tenant's claims. */
typedef struct Claimant {
        Tenant *tenant;
        unsigned n_open, credit;
        TqList kept, foreign; /* of Claim.link, as they are to be handed over */
} Claimant;

typedef struct Claim {
        uint64_t number;
        Claimant *claimant;
        uint32_t owner; /* of the tenant when it was claimed; 0: of a run before */
        ClaimState state;
        TqList link;             /* KEPT, FOREIGN */
        char name[NAME_MAX + 1]; /* in the tenant's directory */
} Claim;

struct Claims {
        Own *own;
        Tenants *tenants;
        Rejects *rejects;
        TqLink *link;
        void (*room)(void *data, Tenant *t);
        void *data;
        TqMap claimants; /* Tenant.handle → Claimant */
        TqMap all;       /* number → Claim */
        size_t n_flying;
        uint64_t next;
};

static int dir_of(const Claims *c) {
        return own_fd(c->own, OWN_CLAIMS);
}

static const char *file_of(uint64_t number, const Tenant *t, char buf[NAME_BYTES]) {
        (void)snprintf(buf, NAME_BYTES, "%" PRIu64 ".%s", number, t->name);
        return buf;
}

static Claimant *claimant_of(const Claims *c, const Tenant *t) {
        return tq_map_get(&c->claimants, t->handle);
}

static Claimant *claimant_ensure(Claims *c, Tenant *t) {
        Claimant *who = claimant_of(c, t);

        if (who)
                return who;
        who = calloc(1, sizeof(*who));
        if (!who)
                return NULL;
        who->tenant = t;
        who->credit = TQ_CREDIT_MOST;
        tq_list_init(&who->kept);
        tq_list_init(&who->foreign);
        if (tq_map_put(&c->claimants, t->handle, who) < 0) {
                free(who);
                return NULL;
        }
        return who;
}

static void count(Claims *c, const Claim *claim, bool is_one_more) {
        size_t more = is_one_more ? 1 : SIZE_MAX;

        c->n_flying += claim->state == STATE_FLYING ? more : 0;
        claim->claimant->n_open += claim->state != STATE_FOREIGN ? (unsigned)more : 0;
}

static Claim *claim_new(Claims *c, Tenant *t, uint64_t number, const char *name, ClaimState state) {
        Claimant *who = claimant_ensure(c, t);
        Claim *claim = who ? calloc(1, sizeof(*claim)) : NULL;

        if (!claim)
                return NULL;
        claim->number = number;
        claim->claimant = who;
        claim->state = state;
        tq_list_init(&claim->link);
        (void)snprintf(claim->name, sizeof(claim->name), "%s", name);
        if (tq_map_put(&c->all, number, claim) < 0) {
                free(claim);
                return NULL;
        }
        count(c, claim, true);
        return claim;
}

static void set_state(Claims *c, Claim *claim, ClaimState state) {
        count(c, claim, false);
        tq_list_unlink(&claim->link);
        claim->state = state;
        count(c, claim, true);
        if (state == STATE_KEPT)
                tq_list_append(&claim->claimant->kept, &claim->link);
        else if (state == STATE_FOREIGN)
                tq_list_append(&claim->claimant->foreign, &claim->link);
}

static void claim_free(Claims *c, Claim *claim) {
        count(c, claim, false);
        tq_list_unlink(&claim->link);
        (void)tq_map_remove(&c->all, claim->number);
        free(claim);
}

/* To the engine ---------------------------------------------------------------------------------
 */

static void fly(Claims *c, Claim *claim, const ClaimedFile *got) {
        const Tenant *t = claim->claimant->tenant;
        TqMessage m = { .claim = {
                                .claim = claim->number, .tenant = t->handle, .uid = got->owner } };

        claim->owner = t->owner;
        (void)snprintf(m.claim.name, sizeof(m.claim.name), "%s", claim->name);
        (void)tq_link_send(c->link, TQ_MESSAGE_CLAIM, &m, got->bytes, got->size, -EBADF);
}

bool claims_have_room(const Claims *c) {
        return c->n_flying < FLYING_MOST;
}

bool claims_have_credit(const Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);

        return claims_have_room(c) && (!who || who->n_open < who->credit);
}

ClaimOutcome claims_claim(Claims *c, Tenant *t, const char *name) {
        uint64_t number = c->next++;
        char file[NAME_BYTES];
        ClaimOutcome outcome;
        Claim *claim;
        ClaimedFile got;

        outcome = claim_file(c->own, c->tenants, t, name, file_of(number, t, file), &got);
        if (outcome == CLAIM_REFUSED)
                reject_file(c->rejects, t, 0, got.is_claimed ? dir_of(c) : t->spool_fd,
                            got.is_claimed ? file : name, name, got.why);
        if (outcome != CLAIM_TAKEN)
                return outcome;
        claim = claim_new(c, t, number, name, STATE_FLYING);
        if (!claim)
                return CLAIM_LATER; /* it is found in .claims when tenantqd is started again */
        fly(c, claim, &got);
        return CLAIM_TAKEN;
}

/* Once more, from .claims. */
static ClaimOutcome hand_over(Claims *c, Claim *claim) {
        Tenant *t = claim->claimant->tenant;
        char file[NAME_BYTES];
        ClaimOutcome outcome;
        ClaimedFile got;

        outcome = claim_file_again(c->own, t, file_of(claim->number, t, file), &got);
        switch (outcome) {
        case CLAIM_TAKEN:
                set_state(c, claim, STATE_FLYING);
                fly(c, claim, &got);
                break;
        case CLAIM_LATER:
                tenants_report(t, TQ_LOG_PLAIN, "claim %s can't be read for now: %s", file,
                               got.why);
                set_state(c, claim, STATE_KEPT);
                break;
        case CLAIM_FOREIGN:
                tenants_report(t, TQ_LOG_PLAIN,
                               "claim %s belongs to user %u, who may not submit for tenant %s: it "
                               "stays where it is",
                               file, got.owner, t->name);
                reject_tell(c->rejects, t, claim->number, claim->name,
                            "belongs to a user who may not submit any more; it stays in .claims");
                set_state(c, claim, STATE_FOREIGN);
                break;
        case CLAIM_GONE:
                reject_tell(c->rejects, t, claim->number, claim->name, "is not there any more");
                claim_free(c, claim);
                break;
        case CLAIM_REFUSED:
                reject_file(c->rejects, t, claim->number, dir_of(c), file, claim->name, got.why);
                claim_free(c, claim);
                break;
        }
        return outcome;
}

ClaimOutcome claims_hand_over(Claims *c, Tenant *t) {
        const Claimant *who = claimant_of(c, t);
        TqList *first = who ? tq_list_first(&who->kept) : NULL;

        return first && t->is_enabled ? hand_over(c, TQ_LIST_ENTRY(first, Claim, link))
                                      : CLAIM_GONE;
}

void claims_look_again(Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);
        TqList *first;

        while (who && (first = tq_list_first(&who->foreign)))
                set_state(c, TQ_LIST_ENTRY(first, Claim, link), STATE_KEPT);
}

bool claims_has_kept(const Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);

        return who && !tq_list_is_empty(&who->kept);
}

/* From the engine -------------------------------------------------------------------------------
 */

/* The directory belongs to somebody else by now: what the former owner left stays among the claims.
 */
static bool is_of_former(const Claim *claim) {
        return claim->owner != 0 && claim->owner != claim->claimant->tenant->owner;
}

static int on_done(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Claims *c = userdata;
        Claim *claim = tq_map_get(&c->all, m->claim_done.claim);
        char file[NAME_BYTES];
        Tenant *t;

        (void)fd;
        if (!claim)
                return 0;
        t = claim->claimant->tenant;
        (void)file_of(claim->number, t, file);
        if (m->claim_done.outcome == TQ_CLAIM_WAITS)
                set_state(c, claim, STATE_AT_DOOR);
        else if (m->claim_done.outcome == TQ_CLAIM_ACCEPTED) {
                (void)unlinkat(dir_of(c), file, 0);
                claim_free(c, claim);
        } else if (is_of_former(claim))
                set_state(c, claim, STATE_FOREIGN);
        else if (!t->is_enabled)
                set_state(c, claim, STATE_KEPT); /* rejected/ is only made where all is in order */
        else {
                reject_move(c->rejects, t, dir_of(c), file, claim->name, blob);
                claim_free(c, claim);
        }
        c->room(c->data, t);
        return 0;
}

static int on_again(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Claims *c = userdata;
        Claim *claim = tq_map_get(&c->all, m->number.cookie);
        Tenant *t;

        (void)blob;
        (void)fd;
        if (!claim || claim->state != STATE_AT_DOOR)
                return 0;
        /* In its turn, and when its tenant is in order. */
        t = claim->claimant->tenant;
        set_state(c, claim, STATE_KEPT);
        c->room(c->data, t);
        return 0;
}

static int on_credit(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Claims *c = userdata;
        Tenant *t = tenants_find(c->tenants, m->credit.tenant);
        Claimant *who = t ? claimant_ensure(c, t) : NULL;

        (void)blob;
        (void)fd;
        if (!who)
                return 0;
        who->credit = m->credit.credit;
        c->room(c->data, t);
        return 0;
}

/* What is kept ----------------------------------------------------------------------------------
 */

void claims_number_from(Claims *c, uint64_t number) {
        c->next = TQ_MAX(c->next, number);
}

static int by_number(const void *a, const void *b) {
        const Claim *x = *(const Claim *const *)a, *y = *(const Claim *const *)b;

        return (x->number > y->number) - (x->number < y->number);
}

/* In the order in which they were claimed. */
static int keep_in_order(Claims *c) {
        TQ_FREE Claim **list = calloc(c->all.size + 1, sizeof(*list));
        size_t position = 0, n = 0;
        Claim *claim;

        if (!list)
                return -ENOMEM;
        while ((claim = tq_map_next(&c->all, &position)))
                list[n++] = claim;
        qsort((void *)list, n, sizeof(Claim *), by_number);
        for (size_t i = 0; i < n; i++)
                set_state(c, list[i], STATE_KEPT);
        return 0;
}

void claims_keep_all(Claims *c) {
        size_t position = 0;
        Claimant *who;

        if (keep_in_order(c) < 0)
                tq_log(LOG_ERR, "out of memory; claims that are open wait for a restart");
        while ((who = tq_map_next(&c->claimants, &position)))
                who->credit = TQ_CREDIT_MOST;
}

void claims_tell(Claims *c) {
        size_t position = 0;
        const Claim *claim;

        while ((claim = tq_map_next(&c->all, &position))) {
                TqMessage m = { .number = { .cookie = claim->number } };

                (void)tq_link_send(c->link, TQ_MESSAGE_CLAIM_KEPT, &m, NULL, 0, -EBADF);
        }
}

/* "17.acme" */
static int find_one(Claims *c, const char *entry) {
        const char *dot = strchr(entry, '.');
        char digits[24], name[64];
        uint64_t number;
        Tenant *t;

        if (!dot || (size_t)(dot - entry) >= sizeof(digits))
                return 0;
        memcpy(digits, entry, (size_t)(dot - entry));
        digits[dot - entry] = '\0';
        if (tq_parse_u64_in(digits, 1, INT64_MAX, &number) < 0 || !tq_ids_tenant_is_valid(dot + 1))
                return 0;
        claims_number_from(c, number + 1);
        t = tenants_ensure(c->tenants, dot + 1);
        /* Its own name was lost with the process that knew it. */
        (void)snprintf(name, sizeof(name), "claim-%s" TQ_JOB_SUFFIX, digits);
        return t && claim_new(c, t, number, name, STATE_KEPT) ? 0 : -ENOMEM;
}

int claims_find(Claims *c) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(dir_of(c), ".", &dir);

        while (r >= 0 && (e = readdir(dir)))
                r = find_one(c, e->d_name);
        return r < 0 ? r : keep_in_order(c);
}

/* Life ------------------------------------------------------------------------------------------
 */

int claims_new(Own *own, Tenants *tenants, Rejects *rejects, TqLink *link,
               void (*room)(void *data, Tenant *t), void *data, Claims **ret) {
        Claims *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = (Claims){ .own = own,
                       .tenants = tenants,
                       .rejects = rejects,
                       .link = link,
                       .room = room,
                       .data = data,
                       .next = 1 };
        tq_link_on(link, TQ_MESSAGE_CLAIM_DONE, on_done, c);
        tq_link_on(link, TQ_MESSAGE_CLAIM_AGAIN, on_again, c);
        tq_link_on(link, TQ_MESSAGE_CREDIT, on_credit, c);
        *ret = c;
        return 0;
}

Claims *claims_free(Claims *c) {
        size_t position = 0;
        void *item;

        if (!c)
                return NULL;
        while ((item = tq_map_next(&c->all, &position)))
                free(item);
        position = 0;
        while ((item = tq_map_next(&c->claimants, &position)))
                free(item);
        tq_map_done(&c->all);
        tq_map_done(&c->claimants);
        free(c);
        return NULL;
}
