/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

/* Tests run in children, so what they skip is counted in memory that is shared with them. */
static struct {
        struct {
                int skipped, ended;
        } * counters;
        char directory[64];
} unit;

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks takes three quarters of the time, so one test in four does; all of them do with
 * TQ_UNIT_LEAKS=all. (sanitizer/lsan_interface.h) */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
        static const char all[] = "all";
        const char *asked = getenv("TQ_UNIT_LEAKS");

        if (!unit.counters || (asked && strcmp(asked, all) == 0))
                return 0;
        return __atomic_fetch_add(&unit.counters->ended, 1, __ATOMIC_SEQ_CST) % 4 != 0;
}
#endif

/* However deep: nftw(3) has a frame for each directory in the other. */
static void remove_directory(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)execl("/bin/rm", "rm", "-rf", "--", unit.directory, (char *)NULL);
                _exit(1);
        }
        (void)waitpid(pid, NULL, 0);
}

int unit_main(const char *name, void (*fill)(Suite *s)) {
        Suite *suite = suite_create(name);
        SRunner *runner = srunner_create(suite);
        int run, failed, skipped;

        unit.counters = mmap(NULL, sizeof(*unit.counters), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (unit.counters == MAP_FAILED) {
                perror("mmap");
                return 1;
        }
        (void)snprintf(unit.directory, sizeof(unit.directory), "/tmp/tenantq-unit.XXXXXX");
        if (!mkdtemp(unit.directory)) {
                perror(unit.directory);
                return 1;
        }
        fill(suite);
        srunner_run_all(runner, CK_ENV);
        run = srunner_ntests_run(runner);
        failed = srunner_ntests_failed(runner);
        skipped = unit.counters->skipped;
        srunner_free(runner);
        remove_directory();
        (void)printf("%d passed, %d failed, %d skipped\n", run - failed - skipped, failed, skipped);
        return failed > 0 || run == 0 ? 1 : 0;
}

TCase *unit_case(Suite *s, const char *name) {
        TCase *tcase = tcase_create(name);

        tcase_set_timeout(tcase, 60);
        suite_add_tcase(s, tcase);
        return tcase;
}

void unit_skipped(const char *function, const char *reason) {
        size_t n = strlen(function);

        /* libcheck names the body of a test NAME_fn. */
        if (n > 3 && strcmp(function + n - 3, "_fn") == 0)
                n -= 3;
        (void)__atomic_add_fetch(&unit.counters->skipped, 1, __ATOMIC_SEQ_CST);
        (void)printf("skip %.*s: %s\n", (int)n, function, reason);
        (void)fflush(stdout);
}

bool unit_is_root(void) {
        return geteuid() == 0;
}

const char *unit_dir(void) {
        static char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/XXXXXX", unit.directory);
        ck_assert_ptr_nonnull(mkdtemp(path));
        return path;
}

int unit_dir_open(void) {
        int fd = open(unit_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

const char *unit_cgroup_mount(void) {
        static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(mounts); i++) {
                struct statfs fs;

                if (statfs(mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
                    access(mounts[i], W_OK) == 0)
                        return mounts[i];
        }
        return NULL;
}

int unit_wait(int pid) {
        int status;

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}

uint64_t unit_random(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(0x2545F4914F6CDD1D);
}
