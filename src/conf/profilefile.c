/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/profilefile.h"

#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include "base/format.h"
#include "base/parse.h"

/* Text → TqProfile. One line, one fact:
 *
 *       rank = default            # what it may stand in for
 *       otherwise = absent        # what becomes of a call that is not named
 *       [allow]                   # or [deny], [absent], [kill]
 *       @files                    # all calls of a group
 *       read
 *       socket  arg0 = AF_NETLINK, arg2 = NETLINK_ROUTE
 *       -cachestat                # if the library knows it
 *
 * A call that is named by itself stands over the groups that it is in. Named in two sections, it is
 * an error: neither could win without a surprise. A profile with a rank is a job's, and allows
 * @launch too. */

#define NEW_NAMESPACES                                                                             \
        (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
         CLONE_NEWCGROUP)

#define GROUPS_MOST    32 /* that are proposed */
#define LAUNCH_GROUP   "@launch"
#define LINE_MAX_BYTES 511 /* without its comment and its blanks */

#define CONSTANT(name)                                                                             \
        { #name, (uint32_t)(name) }

static const struct {
        const char *name;
        uint32_t value;
} constants[] = {
        CONSTANT(AF_UNIX),
        CONSTANT(AF_INET),
        CONSTANT(AF_INET6),
        CONSTANT(AF_NETLINK),
        CONSTANT(NETLINK_ROUTE),
        CONSTANT(SOCK_STREAM),
        CONSTANT(SOCK_DGRAM),
        CONSTANT(SOCK_SEQPACKET),
        CONSTANT(SOCK_CLOEXEC),
        CONSTANT(SOCK_NONBLOCK),
        CONSTANT(NEW_NAMESPACES),
        CONSTANT(CLONE_THREAD),
        CONSTANT(ADDR_NO_RANDOMIZE),
        CONSTANT(TCGETS),
        CONSTANT(TIOCGPGRP),
        CONSTANT(TIOCGWINSZ),
        CONSTANT(FIONREAD),
        CONSTANT(FIONBIO),
        CONSTANT(FIOCLEX),
        CONSTANT(FIONCLEX),
        CONSTANT(FICLONE),
        CONSTANT(FICLONERANGE),
        CONSTANT(FS_IOC_GETFLAGS),
        CONSTANT(SECCOMP_IOCTL_NOTIF_RECV),
        CONSTANT(SECCOMP_IOCTL_NOTIF_SEND),
};

typedef struct Parser {
        TqProfile profile;
        size_t allocated;
        bool has_rank, has_otherwise;
        TqCallAction section; /* _TQ_CALL_INVALID: none yet */
        unsigned line;
        char read[LINE_MAX_BYTES + 2]; /* that line; empty: it is too long to be shown */
        TqError *err;
} Parser;

static int bad(const Parser *p, const char *expected) {
        char shown[100];

        if (!p->read[0])
                return tq_error_at(p->err, -EBADMSG, p->line, NULL, "expected %s", expected);
        return tq_error_at(p->err, -EBADMSG, p->line, NULL, "expected %s, not \"%s\"", expected,
                           tq_format_escape(p->read, shown, sizeof(shown)));
}

/* The text's next line, without its comment and its blanks, in buf: false at the end. */
static bool next_line(const char **text, char *buf, size_t size) {
        const char *line = *text;
        size_t n = strcspn(line, "\n"), used = strcspn(line, "\n#");

        if (*line == '\0')
                return false;
        *text = line + n + (line[n] == '\n');
        while (used > 0 && strchr(" \t\r", line[used - 1]))
                used--;
        while (used > 0 && strchr(" \t", *line)) {
                line++;
                used--;
        }
        (void)snprintf(buf, size, "%.*s", (int)TQ_MIN(used, size), line);
        return true;
}

static int parse_number(const char *s, uint32_t *ret) {
        unsigned long long v;
        char *end;

        errno = 0;
        v = strtoull(s, &end, s[0] == '0' && s[1] == 'x' ? 16 : 10);
        if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno > 0 || v > UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t)v;
        return 0;
}

