#!/bin/bash
# Who may do what on the control socket (T51), and what abuse of it does to the others (T52, T53): nothing.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61031
d_tenant globex 61032
engine=$(d_engine)

# Not d_case: these jobs are for all cases.
# A job of each tenant that runs, and one of each that has ended.
gate=$(d_gate_make authz)
echo "$gate" >"$D/stage/gate"
running_acme=$(ctl run -t acme -- sh -c "echo of-acme; read x <$gate; exit 0")
running_globex=$(ctl run -t globex -- sh -c "echo of-globex; read x <$gate; exit 0")
ended_acme=$(ctl run -t acme -q q2 -- sh -c 'echo ended-of-acme')
verdict "$ended_acme" >/dev/null
t_wait 5 d_state_is "$running_acme" running
t_wait 5 d_state_is "$running_globex" running
printf '[Job]\nExecStart=/bin/true\nQueue=submitted\n' >"$D/stage/job"
chmod 644 "$D/stage/job"

# Who: name → uid, gid[,groups].
declare -A callers=(
        [root]="0 0" [root-without-groups]="0 12345" [admin]="61099 61099,$D_ADMIN_GID" [admin-primary]="61098 $D_ADMIN_GID"
        [owner]="61031 61031" [other]="61032 61032" [nobody]="65534 65534" [stranger]="61050 61031"
)

# does WHO ARG…: the exit status.
does() {
        local caller=${callers[$1]} status=0
        shift
        # shellcheck disable=SC2086 # two words
        D_TIMEOUT=10 ctl_as $caller "$@" >"$D/stage/out" 2>&1 || status=$?
        echo "$status"
}

