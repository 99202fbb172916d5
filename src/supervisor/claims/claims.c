/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/claims.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "supervisor/claims/claim_name.h"
#include "supervisor/tenants/notes.h"

/* A claim goes one way:
 *
 *   claimed ──► FLYING ──► accepted: its file is removed
 *               │   ▲     refused: its file is rejected
 *               ▼   │
 *             AT_DOOR      a limit refuses it for now; the engine asks for it again
 *
 * and when the engine is gone, all are KEPT, and handed over to the next one. A crash between the
 * engine's commit and the removal is settled by the number, which is unique in the ledger
 * (tests/models/claim.pml). One
 * whose directory belongs to somebody else by now is FOREIGN: its file stays in .claims, and is
 * looked at again when owner or submitters may be others.
 *
 * How often the engine has crashed over a claim is part of its file's name, so that the next
 * tenantqd knows it too; a tenant can't reach it there, which it could if it were an attribute of
 * the file. Twice, and it is rejected. Who has many such files is not to crash the engine all day:
 * after QUARANTINED_MOST within an hour all of the tenant's files wait, the rest of them where they
 * are.
 *
 * What is FLYING is bounded for all together, since its bytes may wait in the channel; what is
 * open, for each tenant, by the credit that the engine has given it. So nobody's files keep
 * another's from being claimed. */

#define FLYING_MOST      256
#define QUARANTINED_MOST 3
#define QUARANTINED_USEC (3600 * TQ_USEC_PER_SEC)
#define REST_USEC        (600 * TQ_USEC_PER_SEC)
#define NOTE_REST        NOTES_OURS "quarantine"

typedef enum ClaimState {
        STATE_FLYING,
        STATE_AT_DOOR,
        STATE_KEPT,
        STATE_LATE,    /* as KEPT, after claims_try_again() */
        STATE_FOREIGN, /* not counted: nothing comes of it */
} ClaimState;

/* A tenant's claims. */
typedef struct Claimant {
        Tenant *tenant;
        unsigned n_open, credit;
        TqList kept, late, foreign;              /* of Claim.link, as they are to be handed over */
        uint32_t judged_by;                      /* judges_of() when one became foreign */
        unsigned n_quarantined;                  /* of its files since then, CLOCK_BOOTTIME usec: */
        uint64_t quarantined_since, rests_until; /* 0: it does not rest */
} Claimant;