static int parse_word(const char *w, uint32_t *ret) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(constants); i++)
                if (strcmp(constants[i].name, w) == 0) {
                        *ret = constants[i].value;
                        return 0;
                }
        return parse_number(w, ret);
}

/* NAME|NAME|NUMBER, and nothing else: a comma that is forgotten must not drop what follows. */
static int parse_value(const char *text, uint32_t *ret) {
        char words[256], *rest = words, *w;
        uint32_t value = 0;

        if ((size_t)snprintf(words, sizeof(words), "%s", text) >= sizeof(words))
                return -EINVAL;
        while ((w = strsep(&rest, "|"))) {
                uint32_t part;
                size_t n;

                w += strspn(w, " \t");
                n = strcspn(w, " \t");
                if (w[n + strspn(w + n, " \t")] != '\0')
                        return -EINVAL;
                w[n] = '\0';
                if (parse_word(w, &part) < 0)
                        return -EINVAL;
                value |= part;
        }
        *ret = value;
        return 0;
}

static int parse_condition(char *text, TqCallCondition *ret) {
        char *equals = strchr(text, '='), *mask;

        text += strspn(text, " \t");
        if (strncmp(text, "arg", 3) != 0 || text[3] < '0' || text[3] > '5' || !equals)
                return -EINVAL;
        *equals = '\0';
        *ret = (TqCallCondition){ .argument = (uint8_t)(text[3] - '0'), .mask = UINT32_MAX };
        mask = text + 4 + strspn(text + 4, " \t");
        if (*mask == '&' ? parse_value(mask + 1, &ret->mask) < 0 : *mask != '\0')
                return -EINVAL;
        if (parse_value(equals + 1, &ret->value) < 0)
                return -EINVAL;
        return ret->mask == 0 || ret->value & ~ret->mask ? -EINVAL : 0;
}

static bool same_argument(const TqCallRule *rule, uint8_t argument) {
        for (size_t i = 0; i < rule->n_conditions; i++)
                if (rule->conditions[i].argument == argument)
                        return true;
        return false;
}

static int parse_conditions(const Parser *p, char *text, TqCallRule *rule) {
        char *w;

        if (*text == '\0')
                return 0;
        while ((w = strsep(&text, ","))) {
                TqCallCondition c;

                if (parse_condition(w, &c) < 0)
                        return bad(p, "argN = VALUE or argN & MASK = VALUE, with N from 0 to 5 and "
                                      "32 bits of numbers or of names such as AF_UNIX");
                if (rule->n_conditions >= TQ_PROFILE_CONDITIONS || same_argument(rule, c.argument))
                        return bad(p, "at most 3 conditions, of different arguments");
                rule->conditions[rule->n_conditions++] = c;
        }
        return 0;
}

/* NAME [CONDITIONS] */
static int parse_rule(const Parser *p, const char *line, TqCallRule *ret) {
        char copy[LINE_MAX_BYTES + 1], *name = copy, *rest;
        size_t n;

        (void)snprintf(copy, sizeof(copy), "%s", line);
        *ret = (TqCallRule){ .action = p->section,
                             .line = p->line,
                             .may_be_unknown = copy[0] == '-' };
        name += ret->may_be_unknown;
        n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (n == 0 || n > TQ_CALL_NAME_MAX || (name[n] != '\0' && !strchr(" \t", name[n])))
                return bad(p, "the name of a system call or of a @group");
        rest = name + n + strspn(name + n, " \t");
        name[n] = '\0';
        (void)snprintf(ret->name, sizeof(ret->name), "%s", name);
        return parse_conditions(p, rest, ret);
}

