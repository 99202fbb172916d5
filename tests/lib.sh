# shellcheck shell=bash
# tests/lib.sh - what the shell tests have in common; to be sourced by bash.
#
#       #!/bin/bash
#       . "$(dirname "$0")/../lib.sh"
#
#       dropped_file_runs() {
#               t_eq "$(tenantqctl wait 1)" "exit 0" verdict
#       }
#       t_case "a dropped file runs" dropped_file_runs
#       t_summary
#
# A case is a function, run in a subshell under `set -euo pipefail`: it passes if every command of it
# succeeds. What it prints is shown only if it fails. What it leaves running, it must stop itself (trap … EXIT).

set -uo pipefail

T_SKIP=77 # exit status by which a case says that it was skipped; automake's number

t_passed=0
t_failed=0
t_skipped=0

# t_case NAME FUNCTION [ARG...]
t_case() {
        local name=$1 log status flags=$-
        shift
        log=$(mktemp) || return 1
        set +e
        (
                set -euo pipefail
                shopt -s inherit_errexit # in $(…) too
                "$@"
        ) >"$log" 2>&1 </dev/null
        status=$?

        # In a condition (`if t_case`, `t_case || …`) bash switches `set -e` off for all that is called: no case
        # would fail there any more.
        (
                set -e
                false
                exit 99
        )
        if [ $? -eq 99 ]; then
                echo "t_case was called in a condition" >>"$log"
                status=99
        fi
        [[ "$flags" != *e* ]] || set -e

        case "$status" in
        0)
                t_passed=$((t_passed + 1))
                printf 'ok %s\n' "$name"
                ;;
        "$T_SKIP")
                t_skipped=$((t_skipped + 1))
                printf 'skip %s: %s\n' "$name" "$(tail -n 1 "$log")"
                ;;
        *)
                t_failed=$((t_failed + 1))
                printf 'not ok %s\n' "$name"
                printf 'exit status %s\n' "$status" | sed 's/^/# /' "$log" -
                ;;
        esac
        rm -f "$log"
}

# t_skip REASON: ends the case; it couldn't be tried here.
t_skip() {
        printf '%s\n' "$*"
        exit "$T_SKIP"
}

# t_fail TEXT: ends the case; it failed.
t_fail() {
        printf '%s\n' "$*" >&2
        exit 1
}

# t_eq GOT WANT [WHAT]
t_eq() {
        [ "$1" = "$2" ] || t_fail "${3:-value}: got '$1', want '$2'"
}

# t_match TEXT REGEX [WHAT]: an extended regular expression, anywhere in the text.
t_match() {
        [[ "$1" =~ $2 ]] || t_fail "${3:-text}: got '$1', want a match of '$2'"
}

# t_lacks TEXT PART [WHAT]: PART, as it is, is nowhere in the text. Not `! COMMAND | grep -q`, which passes too if the
# command fails, or is ended by SIGPIPE because grep has seen enough.
t_lacks() {
        [[ "$1" != *"$2"* ]] || t_fail "${3:-text}: got '$1', with '$2' in it"
}

# t_none PART WHAT COMMAND [ARG...]: the command succeeds, and PART is nowhere in what it prints.
t_none() {
        local said
        said=$("${@:3}") || t_fail "$2: exit status $? of ${*:3}"
        t_lacks "$said" "$1" "$2"
}

# t_wait SECONDS COMMAND [ARG...]: until the command succeeds, at most so long.
t_wait() {
        local limit=$1 deadline
        shift
        deadline=$((SECONDS + limit + 1))
        until "$@"; do
                [ "$SECONDS" -lt "$deadline" ] || t_fail "not within $limit s: $*"
                sleep 0.05
        done
}

# The last line of a test script; fails if a case did.
t_summary() {
        printf '%d passed, %d failed, %d skipped\n' "$t_passed" "$t_failed" "$t_skipped"
        [ "$t_failed" -eq 0 ]
}
