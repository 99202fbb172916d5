#!/bin/bash
# tests/sim/table.sh - the table of README.md, "Beside the alternatives", as simulated now. tests/system/05-docs.sh
# compares the two. To bring README.md up to date:
#
#       tests/sim/table.sh --update
#
# BUILD: the build directory, from the top of the tree (default build).

cd "$(dirname "$0")/../.." || exit 1
ctl=${BUILD:-build}/tenantqctl

# row ARG…: mean and 99th percentile of the slowdown of each tenant; with --set, of the run after the change.
row() {
        "$ctl" simulate --workload tests/sim/mixed.workload "$@" | awk -v name="$*" '
                $1 == "TENANT" { n = 0; on = 1; next }
                NF == 0 { on = 0 }
                on { cell[++n] = $(NF - 3) " / " $(NF - 2) }
                END {
                        if (n == 0)
                                exit 1
                        printf "| \140%s\140 |", name
                        for (i = 1; i <= n; i++)
                                printf " %s |", cell[i]
                        printf "\n"
                }'
}

table() {
        echo '| mean / p99 slowdown | web | mail | report | render | train |'
        echo '|---|---|---|---|---|---|'
        row --policy fifo &&
                row --policy round-robin &&
                row --policy fair &&
                row --policy fair --set host.lane_slots=4
}

new=$(table) || exit 1
if [ "${1:-}" = --update ]; then
        tmp=$(mktemp) || exit 1
        awk -v new="$new" '
                /^<!-- end -->$/ { skip = 0 }
                !skip { print }
                /^<!-- tests\/sim\/table\.sh -->$/ { print new; skip = 1 }' README.md >"$tmp" && cat "$tmp" >README.md
        rm -f "$tmp"
else
        printf '%s\n' "$new"
fi
