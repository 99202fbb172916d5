/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/profilefile.h"

/* The files of conf/profiles as they are, each terminated (as(1), .incbin): a service without its
 * profiles could start no job. Paths are from the top of the tree, where make(1) runs. */

/* NOLINTBEGIN(bugprone-macro-parentheses): `symbol` declares a variable */
#define TEXT(symbol, file)                                                                         \
        extern const char symbol[];                                                                \
        __asm__(".section .rodata\n"                                                               \
                ".globl " #symbol "\n"                                                             \
                ".hidden " #symbol "\n" #symbol ":\n"                                              \
                ".incbin \"conf/profiles/" file "\"\n"                                             \
                ".byte 0\n"                                                                        \
                ".previous\n")
/* NOLINTEND(bugprone-macro-parentheses) */

TEXT(tq_profile_text_groups, "groups");
TEXT(tq_profile_text_strict, "strict");
TEXT(tq_profile_text_no_network, "no-network");
TEXT(tq_profile_text_default, "default");
TEXT(tq_profile_text_debug, "debug");
TEXT(tq_profile_text_permissive, "permissive");
TEXT(tq_profile_text_engine, "engine");
TEXT(tq_profile_text_watch, "watch");

const char *tq_profilefile_builtin(const char *name) {
        static const struct {
                const char *name;
                const char *text;
        } texts[] = {
                { "groups", tq_profile_text_groups },
                { "strict", tq_profile_text_strict },
                { "no-network", tq_profile_text_no_network },
                { "default", tq_profile_text_default },
                { "debug", tq_profile_text_debug },
                { "permissive", tq_profile_text_permissive },
                { "engine", tq_profile_text_engine },
                { "watch", tq_profile_text_watch },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(texts); i++)
                if (strcmp(texts[i].name, name) == 0)
                        return texts[i].text;
        return NULL;
}
