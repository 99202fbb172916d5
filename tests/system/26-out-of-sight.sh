#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs that try to get out by what is around them: files, devices, sockets, the network; that leave something behind;
# and those that run as root (T33, T37-T39, T41).

# shellcheck source=contained.sh
. "$(dirname "$0")/contained.sh"

c_init
c_start

# Files ---------------------------------------------------------------------------------------

# probed PLACE: what both find; PLACE is the error where only root could write.
probed() {
        cat <<END
reads:
writes:
/proc/sys/kernel/core_pattern: $1
/sys/fs/cgroup/cgroup.procs: $1
/etc/passwd: $1
the next process's number: $2
a lower oom_score_adj: EACCES
a higher one: done
and back: done
a map of users: EPERM
a lower nice value: EACCES
a real-time policy: EPERM
a higher CORE: EINVAL
a higher MEMLOCK: EINVAL
a higher NICE: EINVAL
a higher RTPRIO: EINVAL
a higher MSGQUEUE: EINVAL
a cgroup: EROFS
a directory in /proc: ENOENT
a directory in /sys: EROFS
a directory in /dev: EROFS
a directory in /run: EROFS
a directory in /: EROFS
modes of devices: EROFS
times of devices: EROFS
a node of memory: EPERM
a node of tun: EPERM
a node of fuse: EPERM
a node of disk: EPERM
a pipe: done
a setuid bit: done
an owner: EPERM
a capability: EPERM
END
}

kernel_files() {
        probed EACCES EPERM | says "$(intrude acme probe)"
        probed EROFS EROFS | says "$(intrude ops probe)"
}

# Beside what was granted, its own processes and the devices, nothing can be written; of /proc, root's owns what
# capabilities guard.
nothing_else_is_writable() {
        says "$(intrude acme writable | grep -v '^/proc/pressure/')" <<'END'
/proc/sys/kernel/ns_last_pid
/dev/tty
/dev/urandom
/dev/random
/dev/full
/dev/zero
/dev/null
/dev/shm/
/dev/pts/ptmx
END
        says "$(intrude ops writable | grep -v '^/proc/pressure/')" <<'END'
/proc/mtrr
/dev/tty
/dev/urandom
/dev/random
/dev/full
/dev/zero
/dev/null
/dev/shm/
/dev/pts/ptmx
/dev/pts/
END
}

devices_are_few() {
        says "$(intrude acme devices)" <<'END'
fd:lrwxrwxrwx
full:crw-rw-rw-
null:crw-rw-rw-
ptmx:lrwxrwxrwx
pts:drwxr-xr-x
random:crw-rw-rw-
shm:drwxrwxrwt
stderr:lrwxrwxrwx
stdin:lrwxrwxrwx
stdout:lrwxrwxrwx
tty:crw-rw-rw-
urandom:crw-rw-rw-
zero:crw-rw-rw-
END
}

