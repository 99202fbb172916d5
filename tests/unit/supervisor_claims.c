/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/claims.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fake/fake.h"
#include "supervisor/tenants/notes.h"
#include "unit.h"

/* A tenant's directory and .claims, on a real file system; what opens a file as its tenant needs
 * root. */

#define UID 61901

typedef struct Place {
        Tenants *tenants;
        Rejects *rejects;
        Claims *claims;
        Tenant *t;
        unsigned n_room;
} Place;

static void on_room(void *data, Tenant *t) {
        (void)t;
        ((Place *)data)->n_room++;
}

static void open_rooms(Place *p) {
        static const TenantsHooks none;
        TqLink *link;

        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(tenants_new(NULL, NULL, NULL, link, &none, &p->tenants), 0);
        ck_assert_int_eq(rejects_new(link, &p->rejects), 0);
        ck_assert_int_eq(claims_new(NULL, p->tenants, p->rejects, link, on_room, p, &p->claims), 0);
        p->t = tenants_ensure(p->tenants, "acme");
        p->t->who.uid = p->t->who.gid = UID;
        p->t->owner = 1;
        p->t->spool_fd = unit_dir_open();
        ck_assert_int_eq(fchown(p->t->spool_fd, UID, UID), 0);
        ck_assert_int_eq(fstat(p->t->spool_fd, &p->t->seen), 0);
        p->t->is_enabled = true;
        p->t->is_gone = false;
}

static Place *place(void) {
        static Place p;

        fake_own[OWN_CLAIMS] = unit_dir_open();
        open_rooms(&p);
        return &p;
}

static void leave(Place *p) {
        ck_assert_ptr_null(claims_free(p->claims));
        ck_assert_ptr_null(rejects_free(p->rejects));
        ck_assert_ptr_null(tenants_free(p->tenants));
}

static void file_of(const Place *p, const char *name, uid_t uid, const char *text) {
        int fd = openat(p->t->spool_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
        ck_assert_int_eq(fchown(fd, uid, uid), 0);
        (void)close(fd);
}

static bool is_there(int dir_fd, const char *name) {
        return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static const FakeMessage *claimed(uint64_t number, const char *name) {
        const FakeMessage *said = fake_said();

        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.header.type, TQ_MESSAGE_CLAIM);
        ck_assert_uint_eq(said->m.claim.claim, number);
        ck_assert_str_eq(said->m.claim.name, name);
        return said;
}

static void answer(uint64_t number, TqClaimOutcome outcome, const char *reason) {
        TqMessage m = { .claim_done = { .claim = number, .outcome = outcome } };

        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CLAIM_DONE, &m, reason, reason ? strlen(reason) : 0),
                         0);
}

static void again(uint64_t number) {
        TqMessage m = { .number = { .cookie = number } };

        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CLAIM_AGAIN, &m, NULL, 0), 0);
}

#define NEED_ROOT()                                                                                \
        do {                                                                                       \
                if (!unit_is_root())                                                               \
                        unit_skip("root is needed, to be another user");                           \
        } while (0)

/* The bytes go to the engine, the file out of the tenant's reach; accepted, it is removed. */
START_TEST(accepted) {
        const FakeMessage *said;
        Place *p;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", UID, "bytes");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        said = claimed(1, "a.job");
        ck_assert_str_eq(said->blob, "bytes");
        ck_assert_uint_eq(said->m.claim.uid, UID);
        ck_assert(!is_there(p->t->spool_fd, "a.job"));
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        answer(1, TQ_CLAIM_ACCEPTED, NULL);
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        ck_assert_uint_eq(p->n_room, 1);
        answer(1, TQ_CLAIM_ACCEPTED, NULL); /* twice is once */
        answer(99, TQ_CLAIM_ACCEPTED, NULL);
        fake_said_nothing();
        leave(p);
}
END_TEST

static void read_text(int dir_fd, const char *name, char *buf, size_t size) {
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        ck_assert_int_ge(fd, 0);
        n = read(fd, buf, size - 1);
        ck_assert_int_ge((int)n, 0);
        buf[n] = '\0';
        (void)close(fd);
}

