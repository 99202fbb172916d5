/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "conf/hostfile.h"
#include "ctl/selftest.h"
#include "ctl/verbs.h"

/* Small jobs of a throw-away tenant, each of which tries to have more than its due, against the
 * daemon that runs here: what holds is measured, not believed. The tenant's user is a number that
 * nobody has; its directory and its limits go at the end; the tenant stays known, as one whose
 * directory is gone, and its jobs stay in the ledger as everybody's do. */

#define TENANT     SELFTEST_TENANT
#define UID_FIRST  61184 /* of systemd's dynamic users, which nobody else gives away */
#define UID_LAST   65519
#define READY_USEC (10 * TQ_USEC_PER_SEC)
#define FILE_BYTES (8 * 1024 * 1024)

static void report(Selftest *s, const char *what, bool holds, const char *fmt, ...) TQ_PRINTF(4, 5);

static void report(Selftest *s, const char *what, bool holds, const char *fmt, ...) {
        char text[512], shown[1024];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        s->failed += !holds;
        (void)printf("%-5s %-12s %s\n", holds ? "ok" : "FAIL", what,
                     tq_format_shown(text, shown, sizeof(shown)));
        (void)fflush(stdout);
}

static void skip(Selftest *s, const char *what, const char *why) {
        s->skipped++;
        (void)printf("%-5s %-12s %s\n", "skip", what, why);
}

static const char *verdict(const Ended *e) {
        const char *v = tq_table_text(&e->row, 0, "verdict");

        return v ? v : "none";
}

/* What is behind the first blank; empty: nothing. */
static const char *second_word(const char *text) {
        const char *blank = strchr(text, ' ');

        return blank ? blank + 1 : "";
}

static int64_t number(const Ended *e, const char *column) {
        return tq_table_integer(&e->row, 0, column, -1);
}

/* The probes ---------------------------------------------------------------------------------- */

static int probe_cpu(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s, "while :; do :; done", "RuntimeMaxSec=4", &e);
        double cpu = (double)number(&e, "cpu_usec") / 1e6,
               wall = (double)number(&e, "run_usec") / 1e6;

        if (r == 0)
                report(s, "cpu", cpu > 0 && cpu < wall * 0.3 * 1.25,
                       "a loop had %.2f s of CPU time in %.2f s; cpu=0.3 allows %.2f", cpu, wall,
                       wall * 0.3);
        return r;
}

static int probe_memory(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s, "head -c 300M /dev/zero | tail -c 300M | wc -c", "", &e);

        if (r == 0)
                report(s, "memory", strncmp(verdict(&e), "oom", 3) == 0,
                       "300M where memory=64M: %s, at most %" PRIi64 "M", verdict(&e),
                       number(&e, "memory_peak_bytes") >> 20);
        return r;
}

static int probe_temporary(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s,
                             "head -c 40M /dev/zero >/tmp/fill 2>/dev/null; stat -c %s /tmp/fill",
                             "[Limits]\nmemory=48M", &e);

        if (r == 0)
                report(s, "tmp", strcmp(e.output, "25165824") == 0,
                       "40M into the /tmp of a job with memory=48M: %s bytes are there, of half of "
                       "that (25165824); %s",
                       e.output, verdict(&e));
        return r;
}

static int probe_pids(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s, "i=0; while [ $i -lt 60 ]; do sleep 3 & i=$((i+1)); done; wait", "",
                             &e);

        if (r == 0)
                report(s, "pids", number(&e, "pids_denied") > 0,
                       "60 processes where pids=24 allows 24: how often fork was refused: %" PRIi64,
                       number(&e, "pids_denied"));
        return r;
}

static int probe_io(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        char script[160];
        double wall;
        int r;

        if (s->file[0] == '\0') {
                skip(s, "io",
                     "no file can be made on the spool's disk where jobs see it, or the "
                     "disk can't be limited");
                return 0;
        }
        (void)snprintf(script, sizeof(script), "dd if=%s of=/dev/null bs=256k iflag=direct 2>&1",
                       s->file);
        r = selftest_run(s, script, "RuntimeMaxSec=60", &e);
        wall = (double)number(&e, "run_usec") / 1e6;
        if (r == 0)
                report(s, "io", strcmp(verdict(&e), "exit 0") == 0 && wall > 2.5,
                       "8 MiB from the disk took %.1f s; io_read=2M asks for 4", wall);
        return r;
}