programs_stay() {
        local tenant error
        for tenant in acme:EACCES ops:EROFS; do
                error=${tenant#*:}
                for program in tenantq-exec tenantqd; do
                        # Executed as they are, they can't be written anyway.
                        printf '%s\n' "writes $program: ${error/EROFS/ETXTBSY}" "empties $program: $error" \
                                "removes $program: EROFS" "replaces $program: EXDEV"
                done >"$D/stage/programs"
                printf '%s init'"'"'s: ENOENT\n' reads "name of" writes >>"$D/stage/programs"
                says "$(intrude "${tenant%:*}" programs "$D/bin/tenantq-exec" "$D/bin/tenantqd")" <"$D/stage/programs"
        done
        # What the loader would be told isn't asked by a static program.
        echo x >"$D/shared/x.so"
        printf '[Job]\nExecStart=/bin/true\nEnvironment=LD_PRELOAD=%s LD_AUDIT=%s\n' "$D"/shared/x.so{,} >"$D/stage/preload"
        t_eq "$(verdict "$(ctl submit -t acme "$D/stage/preload")")" "exit 0"
}

# What is other tenants' or tenantq's, and what root's own files in their surroundings say.
others_are_hidden() {
        says "$(intrude acme directories "$D"/{spool,logs,state,run,etc,home,home/acme} /root /run /home)" <<'END'
spool has:
logs has:
state has:
run has:
etc has:
home has: acme
acme has:
root has:
run has:
home has:
END
        printf '[Job]\nExecStart=/bin/sh -c "grep -rlsF %s[%s] %s /root /run /home /tmp /var/tmp; exit 0"\n' \
                "${C_CANARY%?}" "${C_CANARY: -1}" "$D" | sed 's/grep -rlsF/grep -rls/' >"$D/stage/grep"
        job=$(ctl submit -t acme "$D/stage/grep")
        t_eq "$(verdict "$job") $(ctl logs "$job" 2>/dev/null)" "exit 0 " "where a job reads the canary"
}

# What a job's tenant has been granted, as it is when the job starts; else jobs share what the first one made.
grants_are_of_now() {
        local tenant
        # device TENANT: of what hides /run; one for each time that it is made.
        device() {
                # shellcheck disable=SC2016 # awk's
                ctl run -w -t "$1" -C / -- awk '$5 == "/run" { print $3 }' /proc/self/mountinfo 2>/dev/null
        }
        for tenant in acme wide ops; do
                t_eq "$(device "$tenant")" "$(device "$tenant")" "what $tenant's jobs share"
        done
        # A home that was given to somebody else, though its group may still write it.
        chown 0 "$D/home/acme"
        chmod 0770 "$D/home/acme"
        t_eq "$(ctl run -w -t acme -C / -- ls -A "$D/home" 2>/dev/null)" ""
        t_eq "$(device acme)" "$(device acme)" "what acme's jobs share then"
        # And the one that came in its place.
        mv "$D/home/acme" "$D/home/acme.old"
        install -d -m 0700 -o "$C_ACME" -g "$C_ACME" "$D/home/acme"
        ctl run -w -t acme -- touch "$D/home/acme/f"
        rm "$D/home/acme/f" || t_fail "the job wrote elsewhere"
        t_eq "$(device acme)" "$(device acme)" "what acme's jobs share at last"
}

# Renamed and made anew, also by tenantqd itself: they stay hidden.
hidden_ones_are_made_anew() {
        mkdir -p "$D/private/inner"
        sed -i "s|^\[scheduler\]|hidden_paths=$D/private $D/private/inner $D/private.later\n&|" "$D/etc/tenantq.conf"
        ctl reload >/dev/null
        ctl run -w -t acme -- true
        mv "$D/private" "$D/private.old"
        mkdir -p "$D"/{private,private.later}
        touch "$D"/{private,private.later}/secret
        mv "$D/logs" "$D/logs.old"
        t_wait 5 test -d "$D/logs"
        ctl run -w -t globex -- true
        says "$(intrude acme directories "$D"/{private,private.later,logs})" <<'END'
private has:
private.later has:
logs has:
END
}

explains() {
        ctl explain "$1" | grep -F -- "$2" >/dev/null
}

# Where others' homes lie is hidden from all jobs; what a tenant makes of the way to its own is nobody else's matter.
homes_in_the_way() {
        local job
        d_tenant deep "$C_DEEP"
        ctl limits set deep concurrency=8 >/dev/null
        says "$(intrude acme directories "$D"/home)" <<<"home has: acme"
        t_eq "$(ctl run -w -t deep -- sh -c 'echo x >~/f && ls ~' 2>/dev/null)" f
        # shellcheck disable=SC2016 # expanded by the inner shell
        as_user "$C_DEEP" sh -c 'cd "$1" && mv sub elsewhere && ln -s /usr sub' _ "$D/home/deep"
        ctl reload >/dev/null
        job=$(ctl run -t deep -C / -- true)
        t_wait 5 explains "$job" "sandbox: the home: $D/home/deep/sub/home: Too many levels of symbolic links"
        ctl cancel "$job"
        t_eq "$(ctl run -w -t globex -- ls -A "$D/home" 2>/dev/null)" globex
        says "$(intrude acme directories "$D"/home)" <<<"home has: acme"
}

# What is left behind -------------------------------------------------------------------------

found_nothing() {
        cat <<END
shared memory: ENOENT
semaphores: ENOENT
messages: ENOENT
a message queue: ENOENT
shm: 0
sem: 0
msg: 0
/tmp:
/var/tmp:
/dev/shm:
the abstract name: $1
the port: $1
processes: 1
END
}

nothing_is_left() {
        local job
        job=$(intrude_until leave acme leave)
        # Meanwhile the tenant's other job shares its loopback and its files, and nothing else; others nothing at all.
        { found_nothing "done" && echo "the lock: EAGAIN" && echo "the record: EAGAIN"; } | says "$(intrude acme find)"
        found_nothing ECONNREFUSED | says "$(intrude globex find)"
        found_nothing ECONNREFUSED | says "$(intrude ops find)"
        c_manifest >"$D/stage/meanwhile"
        t_eq "$(grep -cF "$C_MARK" "$D/stage/meanwhile" || true)" 0 "what the host sees of it"
        go leave
        t_eq "$(verdict "$job")" "exit 0"
        { found_nothing ECONNREFUSED && echo "the lock: done" && echo "the record: done"; } | says "$(intrude acme find)"
}

# While a job has as many as it gets, the host has as many as ever.
host_has_room() {
        local exhausts terminals
        exhausts=$(intrude_until exhaust acme exhaust)
        terminals=$(intrude_until terminals acme terminals)
        "$D_PYTHON" -c 'import os, pty, ctypes
libc = ctypes.CDLL(None)
for make, control, remove in (("shmget", "shmctl", (0, 0)), ("semget", "semctl", (0, 0, 0)), ("msgget", "msgctl", (0, 0))):
    one = getattr(libc, make)(0, *((4096, 0o600) if make == "shmget" else (1, 0o600) if make == "semget" else (0o600,)))
    assert one >= 0, make
    assert getattr(libc, control)(one, *remove) == 0, control
name = b"/host-of-" + os.fsencode(os.sys.argv[1])
assert libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None) >= 0 and libc.mq_unlink(name) == 0
[pty.openpty() for i in range(8)]' "$C_MARK"
        says "$(intrude globex exhaust)" <<'END'
shared memory: some ENOSPC
semaphores: some ENOSPC
messages: some ENOSPC
message queues: some EMFILE
END
        served
        go exhaust
        go terminals
        t_eq "$(verdict "$exhausts") $(verdict "$terminals")" "exit 0 exit 0"
        t_eq "$(ctl logs "$terminals" 2>/dev/null)" "64 ENOSPC" "terminals of one job"
}