/* Refused by the engine: into rejected/, under its name, with the reason beside it. */
START_TEST(refused) {
        char text[256];
        int dir_fd;
        Place *p;

        NEED_ROOT();
        p = place();
        for (uint64_t i = 1; i <= 2; i++) {
                file_of(p, "a.job", UID, "bytes");
                ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
                (void)claimed(i, "a.job");
                answer(i, TQ_CLAIM_REFUSED, "line 1: no");
        }
        dir_fd = openat(p->t->spool_fd, "rejected", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(dir_fd, 0);
        ck_assert(is_there(dir_fd, "a.job"));
        ck_assert(is_there(dir_fd, "a-2.job")); /* nothing is replaced */
        read_text(dir_fd, "a.reason", text, sizeof(text));
        ck_assert_str_eq(text, "a.job: line 1: no\n");
        read_text(dir_fd, "a-2.reason", text, sizeof(text));
        ck_assert_str_eq(text, "a.job: line 1: no\n");
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        (void)close(dir_fd);
        fake_said_nothing();
        leave(p);
}
END_TEST

static const struct {
        enum { LINK, DIRECTORY, FIFO, HARD_LINK, LARGE, OF_ANOTHER, GONE, WRITTEN } kind;
        ClaimOutcome want;
        const char *says;
} kinds[] = {
        { LINK, CLAIM_REFUSED, "symbolic link" },
        { DIRECTORY, CLAIM_REFUSED, "is a directory" },
        { FIFO, CLAIM_REFUSED, "not a regular file" },
        { HARD_LINK, CLAIM_REFUSED, "more than one hard link" },
        { LARGE, CLAIM_REFUSED, "larger than 65536 bytes" },
        { OF_ANOTHER, CLAIM_REFUSED, "may not submit" },
        { GONE, CLAIM_GONE, NULL },
        { WRITTEN, CLAIM_LATER, NULL },
};

/* What is not a plain file of a permitted owner never is a claim of the engine's. */
START_TEST(not_a_file) {
        const FakeMessage *said;
        char large[70000];
        Place *p;
        int fd;

        NEED_ROOT();
        p = place();
        fd = p->t->spool_fd;
        memset(large, 'x', sizeof(large));
        large[65537] = '\0';
        switch (kinds[_i].kind) {
        case LINK:
                ck_assert_int_eq(symlinkat("/etc/shadow", fd, "a.job"), 0);
                break;
        case DIRECTORY:
                ck_assert_int_eq(mkdirat(fd, "a.job", 0700), 0);
                break;
        case FIFO:
                ck_assert_int_eq(mkfifoat(fd, "a.job", 0600), 0);
                break;
        case HARD_LINK:
                file_of(p, "a.job", UID, "x");
                ck_assert_int_eq(linkat(fd, "a.job", fd, "b", 0), 0);
                break;
        case LARGE:
                file_of(p, "a.job", UID, large);
                break;
        case OF_ANOTHER:
                file_of(p, "a.job", UID + 1, "x");
                break;
        case GONE:
                break;
        case WRITTEN:
                file_of(p, "a.job", UID, "x");
                ck_assert_int_ge(openat(fd, "a.job", O_WRONLY | O_CLOEXEC), 0);
                break;
        }
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), kinds[_i].want);
        if (kinds[_i].says) {
                said = fake_said();
                ck_assert_ptr_nonnull(said);
                ck_assert_uint_eq(said->m.header.type, TQ_MESSAGE_REFUSED);
                ck_assert_uint_eq(said->m.claim.claim, 0);
                ck_assert_msg(strstr(said->blob, kinds[_i].says), "%s", said->blob);
        }
        fake_said_nothing();
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        leave(p);
}
END_TEST

/* At the door it stays among the claims, open; asked for again, its bytes are read anew. */
START_TEST(at_the_door) {
        Place *p;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", UID, "bytes");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        again(1); /* it is on its way: not the engine's to say */
        ck_assert(!claims_has_kept(p->claims, p->t));
        answer(1, TQ_CLAIM_WAITS, NULL);
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_GONE);
        again(1);
        ck_assert(claims_has_kept(p->claims, p->t));
        p->t->is_enabled = false; /* not as long as its tenant is not in order */
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_GONE);
        p->t->is_enabled = true;
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        ck_assert_str_eq(claimed(1, "a.job")->blob, "bytes");
        answer(1, TQ_CLAIM_ACCEPTED, NULL);
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        leave(p);
}
END_TEST

