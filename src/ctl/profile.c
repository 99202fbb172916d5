/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "conf/profilefile.h"
#include "ctl/ctl.h"
#include "ctl/learned.h"
#include "ctl/profile.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "kernel/filter.h"

/* Profiles as they are on this host, read without a daemon: the program's own, and the
 * administrator's, which stand over them. */

#define PROFILES_DIR TQ_CONFIG_DIR "/profiles"

/* Which may not be there: -ENOENT. */
static int open_dir(DIR **ret) {
        int r = tq_fs_opendir(AT_FDCWD, PROFILES_DIR, ret);

        return r < 0 && r != -ENOENT ? fail(TQ_EXIT_FAILURE, "%s: %s", PROFILES_DIR, strerror(-r))
                                     : r;
}

/* The administrator's: -ENOENT: there is none; > 0: an exit code, and it is said. */
static int read_file(const char *name, char **ret) {
        TQ_CLOSEDIR DIR *dir = NULL;
        size_t size;
        int r = open_dir(&dir);

        if (r != 0)
                return r;
        r = tq_profile_name_is_valid(name)
                    ? tq_fs_read_file(dirfd(dir), name, TQ_PROFILEFILE_MAX, ret, &size)
                    : -ENOENT;
        return r < 0 && r != -ENOENT
                       ? fail(TQ_EXIT_FAILURE, "%s/%s: %s", PROFILES_DIR, name, strerror(-r))
                       : r;
}

int profile_read(const char *name, TqBuffer *ret, const char **ret_dir) {
        const char *own = tq_profilefile_builtin(name);
        TQ_FREE char *text = NULL;
        int r = read_file(name, &text);

        *ret_dir = r == 0 ? PROFILES_DIR : NULL;
        /* What can't be read may say otherwise than what is built in. */
        if (r > 0)
                return r;
        if (r < 0 && !own)
                return fail(TQ_EXIT_NOT_FOUND,
                            "there is no profile %s; tenantqctl profile list lists them", name);
        tq_buffer_append_string(ret, text ? text : own);
        return tq_buffer_string(ret) ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

bool profile_exists(const char *name) {
        char path[PATH_MAX];

        if (tq_profile_rank_from_string(name) >= 0)
                return true;
        (void)snprintf(path, sizeof(path), "%s/%s", PROFILES_DIR, name);
        return tq_profile_name_is_valid(name) && (access(path, F_OK) == 0 || errno != ENOENT);
}

/* Parsed, and understood by the library: what the daemon would say of it. */
static int check_text(const char *name, const char *file, const char *text, TqProfile *ret) {
        TqFilter filter = {};
        TqError err = {};
        char message[1024];
        int r;

        r = tq_profilefile_parse(name, text, ret, &err);
        if (r >= 0)
                r = tq_filter_compile(ret, TQ_FILTER_ALONE, &filter, &err);
        if (r >= 0 && (ret->rank >= 0 || !tq_profilefile_builtin(name)))
                r = tq_profile_check_rank(ret, &err);
        tq_filter_done(&filter);
        if (r >= 0)
                return 0;
        tq_error_set_file(&err, file);
        return fail(TQ_EXIT_INVALID, "%s", tq_error_format(&err, message, sizeof(message)));
}

static const char *const columns[] = { "profile", "rank", "otherwise", "directory" };

static int add_row(TqTable *t, const char *name) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        char file[PATH_MAX];
        TqProfile p = {};
        const char *dir;
        int r = profile_read(name, &text, &dir), added;

        (void)snprintf(file, sizeof(file), "%s%s%s", dir ? dir : "", dir ? "/" : "", name);
        if (r == 0)
                r = check_text(name, file, text.data, &p);
        if (r == 0) {
                added = tq_table_add_row(t);
                if (added >= 0)
                        added = tq_table_set_text(t, 0, name);
                if (added >= 0)
                        added = tq_table_set_text(t, 1, tq_profile_rank_to_string(p.rank));
                if (added >= 0)
                        added = tq_table_set_text(t, 2, tq_profile_action_to_string(p.otherwise));
                if (added >= 0)
                        added = tq_table_set_text(t, 3, dir);
                if (added < 0)
                        r = fail(TQ_EXIT_FAILURE, "out of memory");
        }
        tq_profile_done(&p);
        return r;
}

int verb_profile_list(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int worst = 0, r;

        (void)argc;
        (void)argv;
        if (tq_table_add_columns(&t, columns, TQ_ELEMENTSOF(columns)) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = open_dir(&dir);
        if (r > 0)
                return r;
        for (int i = 0; i < _TQ_RANK_MAX; i++) {
                r = add_row(&t, tq_profile_rank_to_string((TqProfileRank)i));
                worst = r != 0 ? r : worst;
        }
        while (dir && (e = readdir(dir))) {
                if (!tq_profile_name_is_valid(e->d_name) ||
                    tq_profile_rank_from_string(e->d_name) >= 0)
                        continue;
                if (add_row(&t, e->d_name) != 0)
                        worst = TQ_EXIT_INVALID;
        }
        if (o->json)
                output_json(&t, "tenantq.profiles.v1", "profiles");
        r = o->json ? 0 : table_print(o, &t, NULL);
        return r != 0 ? r : worst;
}

int verb_profile_show(const Options *o, int argc, char *argv[]) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        const char *dir;
        int r = profile_read(argv[0], &text, &dir);

        (void)o;
        (void)argc;
        if (r == 0)
                (void)fputs(text.data, stdout);
        return r;
}

/* It is the administrator's to allow them, but not without knowing. */
static int warn_of_dangers(const char *file, const TqProfile *p) {
        LearnedDanger d;
        int r;

        for (size_t i = 0; (r = learned_danger(p, i, &d)) > 0; i++) {
                char others[32] = "";

                if (d.more > 0)
                        (void)snprintf(others, sizeof(others), " and %u more", d.more);
                (void)fail(0,
                           "%s:%u: warning: it allows %s%s, whatever the arguments: no profile of "
                           "tenantq does",
                           file, d.line, d.name, others);
        }
        return r < 0 ? fail(TQ_EXIT_FAILURE, "out of memory") : 0;
}

/* One that the daemon would refuse to start with; what has a dot it leaves alone, and what is no
 * file has a name by chance. */
static int check_name(const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        struct stat st;

        if (strcmp(path, "-") == 0 || tq_profile_name_is_valid(name) || stat(path, &st) < 0 ||
            !S_ISREG(st.st_mode))
                return 0;
        return fail(strchr(name, '.') ? 0 : TQ_EXIT_INVALID,
                    "%s can't be its name in %s: expected 1 to 32 of a-z 0-9 _ -, beginning with a "
                    "letter",
                    name, PROFILES_DIR);
}

/* What stands over one of the five is to have its rank; all else may have any. */
static const char *rank_of(const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        return tq_profile_rank_from_string(name) >= 0 ? name : "checked";
}

int verb_profile_check(const Options *o, int argc, char *argv[]) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqProfile p = {};
        int r = input_read(argv[0], TQ_PROFILEFILE_MAX, &text);

        (void)o;
        (void)argc;
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", argv[0], strerror(-r));
        if (!tq_buffer_string(&text) || strlen(text.data) != text.size)
                return fail(TQ_EXIT_INVALID, "%s: expected text: it has a NUL byte", argv[0]);
        r = check_text(rank_of(argv[0]), argv[0], text.data, &p);
        if (r == 0)
                r = warn_of_dangers(argv[0], &p);
        tq_profile_done(&p);
        return r != 0 ? r : check_name(argv[0]);
}