static int add(Parser *p, const TqCallRule *rule) {
        if (p->profile.n_rules >= TQ_PROFILEFILE_RULES)
                return bad(p, "at most 2048 rules");
        if (p->profile.n_rules >= p->allocated) {
                size_t room = TQ_MAX(p->allocated * 2, (size_t)128);
                TqCallRule *bigger = reallocarray(p->profile.rules, room, sizeof(*bigger));

                if (!bigger)
                        return -ENOMEM;
                p->profile.rules = bigger;
                p->allocated = room;
        }
        p->profile.rules[p->profile.n_rules++] = *rule;
        return 0;
}

static int unknown_group(const Parser *p, const char *name) {
        const char *text = tq_profilefile_builtin("groups"), *names[GROUPS_MOST], *nearest;
        char line[LINE_MAX_BYTES + 1], rows[GROUPS_MOST][TQ_CALL_NAME_MAX + 1], expected[160];
        size_t n = 0;

        while (n < GROUPS_MOST && next_line(&text, line, sizeof(line))) {
                if (line[0] != '[')
                        continue;
                (void)snprintf(rows[n], sizeof(rows[n]), "%.*s", (int)strcspn(line + 1, "]"),
                               line + 1);
                names[n] = rows[n];
                n++;
        }
        nearest = tq_parse_nearest(name, names, n);
        (void)snprintf(expected, sizeof(expected),
                       "one of the groups that `tenantqctl profile show groups` lists%s%s",
                       nearest ? ", such as " : "", nearest ? nearest : "");
        return bad(p, expected);
}

/* Hands each rule of a group to a handler, as one that no line of the profile names. */
static int each_of_group(Parser *p, const char *name,
                         int (*handler)(Parser *p, const TqCallRule *rule)) {
        const char *text = tq_profilefile_builtin("groups");
        char head[64], line[LINE_MAX_BYTES + 1];
        bool is_in = false, is_found = false;
        int r = 0;

        (void)snprintf(head, sizeof(head), "[%s]", name);
        while (r >= 0 && next_line(&text, line, sizeof(line))) {
                TqCallRule rule;

                if (line[0] == '[') {
                        is_in = strcmp(line, head) == 0;
                        is_found |= is_in;
                } else if (is_in && line[0] != '\0') {
                        r = parse_rule(p, line, &rule);
                        rule.is_of_group = true;
                        if (r >= 0)
                                r = handler(p, &rule);
                }
        }
        if (r >= 0 && !is_found)
                return unknown_group(p, name);
        return r;
}

/* Whatever the profile says of it, tenantq-exec needs it: as an alternative to its conditions. */
static int add_of_launch(Parser *p, const TqCallRule *rule) {
        const TqProfile *f = &p->profile;

        for (size_t i = 0; i < f->n_rules; i++) {
                if (strcmp(f->rules[i].name, rule->name) != 0)
                        continue;
                if (f->rules[i].action != TQ_CALL_ALLOW)
                        return tq_error_at(p->err, -EBADMSG, f->rules[i].line, NULL,
                                           "%s must be allowed: tenantq-exec needs it to start a "
                                           "job",
                                           rule->name);
                if (f->rules[i].n_conditions == 0)
                        return 0;
        }
        return add(p, rule);
}

static int set_head(Parser *p, const char *line) {
        char key[16], value[32];
        int n = 0;

        if (sscanf(line, "%15[a-z] = %31s%n", key, value, &n) != 2 || /* NOLINT(cert-err34-c) */
            line[n] != '\0')
                return bad(p, "rank = NAME, otherwise = ACTION, or a section such as [allow]");
        if (strcmp(key, "rank") == 0 && !p->has_rank) {
                p->has_rank = true;
                p->profile.rank = tq_profile_rank_from_string(value);
                return p->profile.rank < 0
                               ? bad(p, "strict, no-network, default, debug or permissive")
                               : 0;
        }
        if (strcmp(key, "otherwise") == 0 && !p->has_otherwise) {
                p->has_otherwise = true;
                p->profile.otherwise = tq_profile_action_from_string(value);
                return p->profile.otherwise <= TQ_CALL_ALLOW ? bad(p, "deny, absent or kill") : 0;
        }
        return bad(p, "rank and otherwise, each once");
}