/* One that was asked for and can't be handed over is told: the door waits for an answer. */
START_TEST(asked_in_vain) {
        const FakeMessage *said;
        Place *p;

        NEED_ROOT();
        p = place();
        p->t->submitters[0] = UID + 1;
        p->t->n_submitters = 1;
        for (uint64_t i = 1; i <= 2; i++) {
                file_of(p, "a.job", UID + 1, "bytes");
                ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
                (void)claimed(i, "a.job");
                answer(i, TQ_CLAIM_WAITS, NULL);
        }
        /* Somebody has removed it from .claims. */
        ck_assert_int_eq(unlinkat(fake_own[OWN_CLAIMS], "1.61901.acme", 0), 0);
        again(1);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_GONE);
        said = fake_said();
        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.header.type, TQ_MESSAGE_REFUSED);
        ck_assert_uint_eq(said->m.claim.claim, 1);
        /* A reload has taken the right from who had dropped it. */
        p->t->n_submitters = 0;
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        again(2);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_FOREIGN);
        said = fake_said();
        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.header.type, TQ_MESSAGE_REFUSED);
        ck_assert_uint_eq(said->m.claim.claim, 2);
        ck_assert_msg(strstr(said->blob, "may not submit"), "%s", said->blob);
        ck_assert(is_there(fake_own[OWN_CLAIMS], "2.61901.acme"));
        fake_said_nothing();
        /* And another one has given it back. */
        ck_assert(!claims_has_kept(p->claims, p->t));
        p->t->n_submitters = 1;
        claims_look_again(p->claims, p->t);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(2, "a.job");
        leave(p);
}
END_TEST

/* What is of a former owner takes nothing of the next one's credit. */
START_TEST(of_a_former_owner) {
        TqMessage m = { .credit = { .credit = 1 } };
        Place *p;

        NEED_ROOT();
        p = place();
        m.credit.tenant = p->t->handle;
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CREDIT, &m, NULL, 0), 0);
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        ck_assert(!claims_have_credit(p->claims, p->t));
        p->t->who.uid = UID + 1;
        answer(1, TQ_CLAIM_REFUSED, "no");
        ck_assert(claims_have_credit(p->claims, p->t));
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        leave(p);
}
END_TEST

/* Nor is a file of root's, who may submit for all, the next one's job; over a restart too. */
START_TEST(of_a_former_owner_by_root) {
        Place *p;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", 0, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        leave(p);
        open_rooms(p);
        ck_assert_int_eq(claims_find(p->claims), 0);
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        p->t->who.uid = UID + 1;
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_FOREIGN);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_REFUSED)->claim.claim, 1);
        fake_said_nothing();
        claims_look_again(p->claims, p->t); /* nobody else came */
        ck_assert(!claims_has_kept(p->claims, p->t));
        /* Unless root says that it is the same tenant. */
        (void)snprintf(p->t->config.former_owner, sizeof(p->t->config.former_owner), "%u", UID);
        claims_look_again(p->claims, p->t);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(1, "claim-1.job");
        leave(p);
}
END_TEST

/* What the owner of a moment ago may not submit is not refused to him, nor removed. */
START_TEST(owner_changes) {
        Place *p;

        NEED_ROOT();
        p = place();
        ck_assert_int_eq(fchown(p->t->spool_fd, UID + 1, UID + 1), 0);
        file_of(p, "a.job", UID + 1, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_LATER);
        ck_assert(is_there(p->t->spool_fd, "a.job"));
        fake_said_nothing();
        p->t->who.uid = p->t->who.gid = UID + 1;
        ck_assert_int_eq(fstat(p->t->spool_fd, &p->t->seen), 0);
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        leave(p);
}
END_TEST