# Network -------------------------------------------------------------------------------------

# Somebody on the host who listens, on both loopbacks, on an abstract name and below /run: on what is in
# $D/listener, then.
listen_on_host() {
        "$D_PYTHON" - "$C_MARK" "$D/listener" "/run/$C_MARK" <<'END' &
import os, socket, sys, time
name, file, run = sys.argv[1:]
os.mkdir(run)
sockets = [socket.socket(f) for f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_UNIX)]
sockets[0].bind(("127.0.0.1", 0))
port = sockets[0].getsockname()[1]
sockets[1].bind(("::1", port))
sockets[2].bind("\0" + name)
sockets[3].bind(run + "/socket")
os.chmod(run + "/socket", 0o666)
for s in sockets:
    s.listen()
with open(file + ".new", "w") as f:
    f.write(str(port))
os.rename(file + ".new", file)
time.sleep(60)
END
        trap stop_listening EXIT
        t_wait 5 test -s "$D/listener"
}

stop_listening() {
        kill %% 2>/dev/null || true
        rm -rf "/run/$C_MARK" "$D/listener"
        c_end_outside
}

network_is_a_loopback() {
        local port
        listen_on_host
        port=$(cat "$D/listener")
        says "$(intrude acme network "$port" "$C_MARK")" <<'END'
interfaces: lo
its loopback: done
its loopback, IPv6: done
routes: 0
elsewhere: ENETUNREACH
elsewhere, IPv6: ENETUNREACH
elsewhere, datagrams: ENETUNREACH
the port outside: ECONNREFUSED
the port outside, IPv6: ECONNREFUSED
the abstract name outside: ECONNREFUSED
a privileged port: EACCES
an interface: EPERM
an address: EPERM
families: 1 2 10 16
pairs: 1
netlink: 0
a raw socket: EPERM
END
        # Root's, with the same network.
        intrude ops network "$port" "$C_MARK" | grep -E 'outside|elsewhere:|an interface|raw' >"$D/stage/network"
        says "$(cat "$D/stage/network")" <<'END'
elsewhere: ENETUNREACH
the port outside: ECONNREFUSED
the port outside, IPv6: ECONNREFUSED
the abstract name outside: ECONNREFUSED
an interface: EPERM
a raw socket: EPERM
END
        stop_listening
}

# Whoever listens is another tenant's job, or this tenant's while this one has a network of its own.
networks_are_apart() {
        local job private
        job=$(intrude_until listens globex listen-both 7452 "$C_MARK")
        intrude acme network 7452 "$C_MARK" | grep outside >"$D/stage/network"
        says "$(cat "$D/stage/network")" <<'END'
the port outside: ECONNREFUSED
the port outside, IPv6: ECONNREFUSED
the abstract name outside: ECONNREFUSED
END
        t_match "$(intrude globex network 7452 "$C_MARK")" 'the port outside: done' "whose it is"
        printf '[Job]\nExecStart=%s\n[Sandbox]\nPrivateNetwork=yes\n' "$D_PYTHON $D/payload/intruder.py network 7452 $C_MARK" \
                >"$D/stage/private"
        private=$(ctl submit -t globex "$D/stage/private")
        t_eq "$(verdict "$private")" "exit 0"
        t_eq "$(ctl logs "$private" 2>/dev/null | grep -c 'outside.*: ECONNREFUSED')" 3 "its own, with PrivateNetwork="
        go listens
        t_eq "$(verdict "$job")" "exit 0"
}