static int on_line(Parser *p, char *line) {
        TqCallRule rule;
        size_t n = strlen(line);
        int r;

        if (n == 0)
                return 0;
        if (line[0] == '[' && line[n - 1] == ']') {
                line[n - 1] = '\0';
                p->section = tq_profile_action_from_string(line + 1);
                return p->section < 0 ? bad(p, "[allow], [deny], [absent] or [kill]") : 0;
        }
        if (p->section < 0)
                return set_head(p, line);
        if (line[0] == TQ_CALL_GROUP)
                return each_of_group(p, line, add);
        r = parse_rule(p, line, &rule);
        return r < 0 ? r : add(p, &rule);
}

static int compare(const void *a, const void *b) {
        const TqCallRule *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        if (r != 0)
                return r;
        /* By itself before by a group, where all of it stands before a part; then as they stand. */
        if (x->is_of_group != y->is_of_group)
                return x->is_of_group ? 1 : -1;
        if (x->is_of_group)
                return (x->n_conditions > 0) - (y->n_conditions > 0);
        return x->line < y->line ? -1 : x->line > y->line;
}

/* Leaves of each call what counts. */
static int settle(Parser *p) {
        TqProfile *f = &p->profile;
        size_t n = 0;

        if (f->n_rules > 0)
                qsort(f->rules, f->n_rules, sizeof(*f->rules), compare);
        for (size_t i = 0; i < f->n_rules; i++) {
                const TqCallRule *rule = &f->rules[i], *first = n > 0 ? &f->rules[n - 1] : NULL;
                bool is_another = first && strcmp(first->name, rule->name) == 0;

                if (is_another && !first->is_of_group && rule->is_of_group)
                        continue;
                if (is_another && first->action != rule->action) {
                        p->line = rule->line;
                        return tq_error_at(p->err, -EBADMSG, rule->line, NULL,
                                           "%s stands in [%s] and in [%s]", rule->name,
                                           tq_profile_action_to_string(first->action),
                                           tq_profile_action_to_string(rule->action));
                }
                if (is_another && (first->n_conditions == 0 || rule->n_conditions == 0)) {
                        if (rule->is_of_group)
                                continue;
                        return tq_error_at(p->err, -EBADMSG, rule->line, NULL,
                                           "%s is named on line %u already, and one of both is "
                                           "without a condition",
                                           rule->name, first->line);
                }
                f->rules[n++] = *rule;
        }
        f->n_rules = n;
        return 0;
}

int tq_profilefile_parse(const char *name, const char *text, TqProfile *ret, TqError *err) {
        Parser p = { .profile.rank = _TQ_RANK_INVALID, .section = _TQ_CALL_INVALID, .err = err };
        char line[LINE_MAX_BYTES + 2]; /* one more, to see that it is too long */
        int r = 0;

        (void)snprintf(p.profile.name, sizeof(p.profile.name), "%s", name);
        while (r >= 0 && next_line(&text, line, sizeof(line))) {
                p.line++;
                memcpy(p.read, line, sizeof(line));
                if (strlen(line) > LINE_MAX_BYTES)
                        p.read[0] = '\0';
                r = strlen(line) > LINE_MAX_BYTES ? bad(&p, "lines of less than 512 bytes")
                                                  : on_line(&p, line);
        }
        if (r >= 0 && !p.has_otherwise)
                r = tq_error(err, -EBADMSG, "expected otherwise = deny, absent or kill");
        if (r >= 0)
                r = settle(&p);
        if (r >= 0 && p.has_rank) {
                p.section = TQ_CALL_ALLOW;
                r = each_of_group(&p, LAUNCH_GROUP, add_of_launch);
        }
        if (r < 0) {
                tq_profile_done(&p.profile);
                return r;
        }
        *ret = p.profile;
        return 0;
}