typedef struct Claim {
        uint64_t number;
        Claimant *claimant;
        uid_t uid; /* the tenant's when it was claimed; TQ_UID_UNKNOWN: by an older tenantqd */
        ClaimState state;
        TqList link;             /* KEPT, LATE, FOREIGN */
        bool is_told;            /* that it is foreign */
        unsigned crashes, named; /* of the engine over it; those that its file's name tells of */
        int sig;                 /* of the last one; 0: that was told to another tenantqd */
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

static const char *file_of(const Claim *claim, char buf[CLAIM_NAME_BYTES]) {
        ClaimName name = { claim->number, claim->uid, "", claim->named };

        (void)snprintf(name.tenant, sizeof(name.tenant), "%s", claim->claimant->tenant->name);
        return claim_name_format(&name, buf);
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
        tq_list_init(&who->late);
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

static Claim *claim_new(Claims *c, Tenant *t, uint64_t number, uid_t uid, const char *name,
                        ClaimState state) {
        Claimant *who = claimant_ensure(c, t);
        Claim *claim = who ? calloc(1, sizeof(*claim)) : NULL;

        if (!claim)
                return NULL;
        claim->number = number;
        claim->uid = uid;
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
        else if (state == STATE_LATE)
                tq_list_append(&claim->claimant->late, &claim->link);
        else if (state == STATE_FOREIGN)
                tq_list_append(&claim->claimant->foreign, &claim->link);
}

/* It is there, and can't be dealt with for now; others go on. */
static void keep_late(Claims *c, Claim *claim) {
        TqMessage m = { .claim_late = { .claim = claim->number,
                                        .tenant = claim->claimant->tenant->handle } };

        set_state(c, claim, STATE_LATE);
        (void)tq_link_send(c->link, TQ_MESSAGE_CLAIM_LATE, &m, NULL, 0, -EBADF);
}

/* Who owns the tenant and who may submit for it, as one number: another one if they are others. */
static uint32_t judges_of(const Tenant *t) {
        uint32_t crc = tq_crc32c(t->submitters, t->n_submitters * sizeof(t->submitters[0]));

        crc ^= tq_crc32c(t->config.former_owner, strlen(t->config.former_owner));
        return crc ^ (t->owner * UINT32_C(2654435761)) ^ t->who.uid;
}

static void keep_foreign(Claims *c, Claim *claim) {
        claim->claimant->judged_by = judges_of(claim->claimant->tenant);
        set_state(c, claim, STATE_FOREIGN);
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

/* Said as long as it lasts. */
static void rest(Claims *c, Claimant *who) {
        uint64_t now = tq_clock_boottime_usec();
        Tenant *t = who->tenant;

        if (tq_sub_u64(now, who->quarantined_since) > QUARANTINED_USEC) {
                who->quarantined_since = now;
                who->n_quarantined = 0;
        }
        if (++who->n_quarantined < QUARANTINED_MOST)
                return;
        who->rests_until = tq_add_u64(now, REST_USEC);
        tenants_report(t, TQ_LOG_QUARANTINED,
                       "tenant %s: the engine crashed over %u of its files within an hour: further "
                       "ones wait for ten minutes",
                       t->name, who->n_quarantined);
        (void)notes_set(c->tenants, t, NOTE_REST,
                        "the engine crashed over several of its files (rejected/ has them): "
                        "further ones wait for some minutes");
}

static bool rests(Claims *c, Claimant *who) {
        if (!who || who->rests_until == 0)
                return false;
        if (tq_clock_boottime_usec() < who->rests_until)
                return true;
        who->rests_until = 0;
        notes_clear(c->tenants, who->tenant, NOTE_REST);
        return false;
}

ClaimOutcome claims_claim(Claims *c, Tenant *t, const char *name) {
        char file[CLAIM_NAME_BYTES];
        ClaimOutcome outcome;
        bool stays = false;
        ClaimedFile got;
        Claim *claim;

        if (rests(c, claimant_of(c, t)))
                return CLAIM_LATER;
        claim = claim_new(c, t, c->next, t->who.uid, name, STATE_FLYING);
        if (!claim)
                return CLAIM_LATER;
        c->next++;
        outcome = claim_file(c->own, c->tenants, t, name, file_of(claim, file), &got);
        if (outcome == CLAIM_TAKEN) {
                fly(c, claim, &got);
                return CLAIM_TAKEN;
        }
        if (outcome == CLAIM_REFUSED)
                stays = !reject_file(c->rejects, t, 0, got.is_claimed ? dir_of(c) : t->spool_fd,
                                     got.is_claimed ? file : name, name, got.why);
        else
                stays = outcome == CLAIM_LATER;
        if (stays && got.is_claimed)
                keep_late(c, claim);
        else
                claim_free(c, claim);
        return stays ? CLAIM_LATER : outcome;
}

/* The directory belongs to somebody else by now: what the former owner left stays among the claims.
 */
static bool is_of_former(const Claim *claim) {
        const Tenant *t = claim->claimant->tenant;

        uid_t uid;
        gid_t gid;

        if (claim->uid == TQ_UID_UNKNOWN || claim->uid == t->who.uid)
                return false;
        /* The administrator may say that it is the same tenant. */
        return t->config.former_owner[0] == '\0' ||
               users_find(t->config.former_owner, &uid, &gid) < 0 || uid != claim->uid;
}

/* Once, to people; the engine's door waits for an answer each time. */
static void tell_foreign(const Claims *c, Claim *claim, const ClaimedFile *got, const char *file) {
        Tenant *t = claim->claimant->tenant;

        if (!claim->is_told)
                tenants_report(t, TQ_LOG_PLAIN,
                               "claim %s is of user %u, who does not own tenant %s or may not "
                               "submit for it: it "
                               "stays where it is",
                               file, got->owner, t->name);
        claim->is_told = true;
        reject_tell(
                c->rejects, t, claim->number, claim->name,
                "is of a user who does not own the tenant or may not submit any more; it stays in "
                ".claims");
}

/* Not once more: the engine would crash for ever, and take nobody's files. It is the tenant's
 * again, for whoever mends that. */
static ClaimOutcome quarantine(Claims *c, Claim *claim, const char *file) {
        Tenant *t = claim->claimant->tenant;
        char which[32] = "", why[192];

        if (claim->sig > 0)
                (void)snprintf(which, sizeof(which), " (signal %d)", claim->sig);
        (void)snprintf(why, sizeof(why),
                       "the program that reads job files crashed twice while it read this one%s; "
                       "it is kept for whoever mends that",
                       which);
        if (!reject_move(c->rejects, t, dir_of(c), file, claim->name, why)) {
                keep_late(c, claim);
                return CLAIM_LATER;
        }
        tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_QUARANTINED, .tenant = t->name },
                     "claim %s: %s: it is rejected", file, why);
        reject_tell_quarantine(c->rejects, t, claim->number, claim->name, why);
        rest(c, claim->claimant);
        claim_free(c, claim);
        return CLAIM_REFUSED;
}

/* Once more, from .claims. */
static ClaimOutcome hand_over(Claims *c, Claim *claim) {
        Tenant *t = claim->claimant->tenant;
        char file[CLAIM_NAME_BYTES];
        ClaimOutcome outcome;
        ClaimedFile got;

        (void)file_of(claim, file);
        if (claim->crashes >= TQ_CRASHES_MOST && !is_of_former(claim))
                return quarantine(c, claim, file);
        if (rests(c, claim->claimant)) {
                keep_late(c, claim);
                return CLAIM_LATER;
        }
        got.owner = claim->uid;
        outcome = is_of_former(claim) ? CLAIM_FOREIGN : claim_file_again(c->own, t, file, &got);
        switch (outcome) {
        case CLAIM_TAKEN:
                set_state(c, claim, STATE_FLYING);
                fly(c, claim, &got);
                break;
        case CLAIM_LATER:
                tenants_report(t, TQ_LOG_PLAIN, "claim %s can't be read for now: %s", file,
                               got.why);
                keep_late(c, claim);
                break;
        case CLAIM_FOREIGN:
                tell_foreign(c, claim, &got, file);
                keep_foreign(c, claim);
                break;
        case CLAIM_GONE:
                reject_tell(c->rejects, t, claim->number, claim->name, "is not there any more");
                claim_free(c, claim);
                break;
        case CLAIM_REFUSED:
                if (reject_file(c->rejects, t, claim->number, dir_of(c), file, claim->name,
                                got.why)) {
                        claim_free(c, claim);
                        break;
                }
                keep_late(c, claim);
                return CLAIM_LATER;
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

        if (!who || who->judged_by == judges_of(t))
                return;
        while ((first = tq_list_first(&who->foreign)))
                set_state(c, TQ_LIST_ENTRY(first, Claim, link), STATE_KEPT);
}

bool claims_are_late(const Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);

        return who && !tq_list_is_empty(&who->late);
}

void claims_try_again(Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);
        TqList *first;

        while (who && (first = tq_list_first(&who->late)))
                set_state(c, TQ_LIST_ENTRY(first, Claim, link), STATE_KEPT);
}