services_are_hidden() {
        listen_on_host
        says "$(intrude acme services "/run/$C_MARK/socket" "$D/run/control.sock" /run/dbus/system_bus_socket \
                /run/systemd/{private,journal/socket,userdb/io.systemd.DynamicUser} /dev/log /var/run/docker.sock)" <<END
$C_MARK/socket: ENOENT
run/control.sock: ENOENT
dbus/system_bus_socket: ENOENT
systemd/private: ENOENT
journal/socket: ENOENT
userdb/io.systemd.DynamicUser: ENOENT
dev/log: ENOENT
run/docker.sock: ENOENT
/run:
/home:
/root:
/var/run:
END
        stop_listening
}

# Root ----------------------------------------------------------------------------------------

root_is_contained() {
        local other
        other=$(intrude_until other acme nothing)
        # shellcheck disable=SC2046 # words
        says "$(intrude ops root "$D" "$(d_pid)" "$(d_engine)" $(d_pids "$other") 1000000)" <<'END'
capabilities: 0000000000000000
kills those of the host: ESRCH
kills init: EPERM
becomes another user: EPERM
gets groups: EPERM
writes where it has no grant: EROFS
makes a file there: EROFS
removes one: EROFS
makes a file in /etc: EROFS
changes a mode: EROFS
a time: EROFS
a name: EROFS
into its home: EXDEV
a lock of tenantq's: ENOENT
another's home: ENOENT
the control socket: ENOENT
mode of its input: EROFS
leaves its cgroup: EROFS
a remount: EPERM
a mount: EPERM
an unmount: EPERM
another root: EPERM
other namespaces: EPERM
init's: ENOENT
init's root: ENOENT
a handle: EPERM
the clock: EPERM
the host's name: EPERM
END
        go other
        t_eq "$(verdict "$other")" "exit 0"
}

# What capabilities would open, also before its program runs: directories of others that are closed.
root_goes_nowhere_else() {
        local job
        install -d -m 0700 -o "$C_GLOBEX" "$D/vault.globex"
        install -d -m 0755 -o "$C_GLOBEX" "$D/vault.globex/open"
        echo "$C_CANARY" >"$D/vault.globex/open/canary"
        install -d "$D/shared/place"
        job=$(printf '[Job]\nExecStart=/bin/cat canary\nWorkingDirectory=%s\n' "$D/vault.globex/open" | ctl submit -t ops -)
        t_eq "$(verdict "$job")" "spawn (chdir: Permission denied)" "verdict of a working directory"
        job=$(printf '[Job]\nExecStart=/bin/cat %s/canary\n[Sandbox]\nBindPaths=%s:%s\n' "$D/shared/place" \
                "$D/vault.globex/open" "$D/shared/place" | ctl submit -t ops -)
        t_eq "$(verdict "$job")" "spawn (paths: Permission denied)" "verdict of a path"
        d_status 1 ctl run -w -t ops -- cat "$D/vault.globex/open/canary"
        rm -r "$D/vault.globex"
}

c_case "files of the kernel (T37)" kernel_files
c_case "what can be written (T37)" nothing_else_is_writable
c_case "devices (T37)" devices_are_few
c_case "what a job leaves behind (T38)" nothing_is_left
c_case "tables of the host (T38)" host_has_room
c_case "the network is a loopback (T39)" network_is_a_loopback
c_case "networks of tenants are apart (T39)" networks_are_apart
c_case "services are out of sight (T39)" services_are_hidden
c_case "others' and tenantq's files are out of sight (T37)" others_are_hidden
c_case "tenantq's programs (T41)" programs_stay
c_case "a job as root (T33, T37)" root_is_contained
c_case "a job as root before its program runs (T33)" root_goes_nowhere_else
d_case "what is granted now (T37)" grants_are_of_now
d_case "a home that its tenant leads elsewhere (T37)" homes_in_the_way
d_case "hidden directories that are made anew (T37)" hidden_ones_are_made_anew
d_case "nothing is left over" no_leftovers
d_report
t_summary
