/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/ids.h"

#include <string.h>

static const char alphanumeric[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static bool is_valid(const char *name, size_t max, const char *more) {
        size_t n = strlen(name);

        if (n == 0 || n > max || !strchr(alphanumeric, name[0]))
                return false;
        for (size_t i = 1; i < n; i++)
                if (!strchr(alphanumeric, name[i]) && !strchr(more, name[i]))
                        return false;
        return true;
}

bool tq_ids_tenant_is_valid(const char *name) {
        /* Where a tenant is named, a number means a job, and "host" everything. */
        return is_valid(name, TQ_TENANT_NAME_MAX, "_-") && strcmp(name, "host") != 0 &&
               strspn(name, "0123456789") != strlen(name);
}

bool tq_ids_queue_is_valid(const char *name) {
        return is_valid(name, TQ_QUEUE_NAME_MAX, "_-.");
}
