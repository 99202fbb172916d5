/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf_profilefile.h"

/* What a profile's text says, and what is wrong with one that says nothing: with its line. */

/* The group of the fewest calls, but for one of them. */
#define NUMA(mbind)                                                                                \
        "get_mempolicy allow; " mbind "; migrate_pages allow; move_pages allow; set_mempolicy "    \
        "allow"

static const struct {
        const char *text, *want;
} good_rows[] = {
        { HEAD, "" },
        { "otherwise=kill", "" },
        { ALLOW "read\n", "read allow" },
        { ALLOW "read", "read allow" },
        { ALLOW "write\nread\n", "read allow; write allow" },
        { HEAD "[deny]\na\n[kill]\nb\n[allow]\nc\n[absent]\nd\n[deny]\ne\n",
          "a deny; b kill; c allow; d absent; e deny" },
        { ALLOW "a234567890b234567890c2345678901\n", "a234567890b234567890c2345678901 allow" },
        { ALLOW "-cachestat\nread\n", "-cachestat allow; read allow" },
        { HEAD "[allow]\n[deny]\n[allow]\nread\n", "read allow" },
        /* Comments, blanks, ends of lines. */
        { "# otherwise = kill\n\n \t\n  otherwise = absent # otherwise = deny\n\t[allow]#\n "
          "\tread\t#\n"
          "#write\n",
          "read allow" },
        { "otherwise = absent\r\n\r\n[allow]\r\nread\r\nioctl  arg1 = 1\r\nwrite # x\r\n",
          "ioctl allow 1=1; read allow; write allow" },
        { "\totherwise\t=\tabsent\n[allow]\nread\targ0\t=\t1\n", "read allow 0=1" },
        /* Groups, and what is named by itself. */
        { ALLOW "@numa\n", NUMA("mbind allow") },
        { ALLOW "@numa\n@numa\n", NUMA("mbind allow") },
        { ALLOW "@numa\nmbind\n", NUMA("mbind allow") },
        { ALLOW "@numa\n[deny]\nmbind\n", NUMA("mbind deny") },
        { HEAD "[kill]\nmbind\n[allow]\n@numa\n", NUMA("mbind kill") },
        { ALLOW "@numa\nmbind arg0 = 1\n", NUMA("mbind allow 0=1") },
        { ALLOW "mbind arg0 = 1\nmbind arg0 = 2\n@numa\n",
          NUMA("mbind allow 0=1; mbind allow 0=2") },
        /* Conditions. */
        { ALLOW "socket arg0 = 1\n", "socket allow 0=1" },
        { ALLOW "socket arg0=1,arg5=2\n", "socket allow 0=1 5=2" },
        { ALLOW "socket  arg3 = 1 , arg1 = 2,arg0 & 4= 4\n", "socket allow 3=1 1=2 0&4=4" },
        { ALLOW "socket arg0 = 0xFFFFFFFF\n", "socket allow 0=ffffffff" },
        { ALLOW "socket arg0 = 4294967295\n", "socket allow 0=ffffffff" },
        { ALLOW "socket arg0 = 0xaBc\n", "socket allow 0=abc" },
        { ALLOW "socket arg0 & 0xF0 = 0xF0\n", "socket allow 0&f0=f0" },
        { ALLOW "socket arg0&0xF0=0\n", "socket allow 0&f0=0" },
        { ALLOW "socket arg0 = 1|2|0x100\n", "socket allow 0=103" },
        { ALLOW "socket arg1 = SOCK_DGRAM | SOCK_CLOEXEC\n", "socket allow 1=80002" },
        { ALLOW "clone arg0 & CLONE_THREAD|0x80000000 = CLONE_THREAD\n",
          "clone allow 0&80010000=10000" },
        /* Alternatives stay in their order. */
        { ALLOW "socket arg0 = 2\nread\nsocket arg0 = 1, arg1 = 1\nsocket arg0 = 0\n",
          "read allow; socket allow 0=2; socket allow 0=1 1=1; socket allow 0=0" },
};

