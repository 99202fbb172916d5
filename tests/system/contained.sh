# shellcheck shell=bash
# tests/system/contained.sh - jobs that try to get out, and what must be as before; to be sourced.
#
#       #!/bin/bash
#       . "$(dirname "$0")/contained.sh"
#       c_init
#       c_start
#       c_case … ; d_report ; t_summary
#
# Four tenants: acme, whose jobs attack; globex, another one; wide, whose jobs may have any profile; ops, whose jobs run
# as root (allow_root=yes). Each has a home, which needs users: the daemon has a mount namespace of its own, with an
# /etc/passwd of its own. It has the capabilities that units/tenantq.service leaves it.
#
# After each case the intrusion manifest, of what a job could leave or change on the host, must be what it was at the
# start; and the canary, a word in files of others, may be nowhere but there. Other tests, and whoever works on the
# machine, may leave things meanwhile: ours are recognized by their user, or by the mark in their name.

# shellcheck source=daemon.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

# Of this run alone: what is theirs is ours.
C_ACME=$((70000 + $$ % 10000 * 4))
C_GLOBEX=$((C_ACME + 1))
C_WIDE=$((C_ACME + 2))
C_DEEP=$((C_ACME + 3)) # of a user only, until a case makes it a tenant
C_MARK=tq$$mark
C_BEFORE=()

