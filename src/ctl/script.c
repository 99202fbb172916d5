/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/script.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/jobfile.h"
#include "conf/jobkeys.h"
#include "core/limits.h"
#include "ctl/jobtext.h"

/* The job carries the script's text, as it was when it was handed in: whoever changes the file
 * afterwards changes no job, and the job need not see the file. A shell writes it into the job's
 * own /tmp and becomes the interpreter. */

#define MARK "#TENANTQ"

static const char *const sections[] = { "Job", "Sandbox", "Retry", "Limits" };
#define N_SECTIONS TQ_ELEMENTSOF(sections)

/* What the script's comments say, by sections. */
typedef struct Part {
        TqBuffer text;
        unsigned *lines;
        size_t n;
} Part;

typedef struct Maker {
        Part parts[N_SECTIONS];
        unsigned key_line[TQ_JOBFILE_KEYS_MAX];
        bool has_name;
} Maker;

void script_done(Script *s) {
        tq_buffer_done(&s->text);
        free(s->lines);
        s->lines = NULL;
}

bool script_is(const TqBuffer *data) {
        size_t i = 2;

        if (data->size < 3 || memcmp(data->data, "#!", 2) != 0)
                return false;
        while (i < data->size && (data->data[i] == ' ' || data->data[i] == '\t'))
                i++;
        return i < data->size && data->data[i] == '/';
}

static int add_line(unsigned **lines, size_t *n, unsigned line) {
        unsigned *grown = reallocarray(*lines, *n + 1, sizeof(**lines));

        if (!grown)
                return -ENOMEM;
        grown[(*n)++] = line;
        *lines = grown;
        return 0;
}