START_TEST(good) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        PROFILE p = parse(good_rows[_i].text);

        tell(&p, &got);
        ck_assert_str_eq(tq_buffer_string(&got), good_rows[_i].want);
}
END_TEST

#define SECTIONS "[allow], [deny], [absent] or [kill]"
#define KEYS     "rank = NAME, otherwise = ACTION, or a section"
#define NAME     "the name of a system call or of a @group"
#define GROUP    "one of the groups that"
#define COND     "expected argN = VALUE or argN & MASK = VALUE"
#define COUNT    "at most 3 conditions, of different arguments"
#define LAUNCH   "execve must be allowed: tenantq-exec needs it"

static const struct {
        const char *text;
        unsigned line;
        const char *piece;
} bad_rows[] = {
        /* What stands above the sections. */
        { "", 0, "expected otherwise = deny, absent or kill" },
        { "rank = strict\n[allow]\nread\n", 0, "expected otherwise = deny, absent or kill" },
        { "otherwise = allow\n", 1, "deny, absent or kill" },
        { "\n\notherwise = notify\n", 3, "deny, absent or kill" },
        { HEAD "otherwise = absent\n", 2, "each once" },
        { "rank = strict\nrank = strict\n" HEAD, 2, "each once" },
        { HEAD "rank = Strict\n", 2, "strict, no-network, default, debug or permissive" },
        { HEAD "rank = engine\n", 2, "strict, no-network, default, debug or permissive" },
        { HEAD "colour = red\n", 2, "rank and otherwise, each once" },
        { HEAD "read\n", 2, KEYS },
        { HEAD "@files\n", 2, KEYS },
        { HEAD "rank =\n", 2, KEYS },
        { "otherwise = absent deny\n", 1, KEYS },
        { HEAD "rank = strict, default\n", 2, KEYS },
        { HEAD "rank = strict default\n", 2, KEYS },
        /* Sections. */
        { HEAD "[Allow]\n", 2, SECTIONS },
        { HEAD "[]\n", 2, SECTIONS },
        { HEAD "[ allow ]\n", 2, SECTIONS },
        { HEAD "[@numa]\n", 2, SECTIONS },
        { HEAD "[allow\n", 2, KEYS },
        { ALLOW "[deny\n", 3, NAME },
        { ALLOW "[\n", 3, NAME },
        { ALLOW "[deny] read\n", 3, NAME },
        /* Names. */
        { ALLOW "Read\n", 3, NAME },
        { ALLOW "read!\n", 3, NAME },
        { ALLOW "read,write\n", 3, NAME },
        { ALLOW "-\n", 3, NAME },
        { ALLOW "--read\n", 3, NAME },
        { ALLOW "- read\n", 3, NAME },
        { ALLOW "-@numa\n", 3, NAME },
        { ALLOW "a234567890b234567890c23456789012\n", 3, NAME },
        { ALLOW "@\n", 3, GROUP },
        { ALLOW "@num\n", 3, GROUP },
        { ALLOW "@numa1\n", 3, GROUP },
        { ALLOW "@numa arg0 = 1\n", 3, GROUP },
        /* Conditions. */
        { ALLOW "read write\n", 3, COND },
        { ALLOW "read arg6 = 1\n", 3, COND },
        { ALLOW "read arg10 = 1\n", 3, COND },
        { ALLOW "read arg = 1\n", 3, COND },
        { ALLOW "read Arg0 = 1\n", 3, COND },
        { ALLOW "read arg0\n", 3, COND },
        { ALLOW "read arg0 =\n", 3, COND },
        { ALLOW "read arg0 == 1\n", 3, COND },
        { ALLOW "read arg0 != 1\n", 3, COND },
        { ALLOW "read arg0 > 1\n", 3, COND },
        { ALLOW "read arg0 & = 1\n", 3, COND },
        { ALLOW "read arg0 & 1\n", 3, COND },
        { ALLOW "read arg0 & 1 & 2 = 1\n", 3, COND },
        { ALLOW "read arg0 = 1 = 2\n", 3, COND },
        { ALLOW "read arg0 = AF_NOBODY\n", 3, COND },
        { ALLOW "read arg0 = af_unix\n", 3, COND },
        { ALLOW "read arg0 = 0x\n", 3, COND },
        { ALLOW "read arg0 = 1G\n", 3, COND },
        { ALLOW "read arg0 = -1\n", 3, COND },
        { ALLOW "read arg0 = +1\n", 3, COND },
        { ALLOW "read arg0 = |\n", 3, COND },
        { ALLOW "read arg0 =|\n", 3, COND },
        { ALLOW "read arg0 = 1|\n", 3, COND },
        { ALLOW "read arg0 = 1||2\n", 3, COND },
        { ALLOW "read arg0 & | = 0\n", 3, COND },
        /* A comma too few or too many makes no wider rule. */
        { ALLOW "socket arg0 = AF_UNIX arg1 = SOCK_DGRAM\n", 3, COND },
        { ALLOW "read arg0 = 1 2\n", 3, COND },
        { ALLOW "read ,\n", 3, COND },
        { ALLOW "read arg0 = 1,\n", 3, COND },
        { ALLOW "read arg0 = 1,,arg1 = 1\n", 3, COND },
        /* Above 32 bits; outside the mask. */
        { ALLOW "read arg0 = 4294967296\n", 3, COND },
        { ALLOW "read arg0 = 0x100000000\n", 3, COND },
        { ALLOW "read arg0 & 0x100000000 = 0\n", 3, COND },
        { ALLOW "read arg0 = 99999999999999999999999\n", 3, COND },
        { ALLOW "read arg0 & 1 = 2\n", 3, COND },
        { ALLOW "read arg0 & 0xF0 = 0x1F0\n", 3, COND },
        { ALLOW "read arg0 = 1, arg1 = 1, arg2 = 1, arg3 = 1\n", 3, COUNT },
        { ALLOW "read arg0 = 1, arg0 = 1\n", 3, COUNT },
        { ALLOW "read arg0 & 1 = 1, arg1 = 1, arg0 & 2 = 2\n", 3, COUNT },
        /* What was read, and what may have been meant. */
        { HEAD "rank = Strict # x\n", 2, "permissive, not \"rank = Strict\"" },
        { ALLOW "  Re\x01 ad\n", 3, "@group, not \"Re\\x01 ad\"" },
        { ALLOW "@num\n", 3, "such as @numa, not \"@num\"" },
        { ALLOW "@fils\n", 3, "such as @files, not" },
        { ALLOW "@nothing-like-it\n", 3, "lists, not \"@nothing-like-it\"" },
        { HEAD "[Allow]\n", 2, "[kill], not \"[Allow]\"" },
        /* What contradicts itself. */
        { ALLOW "read\n[deny]\nread\n", 5, "read stands in [allow] and in [deny]" },
        { HEAD "[kill]\nread\n[absent]\n\nread\n", 6, "read stands in [kill] and in [absent]" },
        { ALLOW "read arg0 = 1\n[deny]\nread arg0 = 2\n", 5, "read stands in" },
        { ALLOW "read\nread\n", 4, "read is named on line 3 already" },
        { ALLOW "read arg0 = 1\nread\n", 4, "read is named on line 3 already" },
        { ALLOW "read\nwrite\nread arg0 = 1\n", 5, "read is named on line 3 already" },
        { "rank = default\n" ALLOW "[deny]\nexecve\n", 5, LAUNCH },
        { "rank = default\n" HEAD "[absent]\nexecve\n", 4, LAUNCH },
        { "rank = default\n" HEAD "[kill]\nclone arg0 = 1\n", 4, "clone must be allowed" },
        { HEAD "[kill]\nread arg0 = 1\n" /* in a section none is a key */ "rank = strict\n", 4,
          COND },
};

START_TEST(bad) {
        expect_bad(bad_rows[_i].text, bad_rows[_i].line, bad_rows[_i].piece);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "good"), good, good_rows);
        unit_add_rows(unit_case(s, "bad"), bad, bad_rows);
}

int main(void) {
        return unit_main("conf/profilefile texts", fill);
}
