/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sim [-n SEEDS | -s SEED] [-m MUTANT] [-j JOBS]: the engine in a simulated host, in which all that
 * can fail does; each run follows from its seed alone.
 *
 * Real: the whole engine as its main.c puts it together (but for main() and the callers, of whom
 * there are none): intake, scheduler, commits, dispatch, recovery, ledger; SQLite; the link and
 * the checks of messages.
 *
 * Simulated: the disk below SQLite and below src/store (disk.c, vfs.c), the event loop, whose
 * order is drawn (loop.c), the worker's thread, the channel, the clocks (engine.c), tenantqd, the
 * kernel and the tenants (host.c).
 *
 * Drawn: who has his turn; the engine's death between any two writes, syncs or messages; its
 * leaving; the death of tenantqd, with the engine or not; power cuts, which lose any of the
 * sectors, renames and records that were not durable; launches that fail; a disk that fails for
 * some writes, syncs and reads, or has no room for a while; any allocation.
 *
 * Checked after each change of the ledger, each message and each execution (oracle.c): what was
 * accepted is in the ledger until its end; nothing is said or executed that is not committed; no
 * attempt is executed twice, and no job twice at once; no more run than limits let; each end is
 * what happened; nobody's job is another's; once faults stop, all comes to its end.
 *
 * A seed that fails says `seed N step K` and what happened last; `sim -s N` shows the same again.
 * Without -s the mutants follow, each of which must be found out by one of the seeds. */

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "sim.h"

/* Each seed has some kinds of faults only: where all have a share, two of a kind that make a third
 * one visible seldom meet (Groce et al., Swarm Testing, 2012). */
enum {
        KIND_KILL,
        KIND_CLOSE,
        KIND_CRASH,
        KIND_CUT,
        KIND_ERROR,
        KIND_FULL,
        KIND_MEMORY,
        KIND_FUSE,
        _KIND_MAX
};

static const struct {
        const char *name, *what;
        unsigned kinds; /* of faults that it takes; 0: any */
} mutants[_MUTANT_MAX] = {
        [MUTANT_NONE] = { "none", "" },
        [MUTANT_LYING_DISK] = { "lying-disk", "a sync makes nothing durable" },
        [MUTANT_SYNCHRONOUS_NORMAL] = { "synchronous-normal", "a commit is not synced" },
        [MUTANT_NO_DIRECTORY_SYNC] = { "no-directory-sync",
                                       "the ledger's directory is not synced" },
        [MUTANT_NO_LOG_SYNC] = { "no-log-sync", "what a start finds in the log is not synced",
                                 1U << KIND_FUSE | 1U << KIND_CUT },
        [MUTANT_LOG_SYNCED_ONLY] = { "log-synced-only",
                                     "what a start finds in the log is not written once more",
                                     1U << KIND_ERROR | 1U << KIND_CUT },
        [MUTANT_NO_CLAIMS_SYNC] = { "no-claims-sync", "a claim's rename is not synced" },
        [MUTANT_EFFECTS_FIRST] = { "effects-first", "what follows a commit comes before it" },
        [MUTANT_BARRIER_OPEN] = { "barrier-open", "a launch is executed before it is released" },
        [MUTANT_RECORD_GOES_EARLY] = { "record-goes-early", "a record goes before its ACK" },
        [MUTANT_FILE_GOES_EARLY] = { "file-goes-early",
                                     "a claim's file goes before it is accepted" },
        [MUTANT_SLOT_GOES_EARLY] = { "slot-goes-early", "a job is told to have ended that runs" },
        [MUTANT_BLIND_RECOVERY] = { "blind-recovery", "what ran and has left nothing is queued" },
        [MUTANT_FORGETS_RUNNING] = { "forgets-running", "a start does not take up what ran" },
        [MUTANT_NUMBERS_OF_DIRECTORY] = { "numbers-of-directory",
                                          "claims are numbered without asking" },
        [MUTANT_SYNCS_AGAIN] = { "syncs-again", "a sync that has failed is tried once more",
                                 1U << KIND_ERROR | 1U << KIND_CUT },
        [MUTANT_FULL_IS_WELL] = { "full-is-well", "a commit that found no room counts as one" },
};

#define NOTES 40
#define AGAIN 10 /* seeds that are tried twice */