/* A refused one that can't be put into rejected/ for now is late, not forgotten. */
START_TEST(refused_while_owner_changes) {
        Place *p;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        claims_keep_all(p->claims);
        ck_assert_int_eq(fchmodat(fake_own[OWN_CLAIMS], "1.61901.acme", 0, 0), 0);
        ck_assert_int_eq(fchown(p->t->spool_fd, UID + 1, UID + 1), 0);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_LATER);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_REFUSED)->claim.claim, 1);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_LATE)->claim_late.claim, 1);
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        ck_assert_int_eq(fchown(p->t->spool_fd, UID, UID), 0);
        claims_try_again(p->claims, p->t);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_REFUSED);
        ck_assert(is_there(p->t->spool_fd, "rejected/a.job"));
        leave(p);
}
END_TEST

/* One that can't be read for now keeps none of the others. */
START_TEST(late) {
        Place *p;
        int fd;

        NEED_ROOT();
        p = place();
        for (uint64_t i = 1; i <= 2; i++) {
                file_of(p, "a.job", UID, "x");
                ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
                (void)claimed(i, "a.job");
                answer(i, TQ_CLAIM_WAITS, NULL);
        }
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        /* A lease makes whoever opens it wait, or be told to come again. */
        fd = openat(fake_own[OWN_CLAIMS], "1.61901.acme", O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
        (void)signal(SIGIO, SIG_IGN);
        again(1);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_LATER);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_LATE)->claim_late.claim, 1);
        ck_assert(claims_are_late(p->claims, p->t));
        again(2);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(2, "a.job");
        (void)close(fd);
        ck_assert(!claims_has_kept(p->claims, p->t));
        claims_try_again(p->claims, p->t);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        leave(p);
}
END_TEST

/* Refused while the tenant is not in order: it is handed over, and refused, once it is. */
START_TEST(refused_while_disabled) {
        Place *p;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        p->t->is_enabled = false;
        answer(1, TQ_CLAIM_REFUSED, "no");
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        p->t->is_enabled = true;
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        answer(1, TQ_CLAIM_REFUSED, "no");
        ck_assert(is_there(p->t->spool_fd, "rejected/a.job"));
        leave(p);
}
END_TEST

/* Nothing is lost for want of descriptors. */
START_TEST(out_of_descriptors) {
        struct rlimit files, none;
        Place *p;
        int fd;

        NEED_ROOT();
        p = place();
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        claims_keep_all(p->claims);
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        (void)close(fd);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
        for (int more = 0; more < 2; more++) { /* the first one, the one after it */
                none = (struct rlimit){ (rlim_t)(fd + more), files.rlim_max };
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
                ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_LATER);
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
                ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
                ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_LATE)->claim_late.claim, 1);
                claims_try_again(p->claims, p->t);
                ck_assert(claims_has_kept(p->claims, p->t));
        }
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        /* Refused then, it stays in .claims. */
        none = (struct rlimit){ (rlim_t)fd, files.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        answer(1, TQ_CLAIM_REFUSED, "no");
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        ck_assert(claims_are_late(p->claims, p->t));
        leave(p);
}
END_TEST

/* As many are open as the engine has given credit for. */
START_TEST(credit) {
        TqMessage m = { .credit = { .credit = 1 } };
        Place *p;

        NEED_ROOT();
        p = place();
        m.credit.tenant = p->t->handle;
        ck_assert(claims_have_credit(p->claims, p->t));
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CREDIT, &m, NULL, 0), 0);
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        ck_assert(!claims_have_credit(p->claims, p->t));
        ck_assert(claims_have_room(p->claims));
        answer(1, TQ_CLAIM_WAITS, NULL);
        ck_assert(!claims_have_credit(p->claims, p->t)); /* it is open still */
        m.credit.credit = 2;
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CREDIT, &m, NULL, 0), 0);
        ck_assert(claims_have_credit(p->claims, p->t));
        /* A new engine begins with full credit. */
        m.credit.credit = 0;
        ck_assert_int_eq(fake_hear(TQ_MESSAGE_CREDIT, &m, NULL, 0), 0);
        ck_assert(!claims_have_credit(p->claims, p->t));
        claims_keep_all(p->claims);
        ck_assert(claims_have_credit(p->claims, p->t));
        leave(p);
}
END_TEST