static int probe_seccomp(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s, "unshare -U true 2>/dev/null && echo made a user namespace", "",
                             &e);

        if (r == 0)
                report(s, "seccomp", strcmp(verdict(&e), "exit 1") == 0 && e.output[0] == '\0',
                       "a new user namespace (unshare -U): %s; the job's verdict: %s",
                       e.output[0] ? e.output : "refused", verdict(&e));
        return r;
}

static int probe_rights(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(
                s,
                "grep -cE '^(Cap(Inh|Prm|Eff|Bnd|Amb):.*0000000000000000|NoNewPrivs:.*1|"
                "Seccomp:.*2)$' /proc/self/status",
                "", &e);

        if (r == 0)
                report(s, "rights", strcmp(e.output, "7") == 0,
                       "no capabilities, no_new_privs, a filter: %s of 7 lines of "
                       "/proc/self/status say so",
                       e.output);
        return r;
}

static int probe_network(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        int r = selftest_run(s, "grep -c : /proc/net/dev; tail -n +2 /proc/net/route | wc -l", "",
                             &e);

        if (r == 0)
                report(s, "network", strcmp(e.output, "1 0") == 0,
                       "a job has so many network interfaces: %.*s (1 is its loopback), and so "
                       "many routes: %s",
                       (int)strcspn(e.output, " "), e.output, second_word(e.output));
        return r;
}

static int probe_files(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        char script[2 * PATH_MAX];
        int r;

        (void)snprintf(
                script, sizeof(script),
                "ls -A /root /run %.1000s %.1000s %.1000s 2>/dev/null | grep -v : | grep -c .; "
                "for f in /x /etc/x /usr/x /var/x /proc/sys/kernel/hostname /sys/x; "
                "do (echo x >>$f) 2>/dev/null && echo wrote $f; done; echo end",
                s->config->spool, s->config->state, s->config->logs);
        r = selftest_run(s, script, "", &e);
        if (r == 0)
                report(s, "files", strcmp(e.output, "0 end") == 0,
                       "names that are seen in directories that are to be empty: %.*s; files of "
                       "the "
                       "host that could be written: %s",
                       (int)strcspn(e.output, " "), e.output,
                       strcmp(second_word(e.output), "end") == 0 ? "none" : second_word(e.output));
        return r;
}

static int probe_leftovers(Selftest *s) {
        ENDED_CLEANUP Ended first = {}, second = {};
        int r = selftest_run(
                s,
                "ipcmk -M 4096 >/dev/null; echo x >/tmp/left; echo x >/dev/shm/left; sleep 100 &",
                "", &first);

        if (r == 0)
                r = selftest_run(s,
                                 "ipcs -m | grep -c 0x; ls -A /tmp /dev/shm | grep -c left; "
                                 "ls -d /proc/[0-9]* | wc -l",
                                 "", &second);
        if (r == 0)
                report(s, "leftovers", strncmp(second.output, "0 0 ", 4) == 0,
                       "what the job before left, as the next one sees it: %.*s pieces of shared "
                       "memory, %.*s temporary files",
                       (int)strcspn(second.output, " "), second.output,
                       (int)strcspn(second_word(second.output), " "), second_word(second.output));
        return r;
}

static int probe_kill(Selftest *s) {
        ENDED_CLEANUP Ended e = {};
        uint64_t job = 0, begin;
        int r = selftest_submit(
                s, "trap : TERM INT HUP; setsid sleep 1000 & while :; do sleep 1; done", "", &job);

        if (r != 0)
                return r;
        (void)nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
        begin = tq_clock_monotonic_usec();
        r = selftest_cancel(s, job);
        if (r == 0)
                r = selftest_wait(s, job, &e);
        if (r == 0)
                report(s, "kill", strcmp(verdict(&e), "cancelled") == 0,
                       "a job that ignores signals and has a daemon: %s after %.1f s", verdict(&e),
                       (double)(tq_clock_monotonic_usec() - begin) / 1e6);
        return r;
}