Sim sim;
static struct {
        uint64_t step, a, b;
        const char *what;
} notes[NOTES];
static uint64_t n_notes;
static bool shows_notes = true;
static uint64_t arg_jobs; /* of each seed; 0: as it is drawn */

enum { FAILED = 2 }; /* exit code: an invariant does not hold */

static struct { uint64_t seeds, jobs, steps, starts, cuts, commits; } sum;

uint64_t sim_draw(uint64_t n) {
        uint64_t z = (sim.random += UINT64_C(0x9E3779B97F4A7C15)); /* SplitMix64 */

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return (z ^ (z >> 31)) % n;
}

bool sim_one_in(uint64_t n) {
        return sim_draw(n) == 0;
}

static void digest(uint64_t v) {
        sim.digest = (sim.digest ^ v) * UINT64_C(0x100000001B3);
        sim.digest ^= sim.digest >> 29;
}

void sim_note(const char *what, uint64_t a, uint64_t b) {
        notes[n_notes % NOTES].step = sim.step;
        notes[n_notes % NOTES].a = a;
        notes[n_notes % NOTES].b = b;
        notes[n_notes++ % NOTES].what = what;
        for (const char *c = what; *c; c++)
                digest((unsigned char)*c);
        digest(sim.step);
        digest(sim.boottime);
        digest(a);
        digest(b);
}

static void show_notes(void) {
        for (uint64_t i = n_notes > NOTES ? n_notes - NOTES : 0; i < n_notes; i++)
                printf("    step %llu: %s %llu %llu\n", (unsigned long long)notes[i % NOTES].step,
                       notes[i % NOTES].what, (unsigned long long)notes[i % NOTES].a,
                       (unsigned long long)notes[i % NOTES].b);
}

void sim_fail(const char *fmt, ...) {
        va_list ap;

        printf("seed %llu step %llu: ", (unsigned long long)sim.seed, (unsigned long long)sim.step);
        va_start(ap, fmt);
        (void)vprintf(fmt, ap);
        va_end(ap);
        (void)putchar(0x0A);
        if (shows_notes)
                show_notes();
        (void)fflush(stdout);
        _exit(FAILED);
}

bool sim_engine_acts(void) {
        if (!sim.engine_is_dead && sim.fuse > 0 && --sim.fuse == 0)
                sim.engine_is_dead = true;
        return !sim.engine_is_dead;
}

/* A world -------------------------------------------------------------------------------------- */

/* Only of the same tenant there are jobs that one can wait for. */
static void wait_for(File *f, File *other) {
        if (other->tenant == f->tenant)
                f->after = other;
}

static void draw_world(void) {
        uint64_t scale;

        world.n_files = arg_jobs > 0 ? arg_jobs : 1 + sim_draw(sim_one_in(8) ? 600 : 60);
        world.pace = sim_one_in(2) ? 1 : 2 + sim_draw(40);
        world.files = calloc(world.n_files, sizeof(File));
        if (!world.files)
                abort();
        world.n_tenants = 1 + (uint32_t)sim_draw(TENANTS_MOST);
        scale = 1 + world.n_files / 200; /* of many, many run at the same time */
        world.host_limit = 1 + sim_draw(12 * scale);
        world.queue_limit = 1 + sim_draw(4 * scale);
        for (uint32_t t = 0; t < world.n_tenants; t++)
                world.limit[t] = 1 + sim_draw(6 * scale);
        for (size_t i = 0; i < world.n_files; i++)
                world.files[i] =
                        (File){ .tenant = (uint32_t)sim_draw(world.n_tenants),
                                .queue = (uint32_t)sim_draw(QUEUES),
                                .is_endless = sim_one_in(16),
                                .fails_to_launch = sim_one_in(32),
                                .exit_code = (uint8_t)sim_draw(4),
                                .max_attempts = sim_one_in(4) ? 1 + (uint8_t)sim_draw(3) : 0,
                                .delay = sim_one_in(16) ? (1 + sim_draw(9)) * TQ_USEC_PER_SEC : 0 };
        for (size_t i = 1; i < world.n_files; i++)
                if (sim_one_in(8))
                        wait_for(&world.files[i], &world.files[sim_draw(i)]);
}

