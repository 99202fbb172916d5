# shellcheck shell=bash
# tests/sum.sh - run things that end with a line "N passed, N failed, N skipped", and add these lines up.
#
#       . tests/sum.sh
#       sum_run lint 600 make lint
#       sum_run check 600 make check
#       sum_print
#
# To be sourced by bash. Who says nothing counts as failed: a command that prints no such line last, or that
# says that nothing failed and ends with another status than 0, adds one failure.

sum_passed=0
sum_failed=0
sum_skipped=0
sum_failures=()

sum_fail() {
        printf 'not ok %s\n' "$*"
        sum_failed=$((sum_failed + 1))
        sum_failures+=("$*")
}

# Keeps the names of what failed in the log $2 of $1, and the first lines of why: sum_print says them again at the
# end, where they are found. What the log itself says again is taken instead of where it was said first.
sum_keep_failures() {
        local name=$1 line
        local -a again=() first=()
        while IFS= read -r line; do
                again+=("${line#failed: }")
        done < <(grep -a '^failed: ' "$2")
        while IFS= read -r line; do
                first+=("$name: ${line#not ok }")
        done < <(grep -a -A 3 '^not ok ' "$2" | grep -a -E '^(not ok|#) ' | cut -c -400 | head -n 40)
        [ "${#again[@]}" -gt 0 ] || again=("${first[@]}")
        sum_failures+=("${again[@]}")
}

# Adds the last line of the log $2 of the command named $1, which ended with status $3.
sum_add() {
        local name=$1 last
        # What make itself says after a target that failed is not the target's.
        last=$(grep -a -v '^make\(\[[0-9]*\]\)\?: ' "$2" | tail -n 1)
        if [[ ! "$last" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
                sum_fail "$name: ended with status $3 and without a line \"N passed, N failed, N skipped\""
                return
        fi
        sum_passed=$((sum_passed + BASH_REMATCH[1]))
        sum_failed=$((sum_failed + BASH_REMATCH[2]))
        sum_skipped=$((sum_skipped + BASH_REMATCH[3]))
        [ "${BASH_REMATCH[2]}" -eq 0 ] || sum_keep_failures "$name" "$2"
        if [ "${BASH_REMATCH[2]}" -eq 0 ] && [ "$3" -ne 0 ]; then
                sum_fail "$name: nothing failed, but the status is $3"
        fi
}

# sum_run NAME SECONDS COMMAND [ARG...]: runs it, shows its output as it comes, and adds its last line.
sum_run() {
        local name=$1 limit=$2 log pid tail status=0 started=$SECONDS
        shift 2
        log=$(mktemp) || return 1
        printf '== %s\n' "$name"
        # In the background, so that we can be interrupted; bash would have such a command ignore SIGINT.
        env --default-signal=INT,QUIT timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
        pid=$!
        # Not a pipe: whatever the command left running would hold it open, and we would wait for that.
        tail -f -s 0.2 -n +1 --pid="$pid" "$log" &
        tail=$!
        trap 'kill "$pid" "$tail" 2>/dev/null; wait "$pid"; rm -f "$log"; exit 143' INT TERM HUP
        wait "$pid" || status=$?
        wait "$tail"
        trap - INT TERM HUP
        [ "$status" -ne 124 ] || printf '%s: killed after %s s\n' "$name" "$limit" | tee -a "$log"
        sum_add "$name" "$log" "$status"
        printf '== %s took %d s\n\n' "$name" $((SECONDS - started))
        rm -f "$log"
}

# Prints what failed and the sum; fails if anything did.
sum_print() {
        [ "${#sum_failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${sum_failures[@]}"
        printf '%d passed, %d failed, %d skipped\n' "$sum_passed" "$sum_failed" "$sum_skipped"
        [ "$sum_failed" -eq 0 ]
}

# sum_scripts DIRECTORY SECONDS [NAME...]: runs the scripts NN-*.sh of the directory in order, or only those named,
# each within so many seconds. A name is a script's, with or without .sh, or its number.
sum_scripts() {
        local directory=$1 limit=$2 name script
        local -a scripts=()
        shift 2
        [ $# -gt 0 ] || set -- '[0-9][0-9]-*'
        for name in "$@"; do
                name=$(basename "$name" .sh)
                # shellcheck disable=SC2206 # a pattern
                local -a found=("$directory"/$name.sh)
                # shellcheck disable=SC2206
                [ -e "${found[0]}" ] || found=("$directory"/$name-*.sh)
                if [ -e "${found[0]}" ]; then
                        scripts+=("${found[@]}")
                elif [ "$name" != '[0-9][0-9]-*' ]; then
                        printf 'no test script %s in %s\n' "$name" "$directory" >&2
                        return 2
                fi
        done
        [ "${#scripts[@]}" -gt 0 ] || sum_fail "no test scripts in $directory"
        for script in "${scripts[@]}"; do
                sum_run "$(basename "$script")" "$limit" bash "$script"
        done
        sum_print
}
