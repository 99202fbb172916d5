# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/bench/table.sh - what becomes of figures; to be sourced.
#
#       bench_timed ROUND NAME JOBS COMMAND…    runs it, and prints "ROUND NAME JOBS-A-SECOND"; its output is dropped
#       … | bench_table NAME…                   the lines of all rounds: for each name the median of jobs a second, and
#                                               of the first's divided by its own in the same round median and least
#       … | bench_judge LEAST                   of lines with ratio=N.NN the one with the largest; fails if that is
#                                               less, or if there is none

bench_timed() {
        local since=${EPOCHREALTIME/[.,]/}
        "${@:4}" >/dev/null
        echo "$1 $2 $3 $((${EPOCHREALTIME/[.,]/} - since))" | awk '{ print $1, $2, $3 * 1e6 / $4 }'
}

bench_table() {
        awk -v order="$*" '
                # Of what it puts into ascending order.
                function median(a, n,    i, j, t) {
                        for (i = 2; i <= n; i++)
                                for (j = i; j > 1 && a[j] < a[j - 1]; j--) {
                                        t = a[j]
                                        a[j] = a[j - 1]
                                        a[j - 1] = t
                                }
                        return (a[int((n + 1) / 2)] + a[int(n / 2) + 1]) / 2
                }
                { rate[$1, $2] = $3; seen[$1] }
                END {
                        names = split(order, name, " ")
                        printf "%-20s %8s  %s\n", "", "jobs/s", name[1] " ÷ it: median, worst"
                        for (i = 1; i <= names; i++) {
                                n = 0
                                for (r in seen) {
                                        rates[++n] = rate[r, name[i]]
                                        ratios[n] = rate[r, name[1]] / rates[n]
                                }
                                middle = median(ratios, n)
                                printf "%-20s %8.1f  %.2f, %.2f\n", name[i], median(rates, n), middle, ratios[1]
                        }
                }'
}

bench_judge() {
        awk -v least="$1" '
                match($0, /ratio=[0-9.]+/) {
                        ratio = substr($0, RSTART + 6, RLENGTH - 6) + 0
                        if (best == "" || ratio > best) {
                                best = ratio
                                line = $0
                        }
                }
                END {
                        print line
                        exit best == "" || best < least
                }'
}