static void cause_fault(unsigned kinds) {
        unsigned kind = (unsigned)sim_draw(_KIND_MAX);

        while (!(kinds & 1U << kind))
                kind = (kind + 1) % _KIND_MAX;
        switch (kind) {
        case KIND_KILL:
                if (engine_lives())
                        engine_kill();
                break;
        case KIND_CLOSE:
                if (engine_lives())
                        engine_close();
                break;
        case KIND_CRASH:
                host_crash(false);
                break;
        case KIND_CUT:
                host_crash(true);
                break;
        case KIND_ERROR:
                sim.error_fuse = 1 + sim_draw(60);
                break;
        case KIND_FULL:
                sim.room = sim_draw(200000);
                break;
        case KIND_MEMORY:
                sim.memory_fuse = 1 + sim_draw(UINT64_C(1) << sim_draw(12));
                break;
        default: /* it dies within what it does, and the power may go with it */
                sim.fuse = 1 + sim_draw(60);
        }
}

static void cancel_some(void) {
        File *f = &world.files[sim_draw(world.n_files)];

        if (f->row.state != ROW_QUEUED && f->row.state != ROW_RUNNING)
                return;
        f->is_cancelled = true;
        engine_cancel(f->row.job);
}

#define HOUR (3600 * TQ_USEC_PER_SEC)

/* Until nothing is left to be done. Steps and time are bounded: what is not done then never is. */
static void run(uint64_t faults) {
        uint64_t most = 20000 + 2000 * world.n_files,
                 every = 1 + sim_draw(sim_one_in(2) ? 100 : 2000), idle = 0, soon = 0;
        unsigned kinds = 1 + (unsigned)sim_draw((1U << _KIND_MAX) - 1);

        if (mutants[sim.mutant].kinds != 0) {
                kinds = mutants[sim.mutant].kinds;
                faults += 20;
                every = 1 + every % 100;
        }
        for (uint64_t since = 0; !host_is_settled(); since++, sim.step++) {
                uint64_t next;
                bool was_lit = sim.fuse > 0;

                if (faults > 0 && sim_one_in(soon > 0 ? soon : every)) {
                        faults--;
                        /* The next one, as long as what this one left is new. */
                        soon = sim_one_in(2) ? UINT64_C(4) << sim_draw(4) : 0;
                        since = idle = 0;
                        cause_fault(kinds);
                } else if (sim_one_in(300))
                        cancel_some();
                if (sim.room != UINT64_MAX && sim_one_in(400))
                        sim.room = UINT64_MAX;
                if (engine_lives() && !engine_records() && sim_one_in(20)) {
                        if (sim_one_in(2))
                                engine_close(); /* somebody looks after it */
                        else
                                host_crash(true);
                }
                sim.boottime += sim_draw(20);
                if (host_act()) {
                        /* It has burnt down. */
                        if (was_lit && sim.fuse == 0 && !engine_lives() && world.is_on &&
                            sim_one_in(2))
                                host_crash(sim_one_in(2));
                        if (since > most)
                                sim_fail("no end after %llu steps: %s", (unsigned long long)most,
                                         host_unsettled());
                        continue;
                }
                if (engine_lives() && !engine_records()) {
                        engine_close();
                        continue;
                }
                next = engine_next();
                if (next == UINT64_MAX || idle > HOUR)
                        sim_fail("no end: %s", host_unsettled());
                if (sim_one_in(8))
                        sim.room = UINT64_MAX;
                idle += tq_sub_u64(next, sim.boottime);
                sim.boottime = TQ_MAX(sim.boottime, next);
        }
}

/* What is closed in order, and opened again, is what was committed. */
static void open_again(void) {
        sim.fuse = sim.error_fuse = sim.n_errors = sim.memory_fuse = 0;
        sim.room = UINT64_MAX;
        engine_close();
        for (uint64_t starts = sim.n_starts; sim.n_starts == starts || !host_is_settled();
             sim.step++)
                if (!host_act())
                        sim.boottime = TQ_MAX(sim.boottime, engine_next());
}

