/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/verbs.h"

/* For bash(1) and zsh(1): the tables of verbs, options and limits as arrays, and a function that
 * reads them. The names of tenants and the numbers of jobs are asked of the daemon when they are
 * wanted; no answer is ever expanded by the shell. */

static const char bash[] =
        "\n"
        "# _tenantqctl_words KIND CURRENT: what a value or argument of that kind may be.\n"
        "_tenantqctl_words() {\n"
        "    local kind\n"
        "    for kind in ${1//|/ }; do\n"
        "        case \"${kind%\\*}\" in\n"
        "        TENANT) tenantqctl tenants --noheadings -o tenant 2>/dev/null ;;\n"
        "        TARGET) echo host; tenantqctl tenants --noheadings -o tenant 2>/dev/null ;;\n"
        "        JOB) tenantqctl ps --noheadings -o job 2>/dev/null ;;\n"
        "        FILE | PATH) compgen -f -- \"$2\" ;;\n"
        "        DIR) compgen -d -- \"$2\" ;;\n"
        "        CMD) compgen -c -- \"$2\" ;;\n"
        "        POLICY) printf '%s\\n' fair round-robin fifo ;;\n"
        "        FIELD=VALUE) printf '%s=\\n' \"${_tenantqctl_fields[@]}\" ;;\n"
        "        STATE*) printf '%s\\n' \"${_tenantqctl_states[@]}\" ;;\n"
        "        KEY) printf '%s\\n' \"${_tenantqctl_keys[@]}\" ;;\n"
        "        KEY=VALUE) printf '%s=\\n' \"${_tenantqctl_keys[@]}\" ;;\n"
        "        [a-z]*) printf '%s\\n' \"$kind\" ;;\n"
        "        esac\n"
        "    done\n"
        "}\n"
        "\n"
        "# _tenantqctl_verbs BEGUN: the words that go on from there.\n"
        "_tenantqctl_verbs() {\n"
        "    local verb\n"
        "    for verb in \"${!_tenantqctl_args[@]}\"; do\n"
        "        [[ $verb != \"$1\"* ]] || { verb=${verb#\"$1\"} && echo \"${verb%% *}\"; }\n"
        "    done\n"
        "}\n"
        "\n"
        "_tenantqctl() {\n"
        "    local verb='' kind='' word i n=0\n"
        "    local -a args\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        if [[ -n ${_tenantqctl_values[$word]-} ]]; then\n"
        "            ((++i < COMP_CWORD)) || kind=${_tenantqctl_values[$word]}\n"
        "        elif [[ $word == -* ]]; then\n"
        "            continue\n"
        "        elif [[ -z $verb ]]; then\n"
        "            verb=$word\n"
        "        elif [[ -z ${_tenantqctl_args[$verb]+is} ]]; then\n"
        "            verb+=\" $word\"\n"
        "        else\n"
        "            ((++n))\n"
        "        fi\n"
        "    done\n"
        "    if [[ -z $kind && -n ${_tenantqctl_args[${verb:-?}]-} ]]; then\n"
        "        read -ra args <<<\"${_tenantqctl_args[$verb]}\"\n"
        "        kind=${args[n]-}\n"
        "        [[ -n $kind || ${args[-1]} != *\\* ]] || kind=${args[-1]}\n"
        "    fi\n"
        "    COMPREPLY=()\n"
        "    while IFS= read -r word; do\n"
        "        [[ $word != \"$2\"* ]] || COMPREPLY+=(\"$word\")\n"
        "    done < <(\n"
        "        if [[ $2 == -* ]]; then\n"
        "            printf '%s\\n' ${_tenantqctl_options[${verb:-?}]-${_tenantqctl_options[?]}}\n"
        "        elif [[ -n $kind ]]; then\n"
        "            _tenantqctl_words \"$kind\" \"$2\"\n"
        "        elif [[ -z ${_tenantqctl_args[${verb:-?}]+is} ]]; then\n"
        "            _tenantqctl_verbs \"${verb:+$verb }\" | sort -u\n"
        "        fi\n"
        "    )\n"
        "    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
        "    [[ ${kind%\\*} != @(FILE|PATH|DIR) ]] || compopt -o filenames\n"
        "    return 0\n"
        "}\n"
        "complete -F _tenantqctl tenantqctl";

