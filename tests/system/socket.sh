# shellcheck shell=bash
# tests/system/socket.sh - mischief on the control socket, and whether others notice; to be sourced.
#
#       #!/bin/bash
#       . "$(dirname "$0")/socket.sh"
#       s_init
#       s_case … ; s_report ; t_summary
#
# Nobody harms others by the control socket: what each may have is bounded, and who wants more is told so.
# Eight tenants: all but `quiet` do mischief; `quiet` is the one that must not notice.

# shellcheck source=daemon.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

case_name=
crowd=(many t2 t3 t4 t5 t6 t7)
declare -A uid=([many]=61701 [t2]=61702 [t3]=61703 [t4]=61704 [t5]=61705 [t6]=61706 [t7]=61707 [quiet]=61708)
# shellcheck disable=SC2034 # for who sources this
stranger=61750
later='StartAfter=2099-01-01 00:00'

s_init() {
        local name
        # shellcheck disable=SC2119 # none are wanted
        d_init
        install -m 0644 "$D_TOP/tests/system/bus.py" "$D/payload/" || exit 1
        d_start
        for name in "${crowd[@]}" quiet; do
                d_tenant "$name" "${uid[$name]}"
        done
        engine=$(d_engine)
}

# later_jobs NAME…: a job of each of these tenants that does not start; its number is in $D/stage/later.NAME.
later_jobs() {
        local name
        printf '[Job]\nExecStart=/bin/true\n%s\n' "$later" >"$D/stage/later"
        for name in "$@"; do
                ctl submit -t "$name" "$D/stage/later" >"$D/stage/later.$name"
        done
}

# Callers -------------------------------------------------------------------------------------

# abuse UID SCRIPT [ARG…]: Python as that user.
abuse() {
        local who=$1 script=$2
        shift 2
        PYTHONPATH=$D/payload PYTHONDONTWRITEBYTECODE=1 timeout "${D_TIMEOUT:-60}" \
                setpriv --reuid "$who" --regid "$who" --clear-groups \
                "$D_PYTHON" -c "from bus import *
$script" "$@"
}

# What a case leaves in the background ends with it, also when it fails; but not a daemon that it has started.
no_trail() {
        rm -f "$D"/stage/{release,said}.* "$D"/stage/*.{out,err,pid}
        trap end_trail EXIT
}

end_trail() {
        local pid daemon
        daemon=$(d_pid)
        for pid in $(jobs -p); do
                [ "$pid" != "$daemon" ] || continue
                kill "$pid" 2>/dev/null || true
                wait "$pid" || true
        done
}

# start_abuse NAME UID SCRIPT [ARG…]: in the background, until_released; returns when it has said something.
start_abuse() {
        local name=$1
        shift
        RELEASE=$D/stage/release.$name abuse "$@" >"$D/stage/said.$name" &
        echo $! >"$D/stage/abuser.$name"
        t_wait 40 has_spoken "$name"
}

has_spoken() {
        [ -s "$D/stage/said.$1" ] || ! kill -0 "$(cat "$D/stage/abuser.$1")" 2>/dev/null
}

said() {
        cat "$D/stage/said.$1"
}

has_said_or_ended() {
        grep -q "$2" "$D/stage/said.$1" || ! kill -0 "$(cat "$D/stage/abuser.$1")" 2>/dev/null
}

# It must end well, too.
end_abuse() {
        touch "$D/stage/release.$1"
        wait "$(cat "$D/stage/abuser.$1")" || t_fail "the caller $1 ended with $?"
}

# Calls ---------------------------------------------------------------------------------------

# within MS COMMAND [ARG…]: it succeeds, and that soon. What it says is in $D/stage/within.
within() {
        local limit=$1 start took
        shift
        start=$(now_ms)
        "$@" >"$D/stage/within" 2>&1 || t_fail "exit status $? of: $* ($(tail -n 1 "$D/stage/within"))"
        took=$(($(now_ms) - start))
        [ "$took" -lt "$limit" ] || t_fail "it took $took ms: $*"
        echo "$took" >"$D/stage/took"
}

as() {
        local name=$1
        shift
        ctl_as "${uid[$name]}" "${uid[$name]}" "$@"
}

admin() {
        ctl_as 61799 "61799,$D_ADMIN_GID" "$@"
}

# others_are_served MS: and with the same engine.
others_are_served() {
        within "$1" as quiet run -w -q served -- true
        within "$1" ctl ps quiet
        within "$1" admin ps quiet
        t_eq "$(d_engine)" "$engine" "pid of the engine"
}

serves() {
        "$@" >/dev/null 2>&1
}

# is_busy COMMAND [ARG…]: the client says what is used up.
is_busy() {
        local status=0 words
        words=$("$@" 2>&1 >/dev/null) || status=$?
        [ "$status" -eq 9 ] || {
                echo "exit status $status instead of 9: $words" >&2
                return 1
        }
        t_match "$words" '(connection|wait|caller)' "what it says"
}

# The engine ----------------------------------------------------------------------------------

# The most memory that it had since mark_memory, beyond what it had then.
mark_memory() {
        echo 5 >"/proc/$engine/clear_refs"
        awk '/^VmHWM/ { print $2 }' "/proc/$engine/status" >"$D/stage/memory"
}

# memory_grew_less_than MIB
memory_grew_less_than() {
        local peak grown
        peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$engine/status")
        grown=$(((peak - $(cat "$D/stage/memory")) / 1024))
        note "the engine had $grown MiB more for a time (at most $1)"
        d_is_sanitized || [ "$grown" -lt "$1" ] || t_fail "the engine grew by $grown MiB"
}

# Cases ---------------------------------------------------------------------------------------

# For the end of the script: what was measured, also when all is well.
note() {
        echo "$case_name: $*" | tee -a "$D/notes"
}

# The cases share jobs (so not d_case). What a failed one did to the daemon is not the next one's to bear.
s_case() {
        local failed=$t_failed
        case_name=$1
        t_case "$@"
        [ "$t_failed" -eq "$failed" ] || (start_afresh)
        engine=$(d_engine)
}

# Also if it has fallen, or if an engine that died with much memory has the lock on the ledger for a while.
start_afresh() {
        ! d_is_ours "$(d_pid)" || (d_stop)
        (d_start) || {
                sleep 5
                d_start
        }
}

# d_report, and what was noted.
s_report() {
        [ ! -s "$D/notes" ] || sed 's/^/# /' "$D/notes"
        d_report
}
