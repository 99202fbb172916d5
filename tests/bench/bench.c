/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs per second through the whole path (file renamed into the spool → verdict committed) beside a
 * bare loop in the same run, latency on an idle daemon, and memory. scripts/bench starts the
 * daemon.
 *
 *   bench [-n JOBS | -r JOBS] SPOOL LOGS SOCKET CGROUP NOOP SUPERVISOR-PID ENGINE-PID FIRST-UID
 *
 * -n: only the throughput, of so many jobs. -r: that beside the bare loop's. CGROUP: an empty
 * cgroup for the bare loop. The tenants bench0 … bench3 exist. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bare.h"
#include "base/fs.h"
#include "base/parse.h"
#include "ipc/control.h"

#define TENANTS   4
#define JOBS      2000 /* unless -n says */
#define BARE_RUNS 1000
#define SAMPLES   200

static const char *arg_spool, *arg_logs, *arg_socket, *arg_cgroup, *arg_noop;
static uid_t first_uid;

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

static size_t live_rows(sd_bus *bus) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = sd_bus_call_method(bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "ListJobs", NULL,
                               &reply, "sbtu", "", 0, (uint64_t)0, (uint32_t)1);
        if (r < 0 || (r = tq_control_read_table(reply, &t)) < 0)
                die("ListJobs", r);
        return t.n_rows;
}

static uint64_t newest_job(sd_bus *bus) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        r = sd_bus_call_method(bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "ListJobs", NULL,
                               &reply, "sbtu", "", 1, (uint64_t)0, (uint32_t)1);
        if (r < 0 || (r = tq_control_read_table(reply, &t)) < 0)
                die("ListJobs", r);
        return t.n_rows > 0 ? (uint64_t)tq_table_integer(&t, 0, "job", 0) : 0;
}

static void pause_ms(long ms) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Until `jobs` more than `before` are in the ledger and none of them lives. */
static void wait_all(sd_bus *bus, uint64_t before, uint64_t jobs) {
        while (newest_job(bus) < before + jobs || live_rows(bus) > 0)
                pause_ms(5);
}

static double throughput(sd_bus *bus, int jobs) {
        uint64_t before = newest_job(bus);
        int64_t start;

        for (int i = 0; i < jobs; i++) {
                char path[512];

                (void)snprintf(path, sizeof(path), "%s/.stage/%d.job", arg_spool, i);
                write_job(path, first_uid + (uid_t)(i % TENANTS), "");
        }
        start = now_ns();
        for (int i = 0; i < jobs; i++) {
                char from[512], to[512];

                (void)snprintf(from, sizeof(from), "%s/.stage/%d.job", arg_spool, i);
                (void)snprintf(to, sizeof(to), "%s/bench%d/%d.job", arg_spool, i % TENANTS, i);
                if (rename(from, to) < 0)
                        die(to, errno);
        }
        wait_all(bus, before, (uint64_t)jobs);
        return jobs / ((double)(now_ns() - start) / 1e9);
}

/* With the bare loop before and after, since the machine is not alone. */
static double beside_bare(sd_bus *bus, int jobs, double loops[static 2]) {
        double ours;
        int r = bare_prepare();

        if (r < 0)
                die("sandbox", r);
        loops[0] = bare(BARE_FILTER);
        ours = throughput(bus, jobs);
        loops[1] = bare(BARE_FILTER);
        return ours;
}

/* Without the end of the line. */
static void print_ratio(double ours, const double loops[static 2]) {
        double loop = (loops[0] + loops[1]) / 2;

        (void)printf("bench: tenantq=%.0f/s bare=%.0f/s ratio=%.2f", ours, loop, ours / loop);
}

static int64_t one_latency(sd_bus *bus, int i) {
        char from[512], to[512], text[64];
        uint64_t before = newest_job(bus), began;
        int64_t start;

        (void)snprintf(from, sizeof(from), "%s/.stage/l%d.job", arg_spool, i);
        (void)snprintf(to, sizeof(to), "%s/bench0/l%d.job", arg_spool, i);
        write_job(from, first_uid, "stamp");
        pause_ms(3);
        start = now_ns();
        if (rename(from, to) < 0)
                die(to, errno);
        pause_ms(10);
        wait_all(bus, before, 1);
        (void)snprintf(to, sizeof(to), "%s/bench0/%llu.1.out", arg_logs,
                       (unsigned long long)(before + 1));
        if (tq_fs_read_at(AT_FDCWD, to, text, sizeof(text)) <= 0)
                die(to, EIO);
        text[strcspn(text, "\n")] = '\0';
        if (tq_parse_u64(text, &began) < 0)
                die(to, EBADMSG);
        return (int64_t)began - start;
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

        for (int i = 0; i < SAMPLES; i++)
                samples[i] = one_latency(bus, i);
        qsort(samples, SAMPLES, sizeof(samples[0]), compare);
        plain = bare(BARE_CGROUP);
        ours = beside_bare(bus, JOBS, loops);
        rss = peak_rss_kib(supervisor) + peak_rss_kib(engine);
        print_parts();
        (void)printf(
                "%d jobs of %d tenants, bare loop before %.0f/s, after %.0f/s, without sandbox "
                "%.0f/s\n",
                JOBS, TENANTS, loops[0], loops[1], plain);
        print_ratio(ours, loops);
        (void)printf(" p50_us=%lld p99_us=%lld rss_kib=%lu\n",
                     (long long)samples[SAMPLES / 2] / 1000,
                     (long long)samples[SAMPLES * 99 / 100] / 1000, rss);
}

int main(int argc, char *argv[]) {
        double loops[2], ours;
        sd_bus *bus;
        uint64_t uid, jobs = 0;
        bool has_ratio = argc > 2 && strcmp(argv[1], "-r") == 0;
        int r;

        if (has_ratio || (argc > 2 && strcmp(argv[1], "-n") == 0)) {
                if (tq_parse_u64_in(argv[2], 1, 1000000, &jobs) < 0)
                        die(argv[1], EINVAL);
                argc -= 2;
                argv += 2;
        }
        if (argc != 9 || tq_parse_u64_in(argv[8], 1, UINT32_MAX - TENANTS, &uid) < 0) {
                (void)fprintf(stderr, "usage: bench [-n JOBS | -r JOBS] SPOOL LOGS SOCKET CGROUP "
                                      "NOOP PID PID FIRST-UID\n");
                return 2;
        }
        arg_spool = argv[1];
        arg_logs = argv[2];
        arg_socket = argv[3];
        arg_cgroup = argv[4];
        arg_noop = argv[5];
        first_uid = (uid_t)uid;
        r = tq_control_connect(arg_socket, &bus);
        if (r < 0)
                die(arg_socket, r);
        if (has_ratio) {
                ours = beside_bare(bus, (int)jobs, loops);
                print_ratio(ours, loops);
                (void)printf("\n");
        } else if (jobs > 0) {
                (void)printf("%.0f\n", throughput(bus, (int)jobs));
        } else {
                print_all(bus, argv[6], argv[7]);
        }
        return 0;
}
