/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/hostfile.h"

#include "fuzz.h"

/* tenantq.conf, and a tenant's file: the first byte says which. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static TqTenantConfig tenant;
        static TqHostConfig host;
        TqError err = {};
        int dir_fd, r;

        if (size < 1 || size > 100000)
                return 0;
        if (data[0] == 't') {
                dir_fd = fuzz_directory("tenants.d/acme.conf", data + 1, size - 1);
                r = tq_hostfile_load_tenant(dir_fd, "acme", &tenant, &err);
                if (r >= 0)
                        FUZZ_ASSERT(tq_limits_is_sane(&tenant.limits));
        } else {
                dir_fd = fuzz_directory("tenantq.conf", data + 1, size - 1);
                r = tq_hostfile_load(dir_fd, &host, &err);
        }
        if (r < 0)
                fuzz_error(&err);
        return 0;
}