/* What a run before has left is kept by its number, told, and handed over in order. */
START_TEST(found) {
        static const char *const names[] = { "12.61901.acme",
                                             "3.acme",
                                             "x.acme",
                                             "4",
                                             "0.acme",
                                             "5.A!",
                                             "6.x.acme",
                                             "7.61901.",
                                             "8.4294967295.acme",
                                             "9.1.acme.0",
                                             "9.1.acme.3",
                                             "9.1.acme.1.1",
                                             "9.x.acme.1" };
        Place *p;

        NEED_ROOT();
        p = place();
        for (size_t i = 0; i < TQ_ELEMENTSOF(names); i++) {
                int fd = openat(fake_own[OWN_CLAIMS], names[i], O_WRONLY | O_CREAT | O_CLOEXEC,
                                0600);

                ck_assert_int_ge(fd, 0);
                ck_assert_int_eq((int)write(fd, names[i], strlen(names[i])), (int)strlen(names[i]));
                ck_assert_int_eq(fchown(fd, UID, UID), 0);
                (void)close(fd);
        }
        ck_assert_int_eq(claims_find(p->claims), 0);
        claims_tell(p->claims);
        for (int i = 0; i < 2; i++)
                (void)fake_said_type(TQ_MESSAGE_CLAIM_KEPT);
        fake_said_nothing();
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        ck_assert_str_eq(claimed(3, "claim-3.job")->blob, "3.acme");
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(12, "claim-12.job");
        ck_assert(!claims_has_kept(p->claims, p->t));
        /* No number is given twice. */
        file_of(p, "a.job", UID, "x");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        (void)claimed(13, "a.job");
        leave(p);
}
END_TEST

static void move_on(Place *p) {
        claims_keep_all(p->claims);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
}

static void rejected_in_quarantine(const Place *p, const char *name, const char *why) {
        const TqMessage *m;
        char text[512] = "";
        int fd = openat(p->t->spool_fd, "rejected/a.reason", O_RDONLY | O_CLOEXEC);

        m = fake_said_type(TQ_MESSAGE_REFUSED);
        ck_assert_uint_eq(m->claim.is_quarantined, 1);
        ck_assert_str_eq(m->claim.name, name);
        if (fd >= 0) {
                ck_assert_int_gt((int)read(fd, text, sizeof(text) - 1), 0);
                (void)close(fd);
                ck_assert_msg(strstr(text, why) != NULL, "%s", text);
        }
        ck_assert(!claims_has_kept(p->claims, p->t));
        fake_said_nothing();
}

/* The engine dies over it: once more, and then it is the tenant's again, with the reason. Those
 * that only were there are handed over as often as it takes. */
START_TEST(engine_crashes) {
        Place *p;

        NEED_ROOT();
        p = place();
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        file_of(p, "a.job", UID, "bytes");
        file_of(p, "b.job", UID, "bytes");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "a.job"), CLAIM_TAKEN);
        ck_assert_int_eq(claims_claim(p->claims, p->t, "b.job"), CLAIM_TAKEN);
        (void)claimed(1, "a.job");
        (void)claimed(2, "b.job");
        ck_assert(!claims_blame(p->claims, 3, SIGSEGV));
        ck_assert(claims_blame(p->claims, 1, SIGSEGV));
        ck_assert(is_there(fake_own[OWN_CLAIMS], "1.61901.acme.1"));
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme"));
        move_on(p);
        (void)claimed(1, "a.job");
        /* The engine does not have it. */
        ck_assert(!claims_blame(p->claims, 2, SIGSEGV));
        ck_assert(claims_blame(p->claims, 1, SIGSEGV));
        claims_keep_all(p->claims);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_REFUSED);
        ck_assert(is_there(p->t->spool_fd, "rejected/a.job"));
        ck_assert(!is_there(fake_own[OWN_CLAIMS], "1.61901.acme.2"));
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_REFUSED)->claim.is_quarantined, 1);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        (void)claimed(2, "b.job");
        answer(2, TQ_CLAIM_ACCEPTED, NULL);
        ck_assert(!is_there(p->t->spool_fd, "rejected/b.job"));
        leave(p);
}
END_TEST