/* The tenant ---------------------------------------------------------------------------------- */

/* The state of a tenant, or NULL. Borrowed from *t. */
static const char *state_of(const TqTable *t, const char *tenant, const char **ret_fault) {
        for (size_t i = 0; i < t->n_rows; i++)
                if (strcmp(tq_table_text(t, i, "tenant"), tenant) == 0) {
                        *ret_fault = tq_table_text(t, i, "fault");
                        return tq_table_text(t, i, "state");
                }
        return NULL;
}

static int find_uid(const Selftest *s, uid_t *ret) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = tenants_list(&s->options, &t);

        /* The same as last time: it comes back, and is not another owner of the name, whose output
         * would be put aside. */
        for (size_t i = 0; r == 0 && i < t.n_rows; i++) {
                int64_t uid = tq_table_integer(&t, i, "uid", -1);

                if (strcmp(tq_table_text(&t, i, "tenant"), TENANT) != 0 || uid < UID_FIRST ||
                    uid > UID_LAST || getpwuid((uid_t)uid))
                        continue;
                *ret = (uid_t)uid;
                return 0;
        }
        for (uid_t uid = UID_LAST; r == 0 && uid >= UID_FIRST; uid--) {
                bool is_taken = getpwuid(uid) != NULL;

                for (size_t i = 0; i < t.n_rows && !is_taken; i++)
                        is_taken = tq_table_integer(&t, i, "uid", -1) == (int64_t)uid;
                if (!is_taken) {
                        *ret = uid;
                        return 0;
                }
        }
        return r != 0 ? r : fail(TQ_EXIT_FAILURE, "no number of a user is free");
}

