/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <systemd/sd-bus.h>

#include "base/buffer.h"
#include "core/table.h"
#include "ctl/fail.h"
#include "ctl/options.h"
#include "ipc/control.h"

/* What the verbs share. */

/* export.c */
int export_get(const Options *o, char **ret); /* the text; the caller frees it */
/* call.c: connections and calls. Errors are said on stderr and returned as exit codes (> 0). */
typedef struct Call {
        const Options *options;
        const char *subject; /* what it is about, of several; NULL: that is known */
        const char *about;   /* the file that is sent; empty: a text of our own; NULL: none */
        /* That is made of the file: the file's line for each of the n_lines of it, 0: none. */
        const unsigned *lines;
        size_t n_lines;
        sd_bus *bus;
        sd_bus_message *request, *reply;
        /* Called from time to time while an answer is waited for; NULL: nothing is. */
        void (*meanwhile)(void *data);
        void *meanwhile_data;
        unsigned silent; /* bits of TqControlError: that it is one of these is not said */
        sd_bus_error error;
} Call;
void call_done(Call *c);
#define CALL_CLEANUP TQ_CLEANUP(call_done)
int call_open(const Options *o, Call *c, const char *method);
/* Why, and whether only to try: the last arguments of what changes something. */
int call_append_intent(Call *c);
/* Says what an answer is that is an error; its exit code. */
int call_fail(const Call *c, const sd_bus_error *e);
int call_send(Call *c);                      /* waits as long as it takes */
int call_again(Call *c, const char *method); /* another method on the same connection */
/* What it came to, other than 0. */
bool call_failed_as(const Call *c, TqControlError e);
/* Asks (job), or (job, stream), what can be asked twice; when the daemon goes away meanwhile, the
 * next one is asked, for so long as that takes at most. */
#define CALL_RETRY_USEC     (50 * TQ_USEC_PER_MSEC) /* doubles up to a second */
#define CALL_PATIENCE_USEC  (60 * TQ_USEC_PER_SEC)
#define CALL_MEANWHILE_USEC (2 * TQ_USEC_PER_SEC)
int call_about_job(const Options *o, Call *c, const char *method, uint64_t job, const char *stream);
/* The same with n texts. */
int call_with_texts(const Options *o, Call *c, const char *method, const char *const texts[],
                    size_t n, bool has_intent);
/* What is asked by the way: once, and nothing is said of what fails. */
#define CALL_QUIET_USEC (10 * TQ_USEC_PER_SEC)
bool call_quietly(const Options *o, const char *method, TqTable *ret);
/* 0; -E2BIG, or why it can't be read. */
int input_read(const char *name, size_t max, TqBuffer *ret);
/* Runs fn beside the caller, which is not waited for; signals are the caller's. 0; an exit code. */
int thread_start(void *(*fn)(void *data), void *data);
int call_table(Call *c, TqTable *ret);      /* call_send, call_read_table */
int call_read_table(Call *c, TqTable *ret); /* the answer is a table */
/* Asks page by page, until there is no more or `rows` are there. ask() appends the arguments. */
typedef int (*CallAsk)(Call *c, void *userdata, uint64_t from, uint32_t rows);
int call_pages(const Options *o, const char *method, CallAsk ask, void *userdata, uint64_t rows,
               TqTable *ret);
/* The same, of rows that are wanted; the daemon is asked for as many as it gives. */
typedef bool (*CallKeep)(void *userdata, const TqTable *page, size_t row);
int call_pages_of(const Options *o, const char *method, CallAsk ask, CallKeep keep, void *userdata,
                  uint64_t rows, TqTable *ret);
int parse_job(const char *text, uint64_t *ret);
/* Prints what a key, a reason or a kind of event means. An exit code. */
int explain_key(const char *word);
bool is_job(const char *text); /* else a target: no tenant is called by digits alone */

