/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs per second through the whole path (file renamed into the spool → verdict committed) beside a
 * bare loop in the same run, latency on an idle daemon, and memory. scripts/bench starts the
 * daemon.
 *
 *   bench [MODE] SPOOL LOGS SOCKET CGROUP NOOP SUPERVISOR-PID ENGINE-PID FIRST-UID
 *
 *   -r JOBS               only the throughput of so many jobs beside the bare loop's
 *   -n JOBS [-t TENANTS]  only the throughput, of so many jobs, of bench0 … (default 4)
 *   -d JOBS [-t TENANTS]  how many a second of the next tenant end, which has them in its queue
 *   -l JOBS [-f FLOOD]    latencies of jobs of bench1, one by one, and bare launches, us; -f: while
 *                         bench0 has so many others
 *
 * CGROUP: an empty cgroup for the bare loop. */

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bare.h"
#include "base/fs.h"
#include "base/parse.h"
#include "ipc/control.h"

#define JOBS      2000 /* unless -n says */
#define POLL_MS   20   /* each asks the ledger, which costs the engine */
#define BARE_RUNS 1000
#define SAMPLES   200
#define GAP_MS    20 /* between jobs that come one by one: the one before has ended */

static const char *arg_spool, *arg_logs, *arg_cgroup, *arg_noop;
static uid_t first_uid;
static uint64_t arg_tenants = 4, arg_ratio, arg_jobs, arg_drain, arg_latency, arg_flood;

static int64_t now_ns(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static _Noreturn void die(const char *what, int r) {
        (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(r < 0 ? -r : r));
        exit(1);
}

static int compare(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return x < y ? -1 : x > y;
}

/* Launches a second. */
static double bare(BareParts parts) {
        double usec = bare_loop(arg_cgroup, arg_noop, parts, BARE_RUNS);

        if (usec < 0)
                die("bare loop", (int)usec);
        return 1e6 / usec;
}

/* What each part of the sandbox adds to a launch: medians of five rounds, side by side. */
static void print_parts(void) {
        static const char *const names[_BARE_MAX] = { "cgroup and PID namespace", "namespaces",
                                                      "whole sandbox", "filter" };
        int64_t rounds[_BARE_MAX][5], before = 0;

        for (int k = 0; k < 5; k++)
                for (int i = 0; i < _BARE_MAX; i++)
                        rounds[i][k] = (int64_t)(1e9 / bare((BareParts)i));
        for (int i = 0; i < _BARE_MAX; i++) {
                qsort(rounds[i], 5, sizeof(rounds[i][0]), compare);
                (void)printf("launch with %-24s %5lld us (%+lld)\n", names[i],
                             (long long)rounds[i][2] / 1000,
                             (long long)(rounds[i][2] - before) / 1000);
                before = rounds[i][2];
        }
}

/* A job file, complete, owned by the tenant, ready to be renamed into its directory. */
static void write_job(const char *path, uid_t uid, const char *arguments) {
        char text[512];
        int fd;

        (void)snprintf(text, sizeof(text), "[Job]\nExecStart=%s %s\n", arg_noop, arguments);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || tq_fs_write_all(fd, text, strlen(text)) < 0 || fchown(fd, uid, uid) < 0)
                die(path, errno);
        (void)close(fd);
}

/* 0: there is none. */
static uint64_t newest_job(sd_bus *bus, bool is_live) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = sd_bus_call_method(bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "ListJobs", NULL,
                               &reply, "sbtu", "", !is_live, (uint64_t)0, (uint32_t)1);
        if (r < 0 || (r = tq_control_read_table(reply, &t)) < 0)
                die("ListJobs", r);
        return t.n_rows > 0 ? (uint64_t)tq_table_integer(&t, 0, "job", 0) : 0;
}

static void pause_ms(long ms) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Until `jobs` more than `before` are in the ledger and none of them lives. */
static void wait_all(sd_bus *bus, uint64_t before, uint64_t jobs) {
        while (newest_job(bus, false) < before + jobs || newest_job(bus, true) > before)
                pause_ms(POLL_MS);
}

/* Files of tenants that take turns, ready to be renamed. */
static void stage(const char *prefix, uint64_t jobs, uint64_t tenant, uint64_t tenants,
                  bool is_timed) {
        for (uint64_t i = 0; i < jobs; i++) {
                char path[512], arguments[32] = "";

                (void)snprintf(path, sizeof(path), "%s/.stage/%s%" PRIu64, arg_spool, prefix, i);
                if (is_timed)
                        (void)snprintf(arguments, sizeof(arguments), "%" PRIu64, i);
                write_job(path, first_uid + (uid_t)(tenant + i % tenants), arguments);
        }
}

