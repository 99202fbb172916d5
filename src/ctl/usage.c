/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* What a verb may be told, from the rows of the two tables. */

static bool has(OptionSet set, size_t id) {
        return set & UINT64_C(1) << id;
}

void usage_format(const Verb *v, char *buf, size_t size) {
        /* How data is printed is said once, not with each verb. */
        OptionSet shown = v->options & ~OPTIONS_TABLE;
        size_t n = (size_t)snprintf(buf, size, "%s", v->name);

        for (size_t i = 0; i < _OPTION_MAX && n < size; i++) {
                const OptionRow *row = &options_rows[i];

                if (!has(shown, i))
                        continue;
                n += (size_t)(row->letter ? snprintf(buf + n, size - n, " [-%c", row->letter)
                                          : snprintf(buf + n, size - n, " [--%s", row->name));
                if (n < size)
                        n += (size_t)snprintf(buf + n, size - n, "%s%s]%s", row->value ? " " : "",
                                              row->value ? row->value : "",
                                              row->type == TYPE_LIST ? "…" : "");
        }
        if (n < size && v->args[0] != '\0')
                (void)snprintf(buf + n, size - n, " %s", v->args);
}

static void print_options(FILE *f, OptionSet set) {
        char left[64];

        for (size_t i = 0; i < _OPTION_MAX; i++) {
                const OptionRow *row = &options_rows[i];

                if (!has(set, i))
                        continue;
                (void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s", row->letter ? '-' : ' ',
                               row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
                               row->value ? " " : "", row->value ? row->value : "");
                (void)fprintf(f, "  %s%*s%s\n", left, TQ_MAX(28 - output_width(left), 1), "",
                              row->help);
        }
}

static void print_verb(const Verb *v) {
        char text[512];

        usage_format(v, text, sizeof(text));
        (void)printf("Usage: tenantqctl %s\n\n", text);
        (void)printf("  %s\n\nOptions:\n", v->help);
        print_options(stdout, v->options | OPTIONS_GENERAL);
}

bool usage_print_verbs(const char *word, const char *argument) {
        size_t n = strlen(word);
        bool is_any = false;

        for (size_t i = 0; i < n_verbs; i++) {
                const char *name = verbs[i].name;

                if (strncmp(name, word, n) != 0 || (name[n] != '\0' && name[n] != ' ') ||
                    (name[n] == ' ' && argument && strcmp(name + n + 1, argument) != 0))
                        continue;
                if (is_any)
                        (void)putchar('\n');
                print_verb(&verbs[i]);
                is_any = true;
        }
        return is_any;
}

void usage_print(FILE *f) {
        char text[512];

        (void)fputs("Usage: tenantqctl [OPTION…] VERB …\n\n", f);
        for (size_t i = 0; i < n_verbs; i++) {
                usage_format(&verbs[i], text, sizeof(text));
                (void)fprintf(f, "  %s\n        %s\n", text, verbs[i].help);
        }
        (void)fputs("\nOptions:\n", f);
        print_options(f, ~UINT64_C(0));
        (void)fputs("\n`tenantqctl VERB --help` has those of a verb; tenantqctl(1) has the exit "
                    "codes.\n",
                    f);
}