bool claims_has_kept(const Claims *c, const Tenant *t) {
        const Claimant *who = claimant_of(c, t);

        return who && !tq_list_is_empty(&who->kept);
}

/* From the engine -------------------------------------------------------------------------------
 */

/* It is found again by the next start: its job's row must be there as long. */
static void say_stuck(Claims *c, const Claim *claim) {
        TqMessage m = { .number = { .cookie = claim->number } };

        (void)tq_link_send(c->link, TQ_MESSAGE_CLAIM_STUCK, &m, NULL, 0, -EBADF);
}

static int on_done(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Claims *c = userdata;
        Claim *claim = tq_map_get(&c->all, m->claim_done.claim);
        char file[CLAIM_NAME_BYTES];
        Tenant *t;

        (void)fd;
        if (!claim)
                return 0;
        t = claim->claimant->tenant;
        (void)file_of(claim, file);
        if (m->claim_done.outcome == TQ_CLAIM_WAITS)
                set_state(c, claim, STATE_AT_DOOR);
        else if (m->claim_done.outcome == TQ_CLAIM_ACCEPTED) {
                if (unlinkat(dir_of(c), file, 0) < 0 && errno != ENOENT)
                        say_stuck(c, claim);
                claim_free(c, claim);
        } else if (!t->is_enabled)
                set_state(c, claim, STATE_KEPT); /* rejected/ is only made where all is in order */
        else if (is_of_former(claim))
                keep_foreign(c, claim);
        else if (reject_move(c->rejects, t, dir_of(c), file, claim->name, blob))
                claim_free(c, claim);
        else
                keep_late(c, claim);
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

bool claims_blame(Claims *c, uint64_t number, int sig) {
        Claim *claim = tq_map_get(&c->all, number);
        char before[CLAIM_NAME_BYTES], after[CLAIM_NAME_BYTES];

        if (!claim || claim->state != STATE_FLYING)
                return false;
        (void)file_of(claim, before);
        claim->sig = sig;
        claim->named = ++claim->crashes;
        (void)file_of(claim, after);
        tq_log_about(LOG_ERR, (TqLogAbout){ .tenant = claim->claimant->tenant->name },
                     "the engine crashed while it read claim %s (signal %d)", after, sig);
        if (renameat2(dir_of(c), before, dir_of(c), after, RENAME_NOREPLACE) >= 0)
                return true;
        tq_log(LOG_ERR, "claim %s can't be renamed (%s): the next tenantqd does not know of it",
               before, strerror(errno));
        claim->named--;
        return true;
}

static int by_number(const void *a, const void *b) {
        const Claim *x = *(const Claim *const *)a, *y = *(const Claim *const *)b;

        return (x->number > y->number) - (x->number < y->number);
}

/* In the order in which they were claimed; out of memory, in any. */
static void keep_in_order(Claims *c) {
        TQ_FREE Claim **list = calloc(c->all.size + 1, sizeof(*list));
        size_t position = 0, n = 0;
        Claim *claim;

        while ((claim = tq_map_next(&c->all, &position)))
                if (list)
                        list[n++] = claim;
                else
                        set_state(c, claim, STATE_KEPT);
        if (list)
                qsort((void *)list, n, sizeof(Claim *), by_number);
        for (size_t i = 0; i < n; i++)
                set_state(c, list[i], STATE_KEPT);
}

void claims_keep_all(Claims *c) {
        size_t position = 0;
        Claimant *who;

        keep_in_order(c);
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

static int find_one(Claims *c, const char *entry) {
        char name[64];
        ClaimName file;
        Claim *claim;
        Tenant *t;

        if (!claim_name_parse(entry, &file))
                return 0;
        claims_number_from(c, file.number + 1);
        t = tenants_ensure(c->tenants, file.tenant);
        /* Its own name was lost with the process that knew it. */
        (void)snprintf(name, sizeof(name), "claim-%" PRIu64 TQ_JOB_SUFFIX, file.number);
        claim = t ? claim_new(c, t, file.number, file.uid, name, STATE_KEPT) : NULL;
        if (!claim)
                return -ENOMEM;
        claim->crashes = claim->named = file.crashes;
        return 0;
}

/* The end of a tenant, or another name or owner of it --------------------------------------------
 */

void claims_forget(Claims *c, const Tenant *t) {
        size_t position = 0;
        Claim *claim;

        while ((claim = tq_map_next(&c->all, &position)))
                if (claim->claimant->tenant == t) {
                        claim_free(c, claim);
                        position = 0;
                }
}

void claims_give(Claims *c, const Tenant *t, uid_t from, uid_t to) {
        size_t position = 0;
        Claim *claim;

        while ((claim = tq_map_next(&c->all, &position)))
                if (claim->claimant->tenant == t && claim->uid == from)
                        claim->uid = to;
}

int claims_find(Claims *c) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(dir_of(c), ".", &dir);

        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0)
                r = find_one(c, e->d_name);
        keep_in_order(c);
        return r;
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