/* When it was put there. */
static int64_t drop(const char *prefix, uint64_t i, uint64_t tenant) {
        int64_t now = now_ns();
        char from[512], to[512];

        (void)snprintf(from, sizeof(from), "%s/.stage/%s%" PRIu64, arg_spool, prefix, i);
        (void)snprintf(to, sizeof(to), "%s/bench%" PRIu64 "/%s%" PRIu64 ".job", arg_spool, tenant,
                       prefix, i);
        if (rename(from, to) < 0)
                die(to, errno);
        return now;
}

static double throughput(sd_bus *bus, uint64_t jobs, uint64_t tenants) {
        uint64_t before = newest_job(bus, false);
        int64_t start;

        stage("t", jobs, 0, tenants, false);
        start = now_ns();
        for (uint64_t i = 0; i < jobs; i++)
                (void)drop("t", i, i % tenants);
        wait_all(bus, before, jobs);
        return (double)jobs / ((double)(now_ns() - start) / 1e9);
}

/* With the bare loop before and after, since the machine is not alone. */
static double beside_bare(sd_bus *bus, uint64_t jobs, double loops[static 2]) {
        double ours;

        loops[0] = bare(BARE_FILTER);
        ours = throughput(bus, jobs, arg_tenants);
        loops[1] = bare(BARE_FILTER);
        return ours;
}

/* Without the end of the line. */
static void print_ratio(double ours, const double loops[static 2]) {
        double loop = (loops[0] + loops[1]) / 2;

        (void)printf("bench: tenantq=%.0f/s bare=%.0f/s ratio=%.2f", ours, loop, ours / loop);
}

static uint64_t waiting(sd_bus *bus, uint64_t tenant) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        TQ_TABLE_CLEANUP TqTable t = {};
        char name[32];
        int r;

        (void)snprintf(name, sizeof(name), "bench%" PRIu64, tenant);
        r = sd_bus_call_method(bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "ListTenants",
                               NULL, &reply, "");
        if (r < 0 || (r = tq_control_read_table(reply, &t)) < 0)
                die("ListTenants", r);
        for (uint32_t i = 0; i < t.n_rows; i++)
                if (strcmp(tq_table_text(&t, i, "tenant"), name) == 0)
                        return (uint64_t)tq_table_integer(&t, i, "waiting", 0);
        die(name, ENOENT);
}

/* From when some are done already, to when so many more are. */
static double drain(sd_bus *bus, uint64_t jobs, uint64_t tenant) {
        uint64_t all = waiting(bus, tenant), first, left;
        int64_t start, end;

        while ((first = waiting(bus, tenant)) + jobs / 10 > all)
                pause_ms(POLL_MS);
        start = now_ns();
        while ((left = waiting(bus, tenant)) + jobs > first && left > 0)
                pause_ms(POLL_MS);
        end = now_ns();
        return (double)(first - left) / ((double)(end - start) / 1e9);
}

/* What the jobs have said: how many did, and how long each took to begin. */
static uint64_t read_stamps(const char *logs, const int64_t *sent, uint64_t n, int64_t *ret) {
        DIR *dir = opendir(logs);
        uint64_t found = 0, i;
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char text[64] = "", *end;
                int64_t began;

                if (!strstr(entry->d_name, ".out") ||
                    tq_fs_read_at(dirfd(dir), entry->d_name, text, sizeof(text)) <= 0)
                        continue;
                began = strtoll(text, &end, 10);
                i = strtoull(end, NULL, 10);
                if (began < sent[0] || i >= n) /* of an earlier measurement */
                        continue;
                ret[i] = began - sent[i];
                found++;
        }
        (void)(dir && closedir(dir));
        return found;
}

/* From the rename to the first instruction, of jobs that come one by one; sorted. */
static void latencies(uint64_t tenant, uint64_t n, int64_t *ret) {
        TQ_FREE int64_t *sent = calloc(n, sizeof(*sent));
        char logs[512];

        if (!sent)
                die("latencies", ENOMEM);
        (void)snprintf(logs, sizeof(logs), "%s/bench%" PRIu64, arg_logs, tenant);
        stage("l", n, tenant, 1, true);
        pause_ms(GAP_MS);
        for (uint64_t i = 0; i < n; i++) {
                sent[i] = drop("l", i, tenant);
                pause_ms(GAP_MS);
        }
        for (int i = 0; read_stamps(logs, sent, n, ret) < n; i++) {
                if (i == 500)
                        die(logs, ETIMEDOUT);
                pause_ms(POLL_MS);
        }
        qsort(ret, n, sizeof(*ret), compare);
}

