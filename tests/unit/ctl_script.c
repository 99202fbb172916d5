/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/script.h"

#include <string.h>

#include "conf/jobfile.h"
#include "unit.h"

/* Scripts with #TENANTQ lines as job files. */

static const struct {
        const char *text;
        bool is_script;
} beginnings[] = {
        { "#!/bin/sh\n", true }, { "#! /bin/sh", true },
        { "#!\t/x", true },      { "#!/", true },
        { "#!", false },         { "#! ", false },
        { "#!sh\n", false },     { "# !/bin/sh", false },
        { " #!/bin/sh", false }, { "[Job]\n#!/bin/sh", false },
        { "", false },           { "#!\n/bin/sh", false },
};

START_TEST(is_one) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};

        tq_buffer_append_string(&b, beginnings[_i].text);
        ck_assert_msg(script_is(&b) == beginnings[_i].is_script, "%s", beginnings[_i].text);
}
END_TEST

#define SHELL                                                                                      \
        "[Job]\nExecStart=/bin/sh -c \"printf %s \\\"$1\\\" >\\\"$2\\\" && shift 2 && exec "       \
        "\\\"$@\\\"\" sh "

static const struct {
        const char *file, *script, *want; /* NULL: what it is the same as is not looked at */
        unsigned line;                    /* of the script, for the last line of the job file */
} rows[] = {
        { "/a/b.sh", "#!/bin/sh\ntrue\n",
          SHELL "\"#!/bin/sh\\ntrue\\n\" \"/tmp/b.sh\" \"/bin/sh\" \"/tmp/b.sh\"\nName=b.sh\n", 0 },
        { "-", "#! /usr/bin/env  a b \n",
          SHELL "\"#! /usr/bin/env  a b \\n\" \"/tmp/script\" \"/usr/bin/env\" \"a b\" "
                "\"/tmp/script\"\nName=script\n",
          0 },
        { "x", "#!/bin/sh\n#TENANTQ\tName=n cpu=1\n\n  # x\n#TENANTQ pids=5 Queue=q",
          SHELL "\"#!/bin/sh\\n#TENANTQ\\x09Name=n cpu=1\\n\\n  # x\\n#TENANTQ pids=5 Queue=q\" "
                "\"/tmp/x\" \"/bin/sh\" \"/tmp/x\"\nName=n\nQueue=q\n[Limits]\ncpu=1\npids=5\n",
          5 },
        { "x", "#!/bin/sh\n#TENANTQ MaxAttempts=2 Profile=strict\ntrue\n#TENANTQ cpu=1\n",
          SHELL "\"#!/bin/sh\\n#TENANTQ MaxAttempts=2 Profile=strict\\ntrue\\n#TENANTQ cpu=1\\n\" "
                "\"/tmp/x\" \"/bin/sh\" "
                "\"/tmp/x\"\nName=x\n[Sandbox]\nProfile=strict\n[Retry]\nMaxAttempts=2\n",
          2 },
        { "x", "#!/bin/sh\n#TENANTQX cpu=1\n#tenantq cpu=1\n# TENANTQ cpu=1\n #TENANTQ cpu=1\n",
          NULL, 0 },
};

START_TEST(composed) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        SCRIPT_CLEANUP Script s = {};
        TqJobSpec spec = {};
        TqError err = {};
        size_t n = 0;

        tq_buffer_append_string(&b, rows[_i].script);
        ck_assert_int_eq(script_compose(rows[_i].file, &b, &s, &err), 0);
        if (rows[_i].want)
                ck_assert_str_eq(tq_buffer_string(&s.text), rows[_i].want);
        /* A line for each, from 1 on. */
        for (const char *p = tq_buffer_string(&s.text); *p; p++)
                n += *p == '\n';
        ck_assert_uint_eq(s.n_lines, n + 1);
        ck_assert_uint_eq(s.lines[n], rows[_i].line);
        /* The parser has the script back, byte by byte. */
        ck_assert_int_eq(tq_jobfile_parse(s.text.data, s.text.size, &spec, NULL, NULL, &err), 0);
        ck_assert_str_eq(spec.argv[4], rows[_i].script);
        tq_jobspec_done(&spec);
}
END_TEST