static void crash_over(Place *p, const char *name, uint64_t number) {
        file_of(p, name, UID, "bytes");
        ck_assert_int_eq(claims_claim(p->claims, p->t, name), CLAIM_TAKEN);
        (void)claimed(number, name);
        ck_assert(claims_blame(p->claims, number, SIGSEGV));
        move_on(p);
        (void)claimed(number, name);
        ck_assert(claims_blame(p->claims, number, SIGSEGV));
        claims_keep_all(p->claims);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_REFUSED);
        (void)fake_said_type(TQ_MESSAGE_REFUSED);
}

/* Who has many of them: the others wait, those that were claimed and those that were not. */
START_TEST(engine_crashes_often) {
        Place *p;

        NEED_ROOT();
        p = place();
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        crash_over(p, "a.job", 1);
        crash_over(p, "b.job", 2);
        file_of(p, "c.job", UID, "bytes");
        file_of(p, "kept.job", UID, "bytes");
        file_of(p, "left.job", UID, "bytes");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "c.job"), CLAIM_TAKEN);
        (void)claimed(3, "c.job");
        ck_assert(claims_blame(p->claims, 3, SIGSEGV));
        move_on(p);
        (void)claimed(3, "c.job");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "kept.job"), CLAIM_TAKEN);
        (void)claimed(4, "kept.job");
        ck_assert(claims_blame(p->claims, 3, SIGSEGV));
        claims_keep_all(p->claims);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_REFUSED);
        while (fake_said())
                ;
        for (int i = 0; i < 2; i++) {
                claims_try_again(p->claims, p->t);
                ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_LATER);
                ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_LATE)->claim_late.claim, 4);
                ck_assert_int_eq(claims_claim(p->claims, p->t, "left.job"), CLAIM_LATER);
                ck_assert(is_there(p->t->spool_fd, "left.job"));
                fake_now += 600 * TQ_USEC_PER_SEC - 1;
        }
        claims_try_again(p->claims, p->t);
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
        ck_assert_str_eq(fake_said_type(TQ_MESSAGE_TENANT)->tenant.note, ""); /* no more is said */
        (void)claimed(4, "kept.job");
        ck_assert_int_eq(claims_claim(p->claims, p->t, "left.job"), CLAIM_TAKEN);
        leave(p);
}
END_TEST

/* One time may be forgotten by nobody: the next tenantqd reads it off its name. */
START_TEST(engine_crashes_and_restart) {
        static const struct {
                const char *name;
                int crashes;
        } rows[] = { { "5.61901.acme.1", 1 },
                     { "5.4294967295.acme.1", 1 },
                     { "5.61901.acme.2", 2 } };
        Place *p;
        int fd;

        NEED_ROOT();
        p = place();
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        fd = openat(fake_own[OWN_CLAIMS], rows[_i].name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(fchown(fd, UID, UID), 0);
        (void)close(fd);
        ck_assert_int_eq(claims_find(p->claims), 0);
        if (rows[_i].crashes == 1) {
                ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_TAKEN);
                (void)claimed(5, "claim-5.job");
                ck_assert(claims_blame(p->claims, 5, SIGABRT));
                claims_keep_all(p->claims);
        }
        ck_assert_int_eq(claims_hand_over(p->claims, p->t), CLAIM_REFUSED);
        rejected_in_quarantine(p, "claim-5.job", "crashed twice");
        ck_assert(is_there(p->t->spool_fd, "rejected/claim-5.job"));
        leave(p);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "claims");

        tcase_add_test(c, accepted);
        tcase_add_test(c, refused);
        unit_add_rows(c, not_a_file, kinds);
        tcase_add_test(c, at_the_door);
        tcase_add_test(c, of_a_former_owner);
        tcase_add_test(c, of_a_former_owner_by_root);
        tcase_add_test(c, owner_changes);
        tcase_add_test(c, refused_while_owner_changes);
        tcase_add_test(c, late);
        tcase_add_test(c, refused_while_disabled);
        tcase_add_test(c, out_of_descriptors);
        tcase_add_test(c, asked_in_vain);
        tcase_add_test(c, credit);
        tcase_add_test(c, found);
        tcase_add_test(c, engine_crashes);
        tcase_add_test(c, engine_crashes_often);
        tcase_add_loop_test(c, engine_crashes_and_restart, 0, 3);
}

int main(void) {
        return unit_main("supervisor_claims", fill);
}
