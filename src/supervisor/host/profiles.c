/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/profiles.h"

#include <sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/log.h"
#include "conf/profilefile.h"
#include "conf/rootfile.h"

#define PROFILES_MOST 64

typedef struct Row {
        TqProfile profile;
        TqFilter filters[_TQ_FILTER_MAX];
} Row;

struct Profiles {
        Row rows[PROFILES_MOST];
        size_t n;
        uint32_t sum;
};

static Row *find(const Profiles *p, const char *name) {
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->rows[i].profile.name, name) == 0)
                        return (Row *)&p->rows[i];
        return NULL;
}

uint32_t profiles_sum(const Profiles *p) {
        return p->sum;
}

/* Those of tenantq itself have no rank, and are no job's. */
const TqProfile *profiles_find(const Profiles *p, const char *name) {
        const Row *row = find(p, name);

        return row && row->profile.rank >= 0 ? &row->profile : NULL;
}

static int add(Profiles *p, const char *name, const char *text, TqError *err) {
        Row *row = find(p, name);
        TqProfile profile;
        int r;

        if (!row && p->n >= PROFILES_MOST)
                return tq_error(err, -EBADMSG, "more than %d profiles", PROFILES_MOST);
        r = tq_profilefile_parse(name, text, &profile, err);
        if (r < 0)
                return r;
        if (row)
                tq_profile_done(&row->profile);
        else
                row = &p->rows[p->n++];
        row->profile = profile;
        return 0;
}

/* In whatever order they are read: of a sum that is linear, as a CRC, two that change alike would
 * be taken for none. */
static void add_sum(Profiles *p, const char *name, const char *text) {
        uint8_t digest[SHA256_DIGEST_LENGTH];
        uint32_t part;
        SHA2_CTX sha;

        SHA256Init(&sha);
        SHA256Update(&sha, (const uint8_t *)name, strlen(name) + 1);
        SHA256Update(&sha, (const uint8_t *)text, strlen(text));
        SHA256Final(digest, &sha);
        memcpy(&part, digest, sizeof(part));
        p->sum ^= part;
}

/* One of the administrator's, by the same rules of trust as the rest of the configuration. */
static int add_file(Profiles *p, int config_fd, const char *name, TqError *err) {
        TQ_FREE char *text = NULL;
        char path[NAME_MAX + 16];
        int r;

        (void)snprintf(path, sizeof(path), "profiles/%s", name);
        r = tq_rootfile_read_text(config_fd, path, TQ_PROFILEFILE_MAX, &text, err);
        if (r >= 0)
                add_sum(p, name, text);
        if (r >= 0)
                r = add(p, name, text, err);
        if (r >= 0)
                r = tq_profile_check_rank(&find(p, name)->profile, err);
        /* What the library does not know is found before a job would need it. */
        if (r >= 0) {
                const TqFilter *ignored;

                r = profiles_filter(p, name, TQ_FILTER_WATCHED, &ignored, err);
        }
        if (r < 0)
                tq_error_set_file(err, path);
        return r;
}

static bool is_ours(const char *name) {
        return strcmp(name, "groups") == 0 || strcmp(name, "engine") == 0 ||
               strcmp(name, "watch") == 0;
}

/* Who can't start for a file that one tenant may use, starts for nobody. Its tenants have no
 * profile then, also where tenantq has one of that name: it may allow more. */
static void do_without(Profiles *p, const char *name, const TqError *err) {
        Row *row = find(p, name);
        char text[768];

        if (row)
                row->profile.rank = -1;
        tq_log(LOG_ERR, "%s; until that is mended, tenants with profile=%s are disabled",
               tq_error_format(err, text, sizeof(text)), name);
}

static int add_files(Profiles *p, int config_fd, bool is_lenient, TqError *err) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(config_fd, "profiles", &dir);

        if (r < 0)
                return r == -ENOENT ? 0 : tq_error_errno(err, r, "profiles");
        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0) {
                size_t n = strlen(e->d_name);

                /* What editors and dpkg leave beside a file is not one. */
                if (e->d_name[0] == '.' || strchr(e->d_name, '.') || e->d_name[n - 1] == '~')
                        continue;
                if (!tq_profile_name_is_valid(e->d_name)) {
                        char shown[300];

                        tq_log(LOG_WARNING,
                               "profiles: %s is no profile: expected a name of 1 to 32 of a-z 0-9 "
                               "_ -, beginning with a letter",
                               tq_format_shown(e->d_name, shown, sizeof(shown)));
                        continue;
                }
                if (is_ours(e->d_name)) {
                        tq_error_set_file(err, "profiles");
                        r = tq_error(err, -EBADMSG,
                                     "%s: expected a name other than groups, engine and watch",
                                     e->d_name);
                } else
                        r = add_file(p, config_fd, e->d_name, err);
                if (r < 0 && r != -ENOMEM && is_lenient) {
                        do_without(p, e->d_name, err);
                        *err = (TqError){};
                        r = 0;
                }
        }
        return r;
}

int profiles_load(int config_fd, bool is_lenient, Profiles **ret, TqError *err) {
        static const char *const ours[] = { "engine", "watch" };
        Profiles *p = calloc(1, sizeof(*p));
        int r = p ? 0 : -ENOMEM;

        for (int i = 0; i < _TQ_RANK_MAX && r >= 0; i++) {
                const char *name = tq_profile_rank_to_string((TqProfileRank)i);

                r = add(p, name, tq_profilefile_builtin(name), err);
        }
        for (size_t i = 0; i < TQ_ELEMENTSOF(ours) && r >= 0; i++)
                r = add(p, ours[i], tq_profilefile_builtin(ours[i]), err);
        if (r >= 0)
                r = add_files(p, config_fd, is_lenient, err);
        if (r < 0) {
                (void)profiles_free(p);
                return tq_error_errno(err, r, "profiles");
        }
        *ret = p;
        return 0;
}

Profiles *profiles_free(Profiles *p) {
        for (size_t i = 0; p && i < p->n; i++) {
                tq_profile_done(&p->rows[i].profile);
                for (int m = 0; m < _TQ_FILTER_MAX; m++)
                        tq_filter_done(&p->rows[i].filters[m]);
        }
        free(p);
        return NULL;
}

int profiles_filter(Profiles *p, const char *name, TqFilterMode mode, const TqFilter **ret,
                    TqError *err) {
        Row *row = find(p, name);
        int r = 0;

        if (!row)
                return tq_error(err, -ENOENT, "there is no profile %s", name);
        if (row->filters[mode].n == 0)
                r = tq_filter_compile(&row->profile, mode, &row->filters[mode], err);
        *ret = &row->filters[mode];
        return r;
}
