/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

static const char *const ids[_TQ_LOG_ID_MAX] = {
        [TQ_LOG_READY] = "d446b3b0a2464c7fa0549d604ec471e7",
        [TQ_LOG_DEGRADED] = "8e6348389b6244938557c3d26bb48111",
        [TQ_LOG_FULL] = "6e30f77f181d4802b47ddff652dd9847",
        [TQ_LOG_ROOM] = "1750493a0ff849eea5b76f24653bd186",
        [TQ_LOG_ENGINE_ENDED] = "cae35629d5e741a190495816f7c8ac3c",
        [TQ_LOG_RELOADED] = "0b1b200416c64b2fb05a6539ec64eec5",
        [TQ_LOG_RELOAD_REFUSED] = "5e2b95b1dfd64f6db6760d22c73c3fea",
        [TQ_LOG_TENANT_DISABLED] = "705c6ad43e194d08990fc68ad8fce980",
        [TQ_LOG_LAUNCH_FAILED] = "7df82afb79b44e85aa5d90a4cd5694f8",
        [TQ_LOG_OUTPUT_LOST] = "3d33ca6a960845f8a0b9d5c89f362cef",
        [TQ_LOG_CGROUP_STUCK] = "6c93a7cc644e43439d9475796e782546",
        [TQ_LOG_MADE_AGAIN] = "9b43183cf67e4e33886bd4515d1eb7e8",
        [TQ_LOG_QUARANTINED] = "571ef2b6a79f408183722a2bcdc43002",
        [TQ_LOG_CHANGED] = "f66aed56727c42b6bfe71002b5d253a0",
        [TQ_LOG_DRIFT] = "f4231320ef23434d8931306ee42b91a3",
};

/* Of the process, as its stderr is. */
static const char *line_prefix = "";
static bool is_journal;

const char *tq_log_id_to_string(TqLogId id) {
        return ids[id];
}

/* systemd.exec(5): the device and inode of the journal's stream, if stderr still is that one. */
static bool leads_to_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM"); /* NOLINT(concurrency-mt-unsafe) */
        char ours[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void)snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, ours) == 0;
}

void tq_log_open(const char *prefix) {
        line_prefix = prefix;
        is_journal = leads_to_journal();
}

static bool send_to_journal(int priority, TqLogAbout about, const char *text) {
        char message[1100], level[16], id[64], tenant[160], job[64];
        struct iovec fields[5 + TQ_LOG_FIELDS + TQ_LOG_TRAIL];
        int n = 0, most;

#define FIELD(buf, ...)                                                                            \
        do {                                                                                       \
                (void)snprintf(buf, sizeof(buf), __VA_ARGS__);                                     \
                fields[n++] = (struct iovec){ buf, strlen(buf) };                                  \
        } while (0)

        FIELD(message, "MESSAGE=%s", text);
        FIELD(level, "PRIORITY=%d", priority);
        if (ids[about.id])
                FIELD(id, "MESSAGE_ID=%s", ids[about.id]);
        if (about.tenant)
                FIELD(tenant, "TENANTQ_TENANT=%s", about.tenant);
        if (about.job > 0)
                FIELD(job, "TENANTQ_JOB=%" PRIu64, about.job);
#undef FIELD
        for (size_t i = 0; i < TQ_MIN(about.n_fields, (size_t)TQ_LOG_FIELDS); i++)
                fields[n++] = (struct iovec){ (char *)about.fields[i], strlen(about.fields[i]) };
        most = n + TQ_LOG_TRAIL;
        for (const char *f = about.trail; f && *f && n < most; f += strlen(f) + 1)
                fields[n++] = (struct iovec){ (char *)f, strlen(f) };
        return sd_journal_sendv(fields, n) >= 0;
}

void tq_log_va(int priority, TqLogAbout about, const char *fmt, va_list ap) {
        char text[1024];

        (void)vsnprintf(text, sizeof(text), fmt, ap);
        if (!is_journal || !send_to_journal(priority, about, text))
                (void)fprintf(stderr, "<%d>%s%s\n", priority, line_prefix, text);
}

void tq_log_about(int priority, TqLogAbout about, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        tq_log_va(priority, about, fmt, ap);
        va_end(ap);
}

void tq_log(int priority, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        tq_log_va(priority, (TqLogAbout){}, fmt, ap);
        va_end(ap);
}