# What the daemon is started through; C_BEFORE are lines of bash that come first.
c_wrap() {
        local keep drop
        keep=$(sed -n 's/^CapabilityBoundingSet=//p' "$D_TOP/units/tenantq.service" | tr '\n[:upper:]' ' [:lower:]')
        drop=$(setpriv --list-caps | while read -r cap; do [[ " $keep " == *" cap_$cap "* ]] || printf ',-%s' "$cap"; done)
        {
                printf '%s\n' '#!/bin/bash' "${C_BEFORE[@]}"
                cat <<END
exec unshare -m bash -c 'mount --bind $D/passwd /etc/passwd && mount --bind $D/group /etc/group &&
        exec setpriv --bounding-set=${drop#,} "\$@"' bash "\$@"
END
        } >"$D/wrap"
        chmod 755 "$D/wrap"
        D_WRAP=$D/wrap
}

# A tenant's file in tenants.d; d_tenant calls it.
d_tenant_file() {
        printf '%s\n' '[tenant]' "${@:2}" >"$D/etc/tenants.d/$1.conf"
}

# c_canary MODE OWNER FILE…
c_canary() {
        local file
        for file in "${@:3}"; do
                install -m "$1" -o "$2" -g "$2" <(echo "$C_CANARY") "$file"
        done
}

c_init() {
        d_init log_max=64K
        C_CANARY=canary-$RANDOM$RANDOM$RANDOM
        mkdir "$D"/{home,vault,shared}
        chmod 1777 "$D/shared"
        install -d -m 0700 "$D/home/root"
        install -d -m 0700 -o "$C_ACME" -g "$C_ACME" "$D/home/acme"
        install -d -m 0700 -o "$C_GLOBEX" -g "$C_GLOBEX" "$D/home/globex"
        install -d -m 0700 -o "$C_WIDE" -g "$C_WIDE" "$D/home/wide"
        install -d -m 0700 -o "$C_DEEP" -g "$C_DEEP" "$D"/home/deep{,/sub,/sub/home}
        {
                sed "s|:/root:|:$D/home/root:|" /etc/passwd
                echo "tq-acme:x:$C_ACME:$C_ACME::$D/home/acme:/bin/sh"
                echo "tq-globex:x:$C_GLOBEX:$C_GLOBEX::$D/home/globex:/bin/sh"
                echo "tq-wide:x:$C_WIDE:$C_WIDE::$D/home/wide:/bin/sh"
                echo "tq-deep:x:$C_DEEP:$C_DEEP::$D/home/deep/sub/home:/bin/sh"
        } >"$D/passwd"
        { cat /etc/group && echo "tq-extra:x:61059:tq-acme,tq-wide"; } >"$D/group"
        sed "s/tqmark/$C_MARK/" "$(dirname "${BASH_SOURCE[0]}")/intruder.py" >"$D/payload/intruder.py"
        c_canary 0600 0 "$D/vault/canary"
        c_canary 0644 0 "$D"/{home,home/root,etc}/canary
        c_canary 0600 "$C_GLOBEX" "$D/home/globex/canary"
        c_wrap
}

# c_build SOURCE NAME [OPTION…]: a payload of C.
c_build() {
        gcc -D_GNU_SOURCE -O1 "${@:3}" -o "$D/payload/$2" "$(dirname "${BASH_SOURCE[0]}")/$1"
}

# The daemon, its tenants, and what is to stay as it is.
c_start() {
        local tenant
        d_start
        d_tenant acme "$C_ACME" "read_write_paths=$D/witness $D/shared"
        d_tenant globex "$C_GLOBEX" "read_write_paths=$D/witness $D/shared"
        d_tenant wide "$C_WIDE" "read_write_paths=$D/witness $D/shared" profile=permissive
        d_tenant ops 0 user=root allow_root=yes "read_write_paths=$D/shared"
        for tenant in acme globex wide; do
                ctl limits set "$tenant" concurrency=8 >/dev/null
        done
        # Each tenant's first job makes what is kept for the next.
        for tenant in acme globex wide ops; do
                ctl run -w -t "$tenant" -- true
        done 2>/dev/null
        c_canary 0644 0 "$D"/{logs/globex,state}/canary
        c_canary 0644 "$C_GLOBEX" "$D/spool/globex/canary"
        t_wait 5 d_has_leaves 0
        c_manifest >"$D/manifest"
}

# with PROFILE TENANT COMMAND [ARG…]: a job under that profile; prints its number. No word may have a quote or a blank.
with() {
        printf '[Job]\nExecStart=%s\nTimeoutStopSec=1s\n[Sandbox]\nProfile=%s\n' "${*:3}" "$1" | ctl submit -t "$2" -
}

# intrude TENANT WORD…: intruder.py as a job; prints what it says.
intrude() {
        ctl run -w -t "$1" -- "$D_PYTHON" "$D/payload/intruder.py" "${@:2}" 2>"$D/stage/stderr" || {
                cat "$D/stage/stderr"
                return 1
        }
}

# intrude_until NAME TENANT WORD…: a job that stays when it has done what it does, until `go NAME`. Prints its number.
intrude_until() {
        local job name=$1
        rm -f "$D/shared/ready.$name" "$D/shared/go.$name"
        job=$(ctl run -t "$2" -- "$D_PYTHON" "$D/payload/intruder.py" --until "$D/shared" "$name" "${@:3}")
        t_wait 10 c_is_ready "$name" "$job"
        echo "$job"
}

c_is_ready() {
        [ ! -e "$D/shared/ready.$1" ] || return 0
        ! d_state_is "$2" "done" || t_fail "it has ended: $(ctl logs "$2" 2>&1)"
        return 1
}

go() {
        touch "$D/shared/go.$1"
}

# says GOT: it is what standard input says.
says() {
        diff -u --label expected - --label got <(printf '%s\n' "$1")
}

served() {
        local start
        start=$(now_ms)
        t_eq "$(ctl run -w -t globex -- echo served 2>/dev/null)" served "the other tenant's job"
        in_range $(($(now_ms) - start)) 0 2000 "ms that the other tenant waited"
}

# A process of that user that is in no job; prints its number. It ends with the case.
outside() {
        setpriv --reuid "$1" --regid "$1" --clear-groups sleep 60 </dev/null >/dev/null 2>&1 &
        t_wait 2 c_is_of "$!" "$1"
        echo $! | tee -a "$D/stage/outside"
}

c_is_of() {
        [ "$(stat -c %u "/proc/$1")" = "$2" ]
}

c_end_outside() {
        [ ! -e "$D/stage/outside" ] || xargs kill <"$D/stage/outside" 2>/dev/null || true
        rm -f "$D/stage/outside"
}

# The numbers, as the host has them, of a job's processes but for the one that watches over them.
payload_of() {
        local pid
        for pid in $(d_pids "$1"); do
                [ "$(stat -c %u "/proc/$pid")" = "$D_EXEC_UID" ] || echo "$pid"
        done
}

watcher_of() {
        local pid
        for pid in $(d_pids "$1"); do
                [[ "$(readlink "/proc/$pid/exe")" != "$D/bin/tenantq-exec" ]] || echo "$pid"
        done
}

# The manifest --------------------------------------------------------------------------------

# Below /srv are the directories of other tests.
c_mounts() {
        awk -v d="$D" '$5 !~ "^/srv/" || index($5, d) == 1 { print $4, $5, $6 }' "$1"
}

# c_ours FIELD FILE…: rows of the tenants' users.
c_ours() {
        awk -v f="$1" -v users=" $C_ACME $C_GLOBEX $C_WIDE " 'index(users, " " $f " ")' "${@:2}"
}

c_settings() {
        local name
        for name in kernel/{core_pattern,hostname,domainname,modprobe,randomize_va_space,shmmni,shmmax,msgmni,sem} \
                kernel/{pid_max,sysrq,printk,pty/max} vm/{overcommit_memory,max_map_count} \
                fs/{file-max,mqueue/queues_max,suid_dumpable,pipe-max-size} net/ipv4/ip_forward; do
                echo "$name $(cat "/proc/sys/$name" 2>/dev/null)"
        done
}

# Of nothing of ours there may be none, which find, grep and pgrep take for a failure.
c_manifest() {
        local kind mine=(\( -uid "$C_ACME" -o -uid "$C_GLOBEX" -o -uid "$C_WIDE" -o -name "*$C_MARK*" \))
        (
                set +e
                echo "mounts:" && c_mounts /proc/self/mountinfo
                echo "mounts of the daemon:" && c_mounts "/proc/$(d_pid)/mountinfo"
                echo "settings:" && c_settings
                echo "autogroup of the daemon: $(sed 's/.* nice/nice/' "/proc/$(d_pid)/autogroup" 2>/dev/null)"
                for kind in mnt net; do
                        echo "$kind namespaces that it keeps: $(find "/proc/$(d_pid)/fd" -lname "$kind:*" | wc -l)"
                done
                echo "devices:" && stat -c '%n %F %a %u %g %t:%T' /dev/{null,zero,full,random,urandom,tty,ptmx}
                echo "IPC:" && c_ours 8 /proc/sysvipc/{shm,msg} && c_ours 5 /proc/sysvipc/sem
                unshare -m sh -c "mount -t mqueue mqueue /mnt && find /mnt -mindepth 1 ${mine[*]@Q}"
                echo "temporary files:"
                find /tmp /var/tmp /dev/shm /run /root /etc -maxdepth 2 "${mine[@]}" 2>/dev/null
                echo "keys:" && c_ours 1 <(tr : ' ' </proc/key-users)
                echo "processes:" && ps -o stat=,comm= -u "$C_ACME,$C_GLOBEX,$C_WIDE" | awk '$1 !~ /^Z/ { print $2 }'
                echo "cgroups:" && find "$D_CGROUP" -mindepth 1 -type d | LC_ALL=C sort
                find "${D_CGROUP%/*}" -name "*$C_MARK*"
                echo "sockets:" && grep -F "$C_MARK" /proc/net/unix
                c_ours 8 /proc/net/{tcp,tcp6,udp,udp6}
                echo "files:"
                find "$D"/{vault,etc,bin,payload,home/globex,home/root/canary,spool/globex,logs/globex/canary} \
                        -printf '%p %y %m %U %G %n %s %T@\n' | LC_ALL=C sort
                sha256sum "$D"/bin/* "$D"/{vault,home,home/globex,home/root,etc,spool/globex,logs/globex,state}/canary \
                        /etc/{passwd,shadow,group,hosts,crontab,ld.so.preload} /bin/sh /root/.bashrc /root/.profile 2>&1
                echo "setuid:" && find "$D" -perm /6000
                echo "end"
        )
}

c_not_leaked() {
        t_eq "$(grep -rlaF "$C_CANARY" "$D"/{logs,state,spool,shared,home/acme,home/wide,witness,log} | grep -v '/canary$' || true)" "" \
                "files that the canary got into"
}

# c_run FUNCTION [ARG…]: and all is as before.
c_run() {
        trap c_end_outside EXIT
        "$@"
        c_end_outside
        t_wait 5 d_has_leaves 0
        find "$D"/{shared,home/acme,home/wide} -mindepth 1 -delete
        c_manifest | diff -u --label before "$D/manifest" --label after -
        c_not_leaked
}

# c_case NAME FUNCTION [ARG…]
c_case() {
        d_case "$1" c_run "${@:2}"
}
