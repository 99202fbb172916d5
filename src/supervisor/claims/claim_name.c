/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/claim_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"

const char *claim_name_format(const ClaimName *name, char buf[CLAIM_NAME_BYTES]) {
        if (name->crashes > 0)
                (void)snprintf(buf, CLAIM_NAME_BYTES, "%" PRIu64 ".%u.%s.%u", name->number,
                               name->uid, name->tenant, name->crashes);
        else if (name->uid == TQ_UID_UNKNOWN)
                (void)snprintf(buf, CLAIM_NAME_BYTES, "%" PRIu64 ".%s", name->number, name->tenant);
        else
                (void)snprintf(buf, CLAIM_NAME_BYTES, "%" PRIu64 ".%u.%s", name->number, name->uid,
                               name->tenant);
        return buf;
}

bool claim_name_parse(const char *file, ClaimName *ret) {
        char text[CLAIM_NAME_BYTES], *parts[4], *rest = text;
        uint64_t uid = TQ_UID_UNKNOWN, crashes = 0;
        const char *tenant;
        size_t n = 0;

        if (strlen(file) >= sizeof(text))
                return false;
        (void)snprintf(text, sizeof(text), "%s", file);
        while (rest && n < TQ_ELEMENTSOF(parts))
                parts[n++] = strsep(&rest, ".");
        if (rest || n < 2)
                return false;
        tenant = parts[n == 2 ? 1 : 2];
        /* Whose it was may not have been known before it got its fourth part. */
        if (n > 2 &&
            tq_parse_u64_in(parts[1], 0, n == 4 ? TQ_UID_UNKNOWN : TQ_UID_UNKNOWN - 1, &uid) < 0)
                return false;
        if (n == 4 && tq_parse_u64_in(parts[3], 1, TQ_CRASHES_MOST, &crashes) < 0)
                return false;
        if (tq_parse_u64_in(parts[0], 1, INT64_MAX, &ret->number) < 0 ||
            !tq_ids_tenant_is_valid(tenant))
                return false;
        (void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", tenant);
        ret->uid = (uid_t)uid;
        ret->crashes = (unsigned)crashes;
        return true;
}

static int move_file(int dir_fd, const char *file, const ClaimName *is, const char *to,
                     uid_t from_uid, uid_t to_uid) {
        bool is_given = is->uid == from_uid && to_uid != TQ_UID_UNKNOWN;
        ClaimName as = { is->number, is_given ? to_uid : is->uid, "", is->crashes };
        char name[CLAIM_NAME_BYTES];
        struct stat st;

        if (!to)
                return unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT ? tq_errno() : 0;
        (void)snprintf(as.tenant, sizeof(as.tenant), "%s", to);
        /* Root's own stay root's. */
        if (is_given && (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                         (st.st_uid == from_uid && st.st_nlink == 1 &&
                          fchownat(dir_fd, file, to_uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)))
                return tq_errno();
        return renameat(dir_fd, file, dir_fd, claim_name_format(&as, name)) < 0 ? tq_errno() : 0;
}

int claim_name_move_files(const Own *own, const char *tenant, const char *to, uid_t from_uid,
                          uid_t to_uid) {
        int dir_fd = own_fd(own, OWN_CLAIMS), result, more;
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        bool has_moved = false;

        result = tq_fs_opendir(dir_fd, ".", &dir);
        while (dir && (more = tq_fs_readdir(dir, &e)) != 0) {
                ClaimName is;
                int r;

                if (more < 0) {
                        result = more;
                        break;
                }
                if (!claim_name_parse(e->d_name, &is) || strcmp(is.tenant, tenant) != 0)
                        continue;
                r = move_file(dir_fd, e->d_name, &is, to, from_uid, to_uid);
                result = r < 0 ? r : result;
                has_moved = true;
        }
        if (result >= 0 && has_moved && fsync(dir_fd) < 0)
                result = tq_errno();
        return result;
}
