/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <systemd/sd-bus.h>
#include <tenantq/types.h>

#include "base/buffer.h"
#include "core/table.h"

/* tenantqctl: a verb is a row of verbs[] in main.c and a small file. Each returns an exit code. */

#define MAX_ASSIGNMENTS 256

typedef struct Options {
        const char *socket;
        const char *tenant;    /* -t */
        const char *queue;     /* -q */
        const char *directory; /* -C */
        const char *why;       /* --why */
        const char **limits;   /* -l KEY=VALUE */
        size_t n_limits;
        const char *assignments[MAX_ASSIGNMENTS]; /* --set */
        size_t n_assignments;
        const char *swf, *workload, *since, *tenants, *svg, *policy;
        uint64_t slots, seed;
        uint64_t rows; /* -n */
        bool json, all, wait, follow;
        bool used[256]; /* letters that were given */
} Options;

typedef struct Verb {
        const char *name;
        int min_args, max_args; /* max -1: any number */
        const char *options;    /* the letters it takes, one after the other; j: --json */
        const char *usage;
        const char *help;
        int (*run)(const Options *o, int argc, char *argv[]);
} Verb;

extern const Verb verbs[];
extern const size_t n_verbs;

int verb_submit(const Options *o, int argc, char *argv[]);
int verb_run(const Options *o, int argc, char *argv[]);
int verb_ps(const Options *o, int argc, char *argv[]);
int verb_status(const Options *o, int argc, char *argv[]);
int verb_logs(const Options *o, int argc, char *argv[]);
int verb_abandon(const Options *o, int argc, char *argv[]);
int verb_cancel(const Options *o, int argc, char *argv[]);
int verb_wait(const Options *o, int argc, char *argv[]);
int verb_events(const Options *o, int argc, char *argv[]);
int verb_export(const Options *o, int argc, char *argv[]);
int export_get(const Options *o, char **ret); /* the text; the caller frees it */
int verb_tenants(const Options *o, int argc, char *argv[]);
int verb_limits(const Options *o, int argc, char *argv[]);
int verb_validate(const Options *o, int argc, char *argv[]);
int verb_explain(const Options *o, int argc, char *argv[]);
int verb_queue(const Options *o, int argc, char *argv[]);
int verb_hold(const Options *o, int argc, char *argv[]);
int verb_release(const Options *o, int argc, char *argv[]);
int verb_pause(const Options *o, int argc, char *argv[]);
int verb_resume(const Options *o, int argc, char *argv[]);
int verb_drain(const Options *o, int argc, char *argv[]);
int verb_simulate(const Options *o, int argc, char *argv[]);
int verb_reload(const Options *o, int argc, char *argv[]);

/* call.c: connections and calls. Errors are said on stderr and returned as exit codes (> 0). */
typedef struct Call {
        const Options *options;
        sd_bus *bus;
        sd_bus_message *request, *reply;
        sd_bus_error error;
} Call;
void call_done(Call *c);
#define CALL_CLEANUP TQ_CLEANUP(call_done)
int call_open(const Options *o, Call *c, const char *method);
int call_send(Call *c);                      /* waits as long as it takes */
int call_again(Call *c, const char *method); /* another method on the same connection */
/* Asks (job), or (job, stream), what can be asked twice; when the daemon goes away meanwhile, the
 * next one is asked, for so long as that takes at most. */
#define CALL_RETRY_USEC    (50 * TQ_USEC_PER_MSEC) /* doubles up to a second */
#define CALL_PATIENCE_USEC (60 * TQ_USEC_PER_SEC)
int call_about_job(const Options *o, Call *c, const char *method, uint64_t job, const char *stream);
/* 0; -E2BIG, or why it can't be read. */
int input_read(const char *name, size_t max, TqBuffer *ret);
int call_table(Call *c, TqTable *ret);      /* call_send, call_read_table */
int call_read_table(Call *c, TqTable *ret); /* the answer is a table */
/* Asks page by page, until there is no more or `rows` are there. ask() appends the arguments. */
typedef int (*CallAsk)(Call *c, void *userdata, uint64_t from, uint32_t rows);
int call_pages(const Options *o, const char *method, CallAsk ask, void *userdata, uint64_t rows,
               TqTable *ret);
int fail(int code, const char *fmt, ...) TQ_PRINTF(2, 3);
int parse_job(const char *text, uint64_t *ret);

/* output.c */
typedef enum Format { FORMAT_TEXT, FORMAT_TIME, FORMAT_SPAN, FORMAT_SIZE } Format;
typedef struct Column {
        const char *name, *header;
        Format format;
} Column;
void output_table(const TqTable *t, const Column *columns, size_t n);
void output_record(const TqTable *t, size_t row, const Column *columns, size_t n);
void output_json(const TqTable *t, const char *schema, const char *key);
void output_json_rows(const TqTable *t, const char *key); /* "key":[…] */
void output_json_string(const char *s);
bool output_has_color(void);
int output_finish(void); /* an exit code: a full disk or closed pipe is a failure */

/* ps.c, limits.c, tenants.c: the tables behind the verbs */
int ps_list(const Options *o, const char *tenant, bool all, TqTable *ret);
void ps_print(const Options *o, const TqTable *t, bool all);
int limits_list(const Options *o, const char *target, TqTable *ret);
void limits_print(const TqTable *t);
int tenants_list(const Options *o, TqTable *ret);
void tenants_print(const TqTable *t);

/* submit.c */
int submit_bytes(const Options *o, const char *data, size_t size, uint64_t *ret_job);
/* wait.c: waits, prints nothing, and gives the job's row. With was_there a daemon has answered just
 * now: one that doesn't is waited for. */
int wait_for_job(const Options *o, uint64_t job, bool was_there, TqTable *ret);
int wait_exit_code(const TqTable *t);
/* logs.c: copies what there is to stdout and stderr. */
int logs_copy(const Options *o, uint64_t job, bool was_there);