static int unknown_key(const char *key, unsigned line, TqError *err) {
        const char *names[TQ_JOBFILE_KEYS_MAX + _TQ_KEY_MAX], *nearest;
        size_t n = 0;

        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                names[n++] = tq_jobfile_keys[i].key;
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (tq_limits_keys[i].scopes & TQ_SCOPE_JOB)
                        names[n++] = tq_limits_keys[i].name;
        nearest = tq_parse_nearest(key, names, n);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key%s%s%s",
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

/* Twice, in the script's own lines; the parser knows others. */
static int check_once(Maker *m, const char *key, unsigned line, TqError *err) {
        for (size_t i = 0; i < tq_jobfile_n_keys; i++) {
                if (strcmp(tq_jobfile_keys[i].key, key) != 0)
                        continue;
                if (m->key_line[i] > 0 && !tq_jobfile_keys[i].is_repeatable)
                        return tq_error_at(err, -EBADMSG, line, key,
                                           "given twice; first on line %u", m->key_line[i]);
                m->key_line[i] = line;
        }
        return 0;
}

static int add_word(Maker *m, char *word, unsigned line, TqError *err) {
        char *value = strchr(word, '=');
        const char *section;
        int r;

        if (!value || value == word)
                return tq_error_at(err, -EBADMSG, line, NULL, "\"%.100s\": expected KEY=VALUE",
                                   word);
        *value++ = '\0';
        section = tq_jobfile_section(word);
        if (!section)
                return unknown_key(word, line, err);
        if (strcmp(word, "ExecStart") == 0)
                return tq_error_at(err, -EBADMSG, line, word, "it is the script");
        if (!jobtext_is_plain(value))
                return tq_error_at(err, -EBADMSG, line, word,
                                   "expected a value that is a line's worth of text");
        m->has_name |= strcmp(word, "Name") == 0;
        r = check_once(m, word, line, err);
        for (size_t i = 0; r >= 0 && i < N_SECTIONS; i++)
                if (strcmp(sections[i], section) == 0) {
                        tq_buffer_printf(&m->parts[i].text, "%s=%s\n", word, value);
                        r = add_line(&m->parts[i].lines, &m->parts[i].n, line);
                }
        return r;
}

static int add_words(Maker *m, const char *text, unsigned line, TqError *err) {
        TQ_FREE char **words = NULL;
        size_t n;
        int r = tq_parse_words(text, TQ_JOBFILE_KEYS_MAX, &words, &n);

        if (r == -EINVAL)
                return tq_error_at(err, -EBADMSG, line, NULL,
                                   "expected KEY=VALUE words, quoted as in a job file");
        if (r == -ERANGE)
                return tq_error_at(err, -EBADMSG, line, NULL, "expected at most %d words",
                                   TQ_JOBFILE_KEYS_MAX);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_word(m, words[i], line, err);
        return r;
}

/* Up to the first line that is neither blank nor a comment, as others do: what a script prints, or
 * a heredoc has, is no word to us. *s moves to the next line. */
static int read_comments(Maker *m, const char *s, TqError *err) {
        int r = 0;

        for (unsigned line = 1; r >= 0 && *s; line++) {
                size_t length = strcspn(s, "\n"), blank = strspn(s, " \t"), mark = strlen(MARK);
                TQ_FREE char *copy = NULL;

                if (blank < length && s[blank] != '#')
                        break;
                if (strncmp(s, MARK, mark) == 0 && (s[mark] == ' ' || s[mark] == '\t')) {
                        copy = strndup(s + mark, length - mark);
                        r = copy ? add_words(m, copy, line, err) : -ENOMEM;
                }
                s += length + (s[length] == '\n');
        }
        return r;
}

/* The interpreter, and what follows it as one word, as the kernel has it. */
static int append_interpreter(const char *s, TqBuffer *b, TqError *err) {
        TQ_FREE char *line = strndup(s + 2, strcspn(s + 2, "\n"));
        char *path, *end, *rest;

        if (!line)
                return -ENOMEM;
        end = line + strlen(line);
        while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = '\0';
        path = line + strspn(line, " \t");
        rest = path + strcspn(path, " \t");
        if (*rest)
                *rest++ = '\0';
        rest += strspn(rest, " \t");
        if (!jobtext_is_plain(path) || (*rest && !jobtext_is_plain(rest)))
                return tq_error_at(err, -EBADMSG, 1, NULL,
                                   "expected #!/path/to/interpreter, and at most one argument");
        jobtext_append_quoted(b, path);
        tq_buffer_append_string(b, " ");
        if (*rest) {
                jobtext_append_quoted(b, rest);
                tq_buffer_append_string(b, " ");
        }
        return 0;
}

/* [Job] with the command, then what the comments say. */
static int compose(const char *file, const char *text, const Maker *m, Script *s, TqError *err) {
        const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
        TQ_BUFFER_CLEANUP TqBuffer path = {};
        int r;

        if (strcmp(name, "-") == 0 || !jobtext_is_plain(name) || strlen(name) > TQ_JOB_NAME_MAX)
                name = "script";
        tq_buffer_printf(&path, "/tmp/%s", name);
        if (!tq_buffer_string(&path))
                return -ENOMEM;
        tq_buffer_append_string(&s->text, "[Job]\nExecStart=");
        jobtext_append_file(&s->text, text, path.data);
        r = append_interpreter(text, &s->text, err);
        jobtext_append_quoted(&s->text, path.data);
        tq_buffer_append_string(&s->text, "\n");
        if (!m->has_name)
                tq_buffer_printf(&s->text, "Name=%s\n", name);
        for (int i = 0; r >= 0 && i < (m->has_name ? 3 : 4); i++)
                r = add_line(&s->lines, &s->n_lines, 0);
        for (size_t i = 0; r >= 0 && i < N_SECTIONS; i++) {
                const Part *p = &m->parts[i];

                if (i > 0 && p->n > 0) {
                        tq_buffer_printf(&s->text, "[%s]\n", sections[i]);
                        r = add_line(&s->lines, &s->n_lines, 0);
                }
                tq_buffer_append(&s->text, p->text.data, p->text.size);
                for (size_t k = 0; r >= 0 && k < p->n; k++)
                        r = add_line(&s->lines, &s->n_lines, p->lines[k]);
        }
        return r < 0 ? r : tq_buffer_error(&s->text);
}

int script_compose(const char *file, TqBuffer *data, Script *ret, TqError *err) {
        SCRIPT_CLEANUP Script s = {};
        Maker m = {};
        int r = 0;

        if (memchr(data->data, '\0', data->size))
                return tq_error(err, -EBADMSG, "a script has no bytes of 0");
        if (!tq_buffer_string(data))
                return -ENOMEM;
        r = read_comments(&m, data->data, err);
        if (r >= 0)
                r = compose(file, data->data, &m, &s, err);
        for (size_t i = 0; i < N_SECTIONS; i++) {
                r = r < 0 ? r : tq_buffer_error(&m.parts[i].text);
                tq_buffer_done(&m.parts[i].text);
                free(m.parts[i].lines);
        }
        if (r >= 0 && s.text.size > TQ_JOB_FILE_MAX)
                return tq_error(err, -E2BIG,
                                "as a job file it takes %zu bytes: expected at most %d",
                                s.text.size, TQ_JOB_FILE_MAX);
        if (r < 0)
                return r;
        *ret = s;
        s = (Script){};
        return 0;
}