static int wait_until_ready(const Selftest *s) {
        uint64_t end = tq_clock_monotonic_usec() + READY_USEC;
        char said[512] = "it is not noticed";

        do {
                TQ_TABLE_CLEANUP TqTable t = {};
                const char *fault = NULL, *state;
                int r = tenants_list(&s->options, &t);

                if (r != 0)
                        return r;
                state = state_of(&t, TENANT, &fault);
                if (state && strcmp(state, "ready") == 0)
                        return 0;
                if (state)
                        (void)snprintf(said, sizeof(said), "it is %s: %s", state,
                                       fault ? fault : "");
                (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        } while (tq_clock_monotonic_usec() < end && !selftest_is_interrupted());
        return fail(TQ_EXIT_FAILURE, "tenant " TENANT ": %s", said);
}

/* Where nothing starts, or nothing is taken, nothing can be tried. */
static int check_host(const Selftest *s) {
        TQ_TABLE_CLEANUP TqTable pools = {};
        const char *state;
        int r = pools_list(&s->options, &pools);

        if (r != 0 || pools.n_rows == 0)
                return r;
        state = tq_table_text(&pools, 0, "state");
        if (!state || strcmp(state, "ready") == 0)
                return 0;
        return fail(TQ_EXIT_REFUSED, "the host is %s: nothing can be tried%s", state,
                    strstr("degraded full", state) ? "" : "; tenantqctl resume host");
}

static int make_tenant(Selftest *s) {
        char path[sizeof(s->directory)];
        uid_t uid = 0;
        int r;

        if (geteuid() != 0)
                return fail(TQ_EXIT_DENIED, "selftest makes a tenant: it must be run by root");
        r = check_host(s);
        if (r == 0)
                r = find_uid(s, &uid);
        if (r != 0)
                return r;
        (void)snprintf(s->directory, sizeof(s->directory), "%s/." TENANT, s->config->spool);
        (void)snprintf(path, sizeof(path), "%s/" TENANT, s->config->spool);
        if (mkdir(s->directory, 0700) < 0) {
                r = fail(TQ_EXIT_FAILURE, "%s: %s", s->directory, strerror(errno));
                s->directory[0] = '\0'; /* it is not ours to remove */
                return r;
        }
        /* Complete at once. */
        if (chown(s->directory, uid, uid) < 0 ||
            renameat2(AT_FDCWD, s->directory, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", path, strerror(errno));
        memcpy(s->directory, path, sizeof(path));
        return wait_until_ready(s);
}

/* Where every job may read it, on the disk of the spool, and not in the page cache. */
static void make_file(Selftest *s) {
        static const char zeros[65536];
        struct stat spool, st;
        int fd;

        (void)snprintf(s->file, sizeof(s->file), "/var/cache/tenantq-selftest.XXXXXX");
        fd = mkostemp(s->file, O_CLOEXEC);
        if (fd < 0) {
                s->file[0] = '\0';
                return;
        }
        for (size_t n = 0; n < FILE_BYTES; n += sizeof(zeros))
                if (tq_fs_write_all(fd, zeros, sizeof(zeros)) < 0)
                        break;
        if (fchmod(fd, 0644) < 0 || fdatasync(fd) < 0 || fstat(fd, &st) < 0 ||
            stat(s->config->spool, &spool) < 0 || st.st_dev != spool.st_dev ||
            st.st_size != FILE_BYTES) {
                (void)unlink(s->file);
                s->file[0] = '\0';
        }
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
}

static void clean(Selftest *s) {
        char target[] = TENANT, cpu[] = "cpu", memory[] = "memory", pids[] = "pids",
             io[] = "io_read";
        char *words[] = { target, cpu, memory, pids, io, NULL };

        if (s->file[0])
                (void)unlink(s->file);
        if (s->directory[0]) {
                char path[sizeof(s->directory) + 16];

                (void)limits_take_back(&s->options, words);
                (void)snprintf(path, sizeof(path), "%s/rejected", s->directory);
                (void)rmdir(path);
                if (rmdir(s->directory) < 0)
                        (void)fail(0, "%s: %s", s->directory, strerror(errno));
        }
}

/* With the limit that each of them tries to pass. */
static int probe_all(Selftest *s) {
        static const struct {
                const char *name, *limit;
                int (*probe)(Selftest *s);
        } probes[] = {
                { "rights", NULL, probe_rights },         { "seccomp", NULL, probe_seccomp },
                { "files", NULL, probe_files },           { "network", NULL, probe_network },
                { "leftovers", NULL, probe_leftovers },   { "kill", NULL, probe_kill },
                { "cpu", "cpu=0.3", probe_cpu },          { "memory", "memory=64M", probe_memory },
                { "tmp", "memory=64M", probe_temporary }, { "pids", "pids=24", probe_pids },
                { "io", "io_read=2M", probe_io },
        };
        int r = 0;

        make_file(s);
        for (size_t i = 0; i < TQ_ELEMENTSOF(probes) && r == 0 && !selftest_is_interrupted(); i++) {
                char target[] = TENANT, *words[] = { target, (char *)probes[i].limit, NULL };

                /* The daemon says itself that it can't: no limit is a promise that is not kept. */
                if (probes[i].limit && limits_change(&s->options, words) != 0)
                        skip(s, probes[i].name, "the daemon refuses the limit");
                else
                        r = probes[i].probe(s);
        }
        return r == 0 && selftest_is_interrupted() ? fail(TQ_EXIT_FAILURE, "interrupted") : r;
}

int verb_selftest(const Options *o, int argc, char *argv[]) {
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        const char *dir = o->config;
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, dir);
        Selftest s = { .options = *o, .config = config };
        TqError err = {};
        char text[768];
        int r;

        (void)argc;
        (void)argv;
        if (!config)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = fd < 0 ? tq_error_errno(&err, fd, "%s", dir) : tq_hostfile_load(fd, config, &err);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", tq_error_format(&err, text, sizeof(text)));
        s.options.tenant = TENANT;
        selftest_listen();
        r = make_tenant(&s);
        if (r == 0)
                r = probe_all(&s);
        clean(&s);
        if (r != 0)
                return r;
        (void)printf("%zu do not hold, %zu could not be tried\n", s.failed, s.skipped);
        return s.failed > 0 ? TQ_EXIT_FAILURE : TQ_EXIT_OK;
}
