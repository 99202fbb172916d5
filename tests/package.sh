#!/bin/bash
# tests/package.sh - the Debian package: the same files give the same bytes, and lintian finds nothing. Leaves it in
# build/deb with a newer one, for tests/vm/package.

# shellcheck disable=SC2317 # called by name
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh

same_bytes() {
        local deb before
        deb=$(scripts/deb)
        before=$(sha256sum <"$deb")
        scripts/deb >/dev/null
        t_eq "$(sha256sum <"$deb")" "$before" "the package's SHA-256"
}

lintian_is_silent() {
        t_eq "$(lintian --fail-on none --allow-root build/deb/tenantq_0.1.0_*.changes 2>/dev/null)" "" lintian
}

a_newer_one() {
        scripts/deb 0.1.1
}

t_case "the same bytes twice" same_bytes
t_case "lintian finds nothing" lintian_is_silent
t_case "a newer one" a_newer_one
t_summary