/* Others' jobs are there before the first of these comes, and still when the last one has. */
static void print_latencies(sd_bus *bus, uint64_t n, uint64_t flood) {
        TQ_FREE int64_t *samples = calloc(n, sizeof(*samples));
        double loops[2] = { bare(BARE_FILTER) };
        uint64_t before = newest_job(bus, false);

        stage("f", flood, 0, 1, false);
        for (uint64_t i = 0; i < flood; i++)
                (void)drop("f", i, 0);
        latencies(1, n, samples);
        if (flood > 0 && newest_job(bus, true) <= before)
                die("the flood ended too early", ENODATA);
        wait_all(bus, before, n + flood);
        loops[1] = bare(BARE_FILTER);
        (void)printf("%lld %lld %.0f\n", (long long)samples[n / 2] / 1000,
                     (long long)samples[n * 99 / 100] / 1000, 2e6 / (loops[0] + loops[1]));
}

static unsigned long peak_rss_kib(const char *pid) {
        char path[64], text[8192], *line;

        (void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
        if (tq_fs_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                die(path, errno);
        line = strstr(text, "VmHWM:");
        return line ? strtoul(line + 6, NULL, 10) : 0;
}

static void print_all(sd_bus *bus, const char *supervisor, const char *engine) {
        int64_t samples[SAMPLES];
        double plain, loops[2], ours;
        unsigned long rss;

        latencies(0, SAMPLES, samples);
        plain = bare(BARE_CGROUP);
        ours = beside_bare(bus, JOBS, loops);
        rss = peak_rss_kib(supervisor) + peak_rss_kib(engine);
        print_parts();
        (void)printf("%d jobs of %" PRIu64
                     " tenants, bare loop before %.0f/s, after %.0f/s, without sandbox %.0f/s\n",
                     JOBS, arg_tenants, loops[0], loops[1], plain);
        print_ratio(ours, loops);
        (void)printf(" p50_us=%lld p99_us=%lld rss_kib=%lu\n",
                     (long long)samples[SAMPLES / 2] / 1000,
                     (long long)samples[SAMPLES * 99 / 100] / 1000, rss);
}

static int usage(void) {
        (void)fprintf(
                stderr,
                "usage: bench [-r JOBS | -n JOBS | -d JOBS | -l JOBS] [-t TENANTS] [-f FLOOD] "
                "SPOOL LOGS SOCKET CGROUP NOOP PID PID FIRST-UID\n");
        return 2;
}

int main(int argc, char *argv[]) {
        uint64_t uid;
        sd_bus *bus;
        int opt, r;

        while ((opt = getopt(argc, argv, "r:n:d:l:t:f:")) != -1) {
                uint64_t *arg = opt == 'r'   ? &arg_ratio
                                : opt == 'n' ? &arg_jobs
                                : opt == 'd' ? &arg_drain
                                : opt == 'l' ? &arg_latency
                                : opt == 't' ? &arg_tenants
                                             : &arg_flood;

                if (opt == '?')
                        return usage();
                if (tq_parse_u64_in(optarg, 1, 10000000, arg) < 0)
                        die(optarg, EINVAL);
        }
        argv += optind;
        if (argc - optind != 8 || tq_parse_u64_in(argv[7], 1, UINT32_MAX, &uid) < 0)
                return usage();
        arg_spool = argv[0];
        arg_logs = argv[1];
        arg_cgroup = argv[3];
        arg_noop = argv[4];
        first_uid = (uid_t)uid;
        r = tq_control_connect(argv[2], &bus);
        if (r < 0)
                die(argv[2], r);
        r = arg_jobs > 0 || arg_drain > 0 ? 0 : bare_prepare();
        if (r < 0)
                die("sandbox", r);
        if (arg_ratio > 0) {
                double loops[2], ours = beside_bare(bus, arg_ratio, loops);

                print_ratio(ours, loops);
                (void)printf("\n");
        } else if (arg_jobs > 0)
                (void)printf("%.0f\n", throughput(bus, arg_jobs, arg_tenants));
        else if (arg_drain > 0)
                (void)printf("%.0f\n", drain(bus, arg_drain, arg_tenants));
        else if (arg_latency > 0)
                print_latencies(bus, arg_latency, arg_flood);
        else
                print_all(bus, argv[5], argv[6]);
        return 0;
}