# The table: exit status of each verb for each of them. `stranger` has the owner's group, which counts for nothing.
matrix() {
        local verb line names=(root root-without-groups admin admin-primary owner other nobody stranger) n got bad=
        while read -r -a line; do
                [ "${#line[@]}" -gt 0 ] || continue
                verb=${line[*]:8}
                verb=${verb//ACME/$running_acme}
                verb=${verb//ENDED/$ended_acme}
                verb=${verb//FILE/$D/stage/job}
                for n in "${!names[@]}"; do
                        # shellcheck disable=SC2086 # words
                        got=$(does "${names[n]}" $verb)
                        [ "$got" = "${line[n]}" ] || bad+="${names[n]}: $verb: $got instead of ${line[n]}: $(tail -n 1 "$D/stage/out")"$'\n'
                done
        done <<'END'
0 0 0 0 0 0 6 6 ps
0 0 0 0 0 0 6 6 ps -a
0 0 0 0 0 5 6 6 ps acme
0 0 0 0 0 5 5 5 status ACME
0 0 0 0 0 5 5 5 status ENDED
0 0 0 0 0 5 5 5 status --spec ACME
0 0 0 0 0 5 5 5 logs ACME
0 0 0 0 0 5 5 5 requeue --dry-run ACME
3 3 3 3 3 5 5 5 requeue ENDED
0 0 0 0 0 5 5 5 wait ENDED
0 0 0 0 0 5 5 5 logs ENDED
0 0 0 0 0 0 0 0 tenants
0 0 0 0 0 5 5 5 submit -t acme FILE
5 5 5 5 0 0 5 5 submit FILE
0 0 0 0 0 5 5 5 run -t acme -w -q w -- true
0 0 0 0 0 5 5 5 limits get acme
0 0 0 0 6 6 6 6 limits set acme concurrency=3
0 0 0 0 6 6 6 6 limits set acme/etl concurrency=3
0 0 0 0 6 6 6 6 limits unset acme/etl concurrency
0 0 0 0 6 6 6 6 limits unset acme concurrency
0 0 0 0 0 5 5 5 explain ACME
0 0 0 0 0 0 6 6 queue
0 0 0 0 0 5 6 6 queue acme
0 0 0 0 0 0 6 6 dead list
0 0 0 0 0 5 6 6 dead list acme
0 0 0 0 0 5 6 6 dead list acme/q2
0 0 0 0 0 5 5 5 dead show ENDED
3 3 3 3 3 5 5 5 dead retry ENDED
3 3 3 3 3 5 5 5 dead purge ENDED
0 0 0 0 0 5 6 6 dead retry acme
0 0 0 0 0 5 6 6 dead purge acme
3 3 3 3 3 5 5 5 rerun ACME
0 0 0 0 0 5 5 5 rerun ENDED
0 0 0 0 0 0 6 6 export
0 0 0 0 6 6 6 6 events
0 0 0 0 6 6 6 6 ledger check
0 0 0 0 6 6 6 6 ledger export
0 0 0 0 6 6 6 6 pause acme
0 0 0 0 6 6 6 6 resume acme
0 0 0 0 6 6 6 6 drain host
0 0 0 0 6 6 6 6 resume host
0 0 0 0 6 6 6 6 reload
0 0 6 6 6 6 6 6 tenant remove --dry-run acme
4 4 6 6 6 6 6 6 tenant rename --dry-run acme other
5 5 6 6 6 6 6 6 tenant remove --cancel nobody
5 5 6 6 6 6 6 6 tenant chown nobody 61039
3 3 6 6 6 6 6 6 tenant keep acme
END
        t_eq "$bad" "" "differences"
        t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' "the limits of acme"
}

# What a list shows: of the others nothing, not even that they exist.
lists_are_filtered() {
        local out
        out=$(ctl_as 61032 61032 ps -a; ctl_as 61032 61032 --json ps -a; ctl_as 61032 61032 tenants; ctl_as 61032 61032 status)
        [[ "$out" == *globex* ]] || t_fail "nothing of its own"
        [[ "$out" != *acme* ]] || t_fail "something of another tenant's: $out"
        t_eq "$(ctl_as 65534 65534 --json tenants | d_json 'j["tenants"]')" "[]" "tenants for nobody"
}

# Somebody else's job: the same words and the same code as for a number that never was.
foreign_is_nonexistent() {
        local verb job uid want got status
        for uid in 61032 65534; do
                for verb in status logs "logs -f" wait cancel "dead show" "dead retry" "dead purge" rerun; do
                        status=0
                        # shellcheck disable=SC2086 # words
                        want=$(ctl_as "$uid" "$uid" $verb 987654 2>&1) || status=$?
                        want="$status ${want//987654/N}"
                        for job in "$running_acme" "$ended_acme"; do
                                status=0
                                # shellcheck disable=SC2086 # words
                                got=$(ctl_as "$uid" "$uid" $verb "$job" 2>&1) || status=$?
                                t_eq "$status ${got//$job/N}" "$want" "$verb of somebody else's job by $uid"
                        done
                done
        done
        for job in acme no-such-tenant; do
                t_eq "$(ctl_as 61032 61032 limits get "$job" 2>&1 | sed "s/$job/T/")" 'tenantqctl: no tenant "T"' "limits get $job"
                t_eq "$(ctl_as 61032 61032 ps "$job" 2>&1 | sed "s/$job/T/")" 'tenantqctl: no tenant "T"' "ps $job"
        done
        d_state_is "$running_acme" running || t_fail "the job does not run any more"
        for job in 0 -1 18446744073709551615 9223372036854775808 ''; do
                t_eq "$(does root cancel -- "$job")" 2 "cancel '$job'"
        done
        t_eq "$(does root cancel -- x)" 5 "cancel of a tenant that is not there"
}

# A job is its tenant's, and who submitted it is recorded.
submits_for_itself() {
        local job
        job=$(ctl_as 61031 61031 run -q own -- id -u)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job") $(d_field "$job" "Submitted by")" "61031 61031" "who it ran as, and who submitted it"
        job=$(ctl_as 61099 "61099,$D_ADMIN_GID" run -t acme -q own -- id -u)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job") $(d_field "$job" "Submitted by")" "61031 61099" "who it ran as, and who submitted it"
}

cancels_its_own() {
        local job
        job=$(ctl_as 61032 61032 run -q c -- sleep 300)
        t_wait 5 d_state_is "$job" running
        t_eq "$(does owner cancel "$job")" 5 "another tenant's cancel"
        t_eq "$(does nobody cancel "$job")" 5 "nobody's cancel"
        d_state_is "$job" running || t_fail "cancelled by somebody else"
        t_eq "$(does other cancel "$job")" 0 "its owner's cancel"
        t_eq "$(verdict "$job")" cancelled
        job=$(ctl run -t globex -q c -- sleep 300)
        t_eq "$(does admin cancel "$job")" 0 "an administrator's cancel"
        t_eq "$(verdict "$job")" cancelled
}

# The paths: nobody replaces the socket, reads another's output or writes into the configuration.
paths_are_safe() {
        t_eq "$(stat -c '%u %a' "$D/run")" "0 755" "directory of the socket"
        t_eq "$(stat -c '%F %u' "$D/run/control.sock")" "socket 0" "the socket"
        t_eq "$(stat -c '%u %a' "$D/state/results" "$D/spool/.claims" | sort -u)" "0 700" "results and claims"
        t_eq "$(stat -c '%u %a' "$D/state/ledger")" "$D_ENGINE_UID 700" "the ledger"
        t_eq "$(stat -c '%u %g %a' "$D/logs/acme")" "0 0 750" "the logs of acme"
        # Its uid alone: not whoever has its group.
        setpriv --reuid 61031 --regid 61031 --clear-groups cat "$D/logs/acme/$ended_acme.1.out" | grep -q ended-of-acme
        ! setpriv --reuid 61050 --regid 61031 --clear-groups cat "$D/logs/acme/$ended_acme.1.out" 2>/dev/null ||
                t_fail "readable for somebody with the tenant's group"
}

# The engine is nobody in particular.
engine_has_no_privilege() {
        local status=/proc/$engine/status
        t_eq "$(awk '/^Uid:|^Gid:/ { print $2, $3, $4, $5 }' "$status" | sort -u)" \
                "$D_ENGINE_UID $D_ENGINE_UID $D_ENGINE_UID $D_ENGINE_UID" ids
        t_eq "$(awk '/^Cap/ { print $2 }' "$status" | sort -u)" 0000000000000000 capabilities
        t_eq "$(awk '/^NoNewPrivs|^Seccomp:/ { print $2 }' "$status" | paste -sd' ')" "1 2" "no_new_privs and seccomp"
        t_eq "$(awk '/^Groups:/ { $1 = ""; print }' "$status" | tr -d ' ')" "" groups
}

# Abuse (T52, T53) ----------------------------------------------------------------------------

harmless() {
        t_eq "$(d_engine)" "$engine" "pid of the engine"
        t_eq "$(ctl_as 61032 61032 run -w -q harmless -- echo fine)" fine "another user's job"
}

# abuse UID SCRIPT [ARG…]: Python as that user; `path` is the socket's.
abuse() {
        local uid=$1 script=$2
        shift 2
        timeout 20 setpriv --reuid "$uid" --regid "$uid" --clear-groups "$D_PYTHON" -c "import os, random, socket, struct, sys, time
path = '$TENANTQ_SOCKET'
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(5)
    return s
$script" "$@"
}

too_many_connections() {
        local holder
        abuse 61050 '
held = [connect() for i in range(200)]
time.sleep(0.3)
closed = 0
for s in held:
    s.setblocking(False)
    try:
        closed += s.recv(1) == b""
    except BlockingIOError:
        pass
    except ConnectionResetError:
        closed += 1
print(closed, flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)' "$D/stage/release" >"$D/stage/closed" &
        holder=$!
        t_wait 5 test -s "$D/stage/closed"
        [ "$(cat "$D/stage/closed")" -ge 100 ] || t_fail "of 200 connections of one user $(cat "$D/stage/closed") were closed"
        harmless
        t_eq "$(ctl_as 61031 61031 run -w -q many -- echo fine)" fine "a third user"
        touch "$D/stage/release"
        wait "$holder"
        # And the user himself, when they have gone.
        t_wait 5 is_served_again
}

is_served_again() {
        [ "$(does stranger tenants)" = 0 ]
}

garbage() {
        local before
        before=$(find "/proc/$engine/fd" -mindepth 1 | wc -l)
        abuse 61050 '
random.seed(2)
auth = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
def header(length, fields, serial=1, kind=1, endian=b"l"):
    return struct.pack("<cBBBIII", endian, kind, 0, 1, length, serial, fields)
cases = [b"", b"\0", b"x", b"\0" * 4096, b"\xff" * 4096, b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH ANONYMOUS\r\n", auth[:20],
         auth + b"\0" * 100, auth + b"\xff" * 100, auth + header(0xffffffff, 0), auth + header(0, 0xffffffff),
         auth + header(0x7fffffff, 0x7fffffff), auth + header(1 << 27, 16) + b"\0" * 100, auth + header(0, 8) + b"\1\1o\0\xff\xff\xff\x7f",
         auth + header(0, 0, endian=b"x"), auth + header(0, 0, kind=0), auth + header(0, 0, kind=77), b"\0AUTH EXTERNAL " + b"3" * 100000]
for n in range(150):
    cases.append(auth + random.randbytes(random.randrange(1, 2000)))
for case in cases:
    s = connect()
    try:
        s.sendall(case)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(0.05)
        while s.recv(4096):
            pass
    except OSError:
        pass
    s.close()'
        harmless
        t_wait 5 no_more_fds_than $((before + 4))
}

no_more_fds_than() {
        [ "$(find "/proc/$engine/fd" -mindepth 1 | wc -l)" -le "$1" ]
}

# Another user's number in the handshake is not believed: the kernel's is.
spoofed_credentials() {
        local said
        said=$(abuse 61050 '
s = connect()
s.sendall(b"\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
time.sleep(0.2)
try:
    print(s.recv(4096)[:8].decode(errors="replace"))
except OSError:
    print("closed")')
        [[ "$said" != OK* ]] || echo "accepted the handshake; the verbs must decide by SO_PEERCRED all the same"
        t_eq "$(does stranger reload)" 6 "reload by a stranger"
        harmless
}

# Descriptors that nobody asked for, half a message for ever, an answer that nobody reads.
descriptors_and_slow_readers() {
        local before
        before=$(find "/proc/$engine/fd" -mindepth 1 | wc -l)
        abuse 61050 '
auth = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
null = os.open("/dev/null", os.O_RDONLY)
for n in range(20):
    s = connect()
    try:
        s.sendall(auth)
        socket.send_fds(s, [b"l\1\0\1" + b"\0" * 4], [null] * 100)
        socket.send_fds(s, [b"\0"], [null] * 253)
    except OSError:
        pass
    s.close()
slow = [connect() for n in range(20)]
for s in slow:
    s.sendall(auth + b"l\1\0\1\xff")
time.sleep(0.5)'
        harmless
        t_wait 5 no_more_fds_than $((before + 4))
}

# Who waits and goes away, a thousand times.
waiters_come_and_go() {
        local i
        for i in {1..30}; do
                timeout 0.1 setpriv --reuid 61031 --regid 61031 --clear-groups "$D/bin/tenantqctl" wait "$running_acme" >/dev/null 2>&1 &
        done
        wait
        t_eq "$(ctl_as 61031 61031 run -w -q waiters -- echo fine)" fine "the same user afterwards"
        harmless
}

large_submission() {
        "$D_PYTHON" -c 'print("[Job]\nExecStart=/bin/true\n#" + "x" * 70000)' >"$D/stage/large"
        t_eq "$(does owner submit "$D/stage/large")" 3 "submit of a file that is too large"
        # Past tenantqctl's own check.
        if command -v busctl >/dev/null; then
                ! busctl --address="unix:path=$TENANTQ_SOCKET" call org.tenantq /org/tenantq org.tenantq.Manager1 Submit say acme \
                        3 1 2 3 2>/dev/null || t_fail "three bytes were taken for a job"
        fi
        harmless
}

ends_well() {
        d_gate_open authz
        t_eq "$(verdict "$running_acme")" "exit 0"
        t_eq "$(verdict "$running_globex")" "exit 0"
        t_wait 10 d_is_idle
        t_eq "$(d_engine)" "$engine" "pid of the engine"
        no_leftovers
}

t_case "each verb for each user (T51)" matrix
t_case "lists show nothing of others (T51)" lists_are_filtered
t_case "somebody else's job is one that does not exist (T51)" foreign_is_nonexistent
t_case "who submits, and for whom" submits_for_itself
t_case "cancel is for owner and administrators" cancels_its_own
t_case "owners and modes" paths_are_safe
t_case "the engine has no privilege" engine_has_no_privilege
t_case "too many connections of one user (T53)" too_many_connections
t_case "garbage on the socket (T52)" garbage
t_case "spoofed credentials (T52)" spoofed_credentials
t_case "descriptors and slow readers (T52, T53)" descriptors_and_slow_readers
t_case "waiters come and go" waiters_come_and_go
t_case "large submissions" large_submission
t_case "all jobs end well" ends_well
d_report
t_summary