/* output.c */
/* Those of the columns that are known, one a line. */
void output_record(const TqTable *t, size_t row, const char *const columns[], size_t n);
void output_json(const TqTable *t, const char *schema, const char *key);
void output_json_rows(const TqTable *t, const char *key); /* "key":[…] */
void output_json_row(const TqTable *t, size_t row);       /* {…}; the table has columns */
void output_json_string(const char *s);
/* A text of a tenant's for a terminal: control characters, but for line feeds and tabulators, as
 * \xHH. Returns how many bytes at its end may be the beginning of a character: not printed. */
size_t output_safe(FILE *to, const char *data, size_t size);
void output_look(Options *o);    /* fills in width and has_color */
int output_width(const char *s); /* columns of a terminal */
int output_terminal_width(void); /* of standard output; 0: it is none */
/* What is said beside a table; not if only its rows are wanted. */
void output_remark(const Options *o, const char *fmt, ...) TQ_PRINTF(2, 3);
int output_finish(void); /* an exit code: a full disk or closed pipe is a failure */
/* As head(1) would have it: we end when nobody reads standard output any more, also while there is
 * nothing to write. 0; an exit code. */
int output_end_with_reader(void);

/* ps.c, limits.c, tenants.c: the tables behind the verbs */
int ps_list(const Options *o, const char *tenant, bool all, TqTable *ret);
int ps_print(const Options *o, const TqTable *t, bool all);
int limits_list(const Options *o, const char *target, TqTable *ret);
int limits_print(const Options *o, const TqTable *t);
/* The value of that option, NULL: none, which is 0. 0, or an exit code, and it is said. */
int limits_read_span(const char *option, const char *text, uint64_t *ret);
#define LIMITS_WATCHED "looked after for %s; tenantqctl events --kind rollout says what comes of it"
/* What became of a change, a line each. */
void limits_print_change(const Options *o, const TqTable *t, bool is_trial);
/* argv: target, KEY=VALUE. Prints errors only. */
int limits_change(const Options *o, char *argv[]);
/* argv: target, KEY… and NULL. The same. */
int limits_take_back(const Options *o, char *argv[]);
int tenants_list(const Options *o, TqTable *ret);
void tenants_keep(TqTable *t, const char *name); /* drops the rows of the others */
int tenants_print(const Options *o, const TqTable *t);

/* submit.c; file: what an error is about, as in Call */
/* The call that was made ready; its answer is that of a submission. A trial is not printed. */
int submit_send(const Options *o, Call *c, uint64_t *ret_job);
/* What the daemon says to it: in the answer, or in a signal before that. */
int submit_read(const Options *o, const Call *c, sd_bus_message *m, uint64_t *ret_job);
int submit_print(const Options *o, uint64_t job);
/* Prints what a trial says. */
int submit_bytes(const Options *o, const char *file, const char *data, size_t size,
                 uint64_t *ret_job);
/* feed.c: the same of a job with StandardInput=client, which then is fed with ours, beside what the
 * caller does. */
int feed_submit(const Options *o, const char *data, size_t size, uint64_t *ret_job);
/* Our input could not be read to its end, and that was said. */
bool feed_has_failed(void);
/* run.c: a command line as a job */
int run_submit(const Options *o, int argc, char *argv[], uint64_t *ret_job);
/* status.c: a job with its attempts; host and pools */
int pools_list(const Options *o, TqTable *ret);
int status_show_job(const Options *o, uint64_t job);
/* ledger.c: the daemon's, by a copy, or the one in a file; an exit code. */
typedef struct TqSnapshot TqSnapshot;
int ledger_open(const Options *o, const char *file, TqSnapshot **ret);
/* What it is called in a sentence. */
const char *ledger_name(const char *file, char *buf, size_t size);
/* The copy that the daemon has handed out. */
int ledger_ask(const Options *o, int *ret_fd);
/* ledger_export.c: prints what it has, or what it has of the tenants of a name. */
int ledger_export(const Options *o, const char *file, const char *tenant);
/* logs.c: copies to stdout and stderr what there is; or (unless data is wanted, --json) all that
 * comes until the job, which we have handed in, has ended: its row, or none if we leave before. */
int logs_attend(const Options *o, uint64_t job, TqTable *ret);
int logs_copy(const Options *o, uint64_t job, bool was_there);