static const char zsh[] =
        "\n"
        "_tenantqctl_kind() {\n"
        "    local kind\n"
        "    local -a found\n"
        "    for kind in ${(s:|:)1}; do\n"
        "        case ${kind%\\*} in\n"
        "        TENANT) found=(${(f)\"$(tenantqctl tenants --noheadings -o tenant "
        "2>/dev/null)\"}) ;;\n"
        "        TARGET) found=(host ${(f)\"$(tenantqctl tenants --noheadings -o tenant "
        "2>/dev/null)\"}) ;;\n"
        "        JOB) found=(${(f)\"$(tenantqctl ps --noheadings -o job 2>/dev/null)\"}) ;;\n"
        "        FILE | PATH) _files; continue ;;\n"
        "        DIR) _files -/; continue ;;\n"
        "        CMD) _command_names -e; continue ;;\n"
        "        POLICY) found=(fair round-robin fifo) ;;\n"
        "        FIELD=VALUE) compadd -S = -a _tenantqctl_fields; continue ;;\n"
        "        STATE*) found=($_tenantqctl_states) ;;\n"
        "        KEY) found=($_tenantqctl_keys) ;;\n"
        "        KEY=VALUE) compadd -S = -a _tenantqctl_keys; continue ;;\n"
        "        [a-z]*) found=($kind) ;;\n"
        "        *) continue ;;\n"
        "        esac\n"
        "        compadd -a found\n"
        "    done\n"
        "}\n"
        "\n"
        "_tenantqctl() {\n"
        "    local verb= kind= word any='?'\n"
        "    local -i i n=0\n"
        "    local -a args found\n"
        "    for ((i = 2; i < CURRENT; i++)); do\n"
        "        word=${words[i]}\n"
        "        if [[ -n ${_tenantqctl_values[$word]-} ]]; then\n"
        "            ((++i < CURRENT)) || kind=${_tenantqctl_values[$word]}\n"
        "        elif [[ $word == -* ]]; then\n"
        "            continue\n"
        "        elif [[ -z $verb ]]; then\n"
        "            verb=$word\n"
        "        elif ((!${+_tenantqctl_args[$verb]})); then\n"
        "            verb+=\" $word\"\n"
        "        else\n"
        "            ((++n))\n"
        "        fi\n"
        "    done\n"
        "    if [[ -z $kind && -n $verb && -n ${_tenantqctl_args[$verb]-} ]]; then\n"
        "        args=(${=_tenantqctl_args[$verb]})\n"
        "        kind=${args[n + 1]-}\n"
        "        [[ -n $kind || ${args[-1]} != *\\* ]] || kind=${args[-1]}\n"
        "    fi\n"
        "    if [[ $PREFIX == -* ]]; then\n"
        "        found=(${=_tenantqctl_options[${verb:-$any}]-${_tenantqctl_options[$any]}})\n"
        "        compadd -a found\n"
        "    elif [[ -n $kind ]]; then\n"
        "        _tenantqctl_kind $kind\n"
        "    elif [[ -z $verb ]] || ((!${+_tenantqctl_args[$verb]})); then\n"
        "        found=(${(M)${(k)_tenantqctl_args}:#${verb:+$verb }*})\n"
        "        found=(${${found#${verb:+$verb }}%% *})\n"
        "        compadd -a found\n"
        "    fi\n"
        "}\n"
        "\n"
        "# Found by compinit in fpath, or read by hand.\n"
        "if [[ ${funcstack[1]-} == _tenantqctl ]]; then\n"
        "    _tenantqctl \"$@\"\n"
        "else\n"
        "    compdef _tenantqctl tenantqctl\n"
        "fi";

/* "JOB|TENANT" of "[JOB|TENANT]", "TENANT" of "TENANT[/QUEUE]", "KEY=VALUE*" of "KEY=VALUE…". */
static void print_args(const char *args) {
        for (const char *s = args; *s; s++)
                if (strncmp(s, "[/", 2) == 0)
                        s += strcspn(s, "]");
                else if (strncmp(s, "…", strlen("…")) == 0) {
                        (void)putchar('*');
                        s += strlen("…") - 1;
                } else if (*s != '[' && *s != ']')
                        (void)putchar(*s);
}

static void print_options(OptionSet set) {
        for (size_t i = 0; i < _OPTION_MAX; i++)
                if (set & UINT64_C(1) << i) {
                        const OptionRow *row = &options_rows[i];

                        if (row->letter)
                                (void)printf("-%c ", row->letter);
                        (void)printf("--%s ", row->name);
                }
}

static void print_values(void) {
        for (size_t i = 0; i < _OPTION_MAX; i++) {
                const OptionRow *row = &options_rows[i];

                if (!row->value)
                        continue;
                if (row->letter)
                        (void)printf("    [-%c]='%s'\n", row->letter, row->value);
                (void)printf("    [--%s]='%s'\n", row->name, row->value);
        }
}

static void print_words(const char *name, const char *(*at)(size_t i)) {
        (void)printf("declare -ga %s=(", name);
        for (size_t i = 0; at(i); i++)
                (void)printf("%s%s", i > 0 ? " " : "", at(i));
        (void)puts(")");
}

static const char *key_at(size_t i) {
        return i < _TQ_KEY_MAX ? tq_limits_keys[i].name : NULL;
}

int verb_completion(const Options *o, int argc, char *argv[]) {
        bool is_zsh = strcmp(argv[0], "zsh") == 0;

        (void)o;
        (void)argc;
        if (!is_zsh && strcmp(argv[0], "bash") != 0)
                return fail(TQ_EXIT_USAGE, "completion \"%s\": expected bash or zsh", argv[0]);
        (void)printf("%s# Made by `tenantqctl completion %s`.\n\n"
                     "declare -gA _tenantqctl_args=(\n",
                     is_zsh ? "#compdef tenantqctl\n" : "", argv[0]);
        for (size_t i = 0; i < n_verbs; i++) {
                /* What ends the options is no argument. */
                bool has_dashes = strncmp(verbs[i].args, "-- ", 3) == 0;

                (void)printf("    ['%s']='", verbs[i].name);
                print_args(verbs[i].args + (has_dashes ? 3 : 0));
                (void)puts("'");
        }
        (void)puts(")\ndeclare -gA _tenantqctl_options=(");
        for (size_t i = 0; i < n_verbs; i++) {
                (void)printf("    ['%s']='", verbs[i].name);
                print_options(verbs[i].options | OPTIONS_GENERAL);
                (void)puts("'");
        }
        (void)fputs("    ['?']='", stdout);
        print_options(OPTIONS_GENERAL | WITH(JSON));
        (void)puts("'\n)\ndeclare -gA _tenantqctl_values=(");
        print_values();
        (void)puts(")");
        print_words("_tenantqctl_keys", key_at);
        print_words("_tenantqctl_fields", filters_field);
        print_words("_tenantqctl_states", filters_state);
        (void)puts(is_zsh ? zsh : bash);
        return 0;
}
