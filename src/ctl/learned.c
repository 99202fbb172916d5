/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/learned.h"

#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "conf/profilefile.h"

/* An audit tells the names of calls, and of no arguments: clone3() for a thread and for a user
 * namespace look alike. So what was seen says what a program wants, never what it may have: that is
 * what `default` allows, under the conditions that it has there. A call beyond it is a person's to
 * allow. */

#define CALL_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

static int parse_builtin(TqProfileRank rank, TqProfile *ret) {
        const char *name = tq_profile_rank_to_string(rank);

        return tq_profilefile_parse(name, tq_profilefile_builtin(name), ret, NULL);
}

static const TqCallRule *find_rule(const TqProfile *p, const char *name) {
        for (size_t i = 0; i < p->n_rules; i++)
                if (strcmp(p->rules[i].name, name) == 0)
                        return &p->rules[i];
        return NULL;
}

static bool is_allowed(const TqProfile *p, const char *name) {
        const TqCallRule *rule = find_rule(p, name);

        return rule && rule->action == TQ_CALL_ALLOW;
}

/* The call that a line of a profile names by itself; empty: a comment, a group, a section or
 * `rank = …`. */
static const char *call_of(const char *line, char *buf, size_t size) {
        const char *word = line + strspn(line, " \t");
        size_t n, blanks;

        word += *word == '-';
        n = strspn(word, CALL_LETTERS);
        blanks = strspn(word + n, " \t");
        if (word[n + blanks] == '=' || n >= size)
                n = 0;
        memcpy(buf, word, n);
        buf[n] = '\0';
        return buf;
}

/* The next of the names, in buf; false: there is no more. What has no name is two words: `number
 * 999`. */
static bool next_call(const char **calls, char *buf, size_t size) {
        const char *p = *calls + strspn(*calls, " ");
        size_t n = strcspn(p, " ");

        if (n == 0)
                return false;
        if (strncmp(p, "number ", 7) == 0)
                n = 7 + strcspn(p + 7, " ");
        *calls = p + n;
        n = TQ_MIN(n, size - 1);
        memcpy(buf, p, n);
        buf[n] = '\0';
        return true;
}

static bool is_among(const char *calls, const char *name) {
        char call[TQ_CALL_NAME_MAX + 1];

        while (next_call(&calls, call, sizeof(call)))
                if (strcmp(call, name) == 0)
                        return true;
        return false;
}

/* The profile without what its author says of it at its head, and without what is learned now. */
static void add_base(const char *base, const char *calls, const TqProfile *measure, TqBuffer *ret) {
        bool is_head = true;
        size_t n;

        for (; *base; base += n + (base[n] == '\n')) {
                char line[512], name[TQ_CALL_NAME_MAX + 1];

                n = strcspn(base, "\n");
                is_head = is_head && (base[0] == '#' || n == 0);
                if (is_head)
                        continue;
                (void)snprintf(line, sizeof(line), "%.*s", (int)TQ_MIN(n, sizeof(line) - 1), base);
                (void)call_of(line, name, sizeof(name));
                if (!name[0] || !is_among(calls, name) || !is_allowed(measure, name)) {
                        tq_buffer_append(ret, base, n);
                        tq_buffer_append_string(ret, "\n");
                }
        }
}

/* Those lines of `default` that name the call; false: it has it by a group, as a whole. */
static bool add_as_default(const char *name, TqBuffer *ret) {
        const char *text = tq_profilefile_builtin(TQ_PROFILE_DEFAULT);
        bool is_found = false;
        size_t n;

        for (; *text; text += n + (text[n] == '\n')) {
                char line[512], call[TQ_CALL_NAME_MAX + 1];

                n = strcspn(text, "\n");
                (void)snprintf(line, sizeof(line), "%.*s", (int)TQ_MIN(n, sizeof(line) - 1), text);
                if (strcmp(call_of(line, call, sizeof(call)), name) != 0 || call[0] == '\0')
                        continue;
                tq_buffer_printf(ret, "%s\n", line);
                is_found = true;
        }
        return is_found;
}

static int why_not(const char *name, TqBuffer *ret) {
        const char *why = "no profile of tenantq has it";

        if (strcmp(name, "clone3") == 0)
                why = "its flags, new namespaces too, are behind a pointer; without it programs "
                      "take clone";
        else if (strncmp(name, "number ", 7) == 0)
                why = "it has no name";
        for (int rank = TQ_RANK_DEFAULT + 1; rank < _TQ_RANK_MAX; rank++) {
                TQ_CLEANUP(tq_profile_done) TqProfile p = {};
                int r = parse_builtin((TqProfileRank)rank, &p);

                if (r < 0)
                        return r;
                if (is_allowed(&p, name)) {
                        tq_buffer_printf(ret, "# %s: not allowed: default refuses it, %s has it\n",
                                         name, tq_profile_rank_to_string((TqProfileRank)rank));
                        return 0;
                }
        }
        tq_buffer_printf(ret, "# %s: not allowed: %s\n", name, why);
        return 0;
}

int learned_format(const char *name, const char *base, const char *calls, const char *command,
                   TqBuffer *ret) {
        TQ_CLEANUP(tq_profile_done) TqProfile measure = {};
        char shown[512], call[TQ_CALL_NAME_MAX + 1];
        int left_out = 0, r = parse_builtin(TQ_RANK_DEFAULT, &measure);

        if (r < 0)
                return r;
        tq_buffer_printf(ret,
                         "# %s, and what %s needed beyond it (tenantqctl profile learn): look at "
                         "it before it is used.\n\n",
                         name, tq_format_shown(command, shown, sizeof(shown)));
        add_base(base, calls, &measure, ret);
        tq_buffer_append_string(ret, "\n[allow]\n");
        while (r >= 0 && next_call(&calls, call, sizeof(call))) {
                if (!is_allowed(&measure, call)) {
                        left_out++;
                        r = why_not(call, ret);
                } else if (!add_as_default(call, ret))
                        tq_buffer_printf(ret, "%s\n", call);
        }
        if (r >= 0)
                r = tq_buffer_error(ret);
        return r < 0 ? r : left_out;
}

/* Dangers --------------------------------------------------------------------------------------
 */

static bool is_danger(const TqProfile *measure, const TqCallRule *rule) {
        const TqCallRule *ours = find_rule(measure, rule->name);

        return rule->action == TQ_CALL_ALLOW && rule->n_conditions == 0 &&
               (!ours || ours->action != TQ_CALL_ALLOW || ours->n_conditions > 0);
}

int learned_danger(const TqProfile *p, size_t i, LearnedDanger *ret) {
        TQ_CLEANUP(tq_profile_done) TqProfile measure = {};
        unsigned last = 0;
        size_t n = 0;
        int r = parse_builtin(TQ_RANK_PERMISSIVE, &measure);

        if (r < 0)
                return r;
        /* Line by line: the rules stand in the order of their names. */
        for (;;) {
                LearnedDanger found = {};

                for (size_t k = 0; k < p->n_rules; k++) {
                        const TqCallRule *rule = &p->rules[k];

                        if (rule->line <= last || !is_danger(&measure, rule))
                                continue;
                        if (!found.name || rule->line < found.line)
                                found = (LearnedDanger){ .name = rule->name, .line = rule->line };
                        else if (rule->line == found.line)
                                found.more++;
                }
                if (!found.name)
                        return 0;
                last = found.line;
                if (n++ == i) {
                        *ret = found;
                        return 1;
                }
        }
}
