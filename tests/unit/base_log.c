/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "unit.h"

/* What was written to standard error since: a line of a file, as without a journal. */
static const char *said(int *fd) {
        static char text[4096];
        ssize_t n;

        ck_assert_int_eq(fflush(stderr), 0);
        n = pread(*fd, text, sizeof(text) - 1, 0);
        ck_assert_int_ge((int)n, 0);
        text[n] = '\0';
        ck_assert_int_eq(ftruncate(*fd, 0), 0);
        (void)lseek(*fd, 0, SEEK_SET);
        return text;
}

static int to_file(void) {
        FILE *f = tmpfile();

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
        return fileno(f);
}

/* sd-daemon(3): the priority in front of the line. */
START_TEST(lines) {
        int fd = to_file();

        (void)unsetenv("JOURNAL_STREAM");
        tq_log_open("engine: ");
        tq_log(LOG_ERR, "%s has %d", "acme", 3);
        ck_assert_str_eq(said(&fd), "<3>engine: acme has 3\n");
        tq_log_open("");
        tq_log_about(LOG_INFO, (TqLogAbout){ .id = TQ_LOG_READY, .tenant = "acme", .job = 7 },
                     "ready");
        ck_assert_str_eq(said(&fd), "<6>ready\n");
}
END_TEST

/* JOURNAL_STREAM of somebody else's standard error says nothing about ours (systemd.exec(5)). */
START_TEST(another_stream) {
        int fd = to_file();

        ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:2", 1), 0);
        tq_log_open("");
        tq_log(LOG_ERR, "to the file");
        ck_assert_str_eq(said(&fd), "<3>to the file\n");
}
END_TEST

/* A line that is too long is cut, not left out. */
START_TEST(long_line) {
        char text[3000];
        int fd = to_file();

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        (void)unsetenv("JOURNAL_STREAM");
        tq_log_open("");
        tq_log(LOG_ERR, "%s", text);
        ck_assert_uint_eq(strlen(said(&fd)), 3 + 1023 + 1);
}
END_TEST

static char sent[4096];

/* Instead of libsystemd's: the fields, with a | behind each. */
int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n) {
        size_t at = 0;

        for (int i = 0; i < n && at < sizeof(sent); i++)
                at += (size_t)snprintf(sent + at, sizeof(sent) - at, "%.*s|", (int)iov[i].iov_len,
                                       (const char *)iov[i].iov_base);
        return 0;
}

static void to_journal(void) {
        char stream[64];
        struct stat st;

        (void)to_file();
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                       (uintmax_t)st.st_ino);
        ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
        tq_log_open("engine: ");
}

START_TEST(journal) {
        static const char *const fields[] = { "TENANTQ_A=b" };

        to_journal();
        tq_log(LOG_INFO, "plain");
        ck_assert_str_eq(sent, "MESSAGE=plain|PRIORITY=6|");
        tq_log_about(LOG_ERR,
                     (TqLogAbout){ .tenant = "acme",
                                   .job = 7,
                                   .fields = fields,
                                   .n_fields = 1,
                                   .trail = "TENANTQ_LABEL=a=b\0TENANTQ_LABEL=c=d\0" },
                     "said");
        ck_assert_str_eq(sent, "MESSAGE=said|PRIORITY=3|TENANTQ_TENANT=acme|TENANTQ_JOB=7|"
                               "TENANTQ_A=b|TENANTQ_LABEL=a=b|TENANTQ_LABEL=c=d|");
}
END_TEST

/* However long a trail is, a line has so many fields. */
START_TEST(journal_bounded) {
        char trail[2 * (TQ_LOG_TRAIL + 5) + 1] = {};
        size_t n = 0;

        for (size_t i = 0; i < TQ_LOG_TRAIL + 5; i++)
                trail[2 * i] = 'x';
        to_journal();
        tq_log_about(LOG_ERR, (TqLogAbout){ .trail = trail }, "said");
        for (const char *c = sent; *c; c++)
                n += *c == '|';
        ck_assert_uint_eq(n, 2 + TQ_LOG_TRAIL);
}
END_TEST

/* sd-id128(3): 32 digits, and no two the same. */
START_TEST(ids) {
        ck_assert_ptr_null(tq_log_id_to_string(TQ_LOG_PLAIN));
        for (int i = 1; i < _TQ_LOG_ID_MAX; i++) {
                const char *id = tq_log_id_to_string((TqLogId)i);

                ck_assert_uint_eq(strlen(id), 32);
                for (const char *c = id; *c; c++)
                        ck_assert(isdigit((unsigned char)*c) || (*c >= 'a' && *c <= 'f'));
                for (int k = 1; k < i; k++)
                        ck_assert_str_ne(id, tq_log_id_to_string((TqLogId)k));
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "log");

        tcase_add_test(c, lines);
        tcase_add_test(c, another_stream);
        tcase_add_test(c, long_line);
        tcase_add_test(c, journal);
        tcase_add_test(c, journal_bounded);
        tcase_add_test(c, ids);
}

int main(void) {
        return unit_main("base_log", fill);
}