START_TEST(every_byte) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        SCRIPT_CLEANUP Script s = {};
        TqJobSpec spec = {};
        TqError err = {};

        tq_buffer_append_string(&b, "#!/bin/sh\n:\n");
        for (int c = 1; c < 256; c++)
                tq_buffer_printf(&b, "%c\\%c\"", c, c);
        tq_buffer_append_string(&b, "\xEF\xBB\xBF\xC3\xA4");
        ck_assert_int_eq(script_compose("x", &b, &s, &err), 0);
        ck_assert_int_eq(tq_jobfile_parse(s.text.data, s.text.size, &spec, NULL, NULL, &err), 0);
        ck_assert_str_eq(spec.argv[4], tq_buffer_string(&b));
        tq_jobspec_done(&spec);
}
END_TEST

/* As large as it may be, and a byte more. */
START_TEST(size) {
        for (size_t extra = 0; extra < 2; extra++) {
                TQ_BUFFER_CLEANUP TqBuffer b = {}, text = {};
                SCRIPT_CLEANUP Script s = {}, small = {};
                TqError err = {};

                tq_buffer_append_string(&text, "#!/bin/sh\n");
                ck_assert_int_eq(script_compose("x", &text, &small, &err), 0);
                tq_buffer_append_string(&b, "#!/bin/sh\n");
                for (size_t i = small.text.size; i < TQ_JOB_FILE_MAX + extra; i++)
                        tq_buffer_append_string(&b, "x");
                ck_assert_int_eq(script_compose("x", &b, &s, &err), extra ? -E2BIG : 0);
                ck_assert_uint_eq(s.text.size, extra ? 0 : TQ_JOB_FILE_MAX);
        }
}
END_TEST

static const struct {
        const char *script;
        unsigned line;
        const char *key;
} wrong[] = {
        { "#!/bin/sh\n#TENANTQ x", 2, "" },
        { "#!/bin/sh\n#TENANTQ =x", 2, "" },
        { "#!/bin/sh\n\n#TENANTQ cpu=1 x=1", 3, "x" },
        { "#!/bin/sh\n#TENANTQ cpu=\"1", 2, "" },
        { "#!/bin/sh\n#TENANTQ cpu=", 2, "cpu" },
        { "#!/bin/sh\n#TENANTQ Name=a\\nb", 2, "Name" },
        { "#!/bin/sh\n#TENANTQ Name=a\n#TENANTQ Name=a", 3, "Name" },
        { "#!/bin/sh\n#TENANTQ ExecStart=/x", 2, "ExecStart" },
        { "#!/bin/sh\n#TENANTQ X-mine=1", 2, "X-mine" },
        { "#!/bin/sh\n#TENANTQ weight=1", 2, "weight" },
        { "#!/bin/\x01", 1, "" },
        { "#!/bin/sh \x01", 1, "" },
};

START_TEST(refused) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        SCRIPT_CLEANUP Script s = {};
        TqError err = {};

        tq_buffer_append_string(&b, wrong[_i].script);
        ck_assert_int_eq(script_compose("x", &b, &s, &err), -EBADMSG);
        ck_assert_uint_eq(err.line, wrong[_i].line);
        ck_assert_str_eq(err.key, wrong[_i].key);
        ck_assert(err.text[0] != '\0');
        ck_assert_ptr_null(s.text.data);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "script");

        unit_add_rows(c, is_one, beginnings);
        unit_add_rows(c, composed, rows);
        tcase_add_test(c, every_byte);
        tcase_add_test(c, size);
        unit_add_rows(c, refused, wrong);
}

int main(void) {
        return unit_main("ctl/script", fill);
}