/* What it all comes to: the digest of what happened. */
static uint64_t try_seed(uint64_t seed, Mutant mutant) {
        sim = (Sim){ .seed = seed,
                     .random = seed,
                     .mutant = mutant,
                     .room = UINT64_MAX,
                     .boottime = TQ_USEC_PER_SEC,
                     .realtime = UINT64_C(1700000000) * TQ_USEC_PER_SEC,
                     .digest = UINT64_C(0xCBF29CE484222325) };
        n_notes = 0;
        world = (World){};
        sqlite3_randomness(0, NULL);
        disk_begin();
        draw_world();
        oracle_begin();
        host_begin();
        run(sim_draw(12));
        open_again();
        engine_kill();
        sum.seeds++;
        sum.jobs += world.n_files;
        sum.steps += sim.step;
        sum.starts += sim.n_starts;
        sum.cuts += sim.n_cuts;
        sum.commits += sim.n_commits;
        host_end();
        oracle_end();
        disk_end();
        free(world.files);
        return sim.digest;
}

static double seconds(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* In a process of its own, since what fails is not cleaned up. */
static bool is_found_out(Mutant mutant, uint64_t seeds) {
        int status = 0;
        pid_t pid;

        (void)fflush(stdout);
        pid = fork();
        if (pid == 0) {
                shows_notes = false;
                printf("%s: ", mutants[mutant].name);
                for (uint64_t seed = 1; seed <= seeds; seed++)
                        (void)try_seed(seed, mutant);
                printf("%s, and nothing is seen of it in %llu seeds\n", mutants[mutant].what,
                       (unsigned long long)seeds);
                (void)fflush(stdout);
                _exit(0);
        }
        return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
               WEXITSTATUS(status) == FAILED;
}

static Mutant mutant_of(const char *name) {
        for (int i = 0; i < _MUTANT_MAX; i++)
                if (strcmp(name, mutants[i].name) == 0)
                        return (Mutant)i;
        (void)fprintf(stderr, "no such mutant: %s\n", name);
        exit(1);
}

static void try_all(uint64_t seeds) {
        uint64_t digests[AGAIN] = {};
        unsigned passed = 2, failed = 0;
        double cpu;

        for (uint64_t seed = 1; seed <= seeds; seed++) {
                uint64_t is = try_seed(seed, MUTANT_NONE);

                if (seed <= AGAIN)
                        digests[seed - 1] = is;
        }
        cpu = seconds();
        printf("%llu seeds: %llu jobs, %llu starts of the engine, %llu power cuts, %llu commits, "
               "%llu "
               "steps in %.1f s: %.0f jobs/s\n",
               (unsigned long long)sum.seeds, (unsigned long long)sum.jobs,
               (unsigned long long)sum.starts, (unsigned long long)sum.cuts,
               (unsigned long long)sum.commits, (unsigned long long)sum.steps, cpu,
               (double)sum.jobs / cpu);
        for (uint64_t seed = 1; seed <= TQ_MIN(seeds, (uint64_t)AGAIN); seed++)
                if (try_seed(seed, MUTANT_NONE) != digests[seed - 1])
                        sim_fail("not the same happens twice");
        for (int i = MUTANT_NONE + 1; i < _MUTANT_MAX; i++) {
                bool is = is_found_out((Mutant)i, seeds);

                passed += is;
                failed += !is;
        }
        printf("%u passed, %u failed, 0 skipped\n", passed, failed);
        exit(failed > 0);
}

int main(int argc, char *argv[]) {
        uint64_t seeds = 150, seed = 0;
        Mutant mutant = MUTANT_NONE;
        int option;

        while ((option = getopt(argc, argv, "n:s:m:j:")) >= 0)
                if (option == 'n')
                        seeds = strtoull(optarg, NULL, 10);
                else if (option == 's')
                        seed = strtoull(optarg, NULL, 10);
                else if (option == 'j')
                        arg_jobs = strtoull(optarg, NULL, 10);
                else if (option == 'm')
                        mutant = mutant_of(optarg);
                else
                        return 1;
        vfs_register();
        /* Descriptors that the engine is given, and whose numbers it knows. */
        for (int fd = 3; fd <= 6; fd++)
                (void)dup2(0, fd);
        if (seed == 0 && mutant != MUTANT_NONE)
                return !is_found_out(mutant, seeds);
        if (seed == 0)
                try_all(seeds);
        printf("digest %016llx\n", (unsigned long long)try_seed(seed, mutant));
        return 0;
}
