#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# network=outbound: what jobs reach, and who reaches them.
#
# Two network namespaces, each kept by a process: the daemon's, which plays the host (10.99.0.1, and an address of a
# link), and the world's (10.99.0.2), where the servers are. The daemon has an /etc/resolv.conf of its own.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init outbound_connections=50
[ -x /usr/sbin/nft ] || d_skip_all "no /usr/sbin/nft (package nftables)"
unshare -n nft add table inet tenantq 2>/dev/null || d_skip_all "no nftables in this kernel"
N=$(dirname "$0")/network.py
cp "$N" "$D/payload/network.py"
N=$D/payload/network.py

keep_namespace() {
        unshare -n sleep 1000 </dev/null >/dev/null 2>&1 10>&- 11>&- 12>&- &
        echo $! >"$D/stage/$1"
        t_wait 5 differs "$!"
}

differs() {
        [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# in_ns host|world COMMAND [ARG…]
in_ns() {
        nsenter --net="/proc/$(cat "$D/stage/$1")/ns/net" "${@:2}"
}

# in_background host|world MODE [ARG…]: network.py; returns when it is ready.
in_background() {
        local ready
        ready=$(mktemp -u "$D/stage/ready.XXXXXX")
        nsenter --net="/proc/$(cat "$D/stage/$1")/ns/net" "$D_PYTHON" "$N" "$2" "$ready" "${@:3}" </dev/null \
                >>"$D/stage/servers" 2>&1 10>&- 11>&- 12>&- &
        t_wait 5 test -e "$ready"
}

make_networks() {
        keep_namespace host
        keep_namespace world
        in_ns host ip link set lo up
        in_ns host ip link add up0 type veth peer name down0 netns "$(cat "$D/stage/world")"
        in_ns host ip addr add 10.99.0.1/24 dev up0
        in_ns host ip addr add 169.254.7.1/16 dev up0
        in_ns host ip link set up0 up
        in_ns world ip link set lo up
        in_ns world ip addr add 10.99.0.2/24 dev down0
        in_ns world ip addr add 169.254.169.254/16 dev down0
        in_ns world ip link set down0 up
        in_ns host ip route add default via 10.99.0.2
        # Whoever wanted to come in from there would have the way.
        in_ns world ip route add 198.18.0.0/15 via 10.99.0.1
        in_ns host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
        in_background world serve 10.99.0.2:8080 169.254.169.254:80
        in_background world names 10.99.0.2
        in_background world mute 9090
        in_background host serve 127.0.0.1:8081 0.0.0.0:8082 @tqhost "[::]:8083"
}

printf 'nameserver 127.0.0.53\nnameserver 10.99.0.2\nsearch example\noptions timeout:1 attempts:1\n' >"$D/resolv"
cat >"$D/wrap" <<END
#!/bin/bash
exec nsenter --net=/proc/\$(cat $D/stage/host)/ns/net unshare -m bash -c 'mount --bind $D/resolv /etc/resolv.conf && exec "\$@"' bash "\$@"
END
chmod 755 "$D/wrap"
D_WRAP=$D/wrap
make_networks
d_start
d_tenant acme 61001 network=outbound
d_tenant globex 61002 network=outbound
d_tenant none 61003
d_tenant all 61004 network=host
for tenant in acme globex; do ctl limits set "$tenant" concurrency=8 >/dev/null; done

# calls TENANT TO…: what becomes of a job's connections, in a line.
calls() {
        ctl run -w -t "$1" -- "$D_PYTHON" "$N" call "${@:2}" 2>/dev/null | sed 's/^.*: //' | paste -sd, -
}

# listens TENANT NAME: a job that listens; prints the address that it has.
listens() {
        local job ready=$D/witness/$2
        install -m 0666 /dev/null "$ready"
        job=$(ctl run -t "$1" -- "$D_PYTHON" "$N" listen "$ready" 9000 "${3-3}")
        echo "$job" >"$D/stage/listens.$2"
        t_wait 5 test -s "$ready"
        cat "$ready"
}

came_to() {
        ctl logs --follow "$(cat "$D/stage/listens.$1")" 2>/dev/null
}

# Out ------------------------------------------------------------------------------------------

out() {
        local job
        t_eq "$(calls acme 10.99.0.2:8080)" "you are 10.99.0.1" "a server of the world"
        t_eq "$(calls acme db.example:8080 db:8080 nobody.example:8080)" "you are 10.99.0.1,you are 10.99.0.1,no such name" names
        t_eq "$(calls none 10.99.0.2:8080)" ENETUNREACH "without the grant"
        job=$(ctl run -t none -- bash -c "exec 3<>/dev/tcp/10.99.0.2/8080")
        t_eq "$(ctl wait "$job")" "$job: exit 1 (network unreachable)" "its verdict"
        job=$(ctl run -t none -- "$D_PYTHON" -c "import socket; socket.getaddrinfo(\"db.example\", 80)")
        t_eq "$(ctl wait "$job")" "$job: exit 1 (network unreachable)" "the verdict of one that looked for a name"
        job=$(ctl run -t none -- false)
        t_eq "$(ctl wait "$job")" "$job: exit 1" "the verdict of one that met nothing"
        t_eq "$(ctl run -w -t acme -- cat /etc/resolv.conf 2>/dev/null)" \
                "$(printf 'nameserver 10.99.0.2\nsearch example\noptions timeout:1 attempts:1')" "what a job sees of resolv.conf"
}

# A job may choose less.
less() {
        local job tenant
        job=$(printf '[Job]\nExecStart=%s %s call 10.99.0.2:8080\n[Sandbox]\nPrivateNetwork=yes\n' "$D_PYTHON" "$N" | ctl submit -t acme -)
        ctl wait "$job" >/dev/null
        t_match "$(ctl logs "$job")" ENETUNREACH "a job with PrivateNetwork=yes"
        for tenant in acme all; do
                job=$(printf '[Job]\nExecStart=/bin/bash -c "exec 3<>/dev/tcp/10.99.0.2/8080"\n[Sandbox]\nPrivateNetwork=yes\n' | ctl submit -t "$tenant" -)
                t_eq "$(ctl wait "$job")" "$job: exit 1 (network unreachable)" "its verdict, of $tenant"
        done
}

# All jobs of a tenant are in the same, and it is there no longer than they and the daemon.
one_for_a_tenant() {
        ctl run -w -t globex -- true 2>/dev/null
        t_eq "$(for _ in 1 2 3; do ctl run -w -t acme -- readlink /proc/self/ns/net 2>/dev/null; done | sort -u | wc -l)" 1 "namespaces"
        t_eq "$(in_ns host ip -o link | grep -c ': tq')" 2 "interfaces of two tenants"
}

# Jobs that start together, before there is anything: of a daemon that has just begun.
together() {
        local i job callers=()
        d_restart
        for i in 1 2 3 4 5 6 7 8; do
                ctl run -t acme -- sh -c "readlink /proc/self/ns/net; $D_PYTHON $N call 10.99.0.2:8080; sleep 1" >"$D/stage/together.$i" &
                callers+=("$!")
        done
        wait "${callers[@]}"
        for i in 1 2 3 4 5 6 7 8; do
                job=$(cat "$D/stage/together.$i")
                t_eq "$(ctl wait "$job")" "$job: exit 0" "its verdict"
                ctl logs "$job" >>"$D/stage/together"
        done
        t_eq "$(sort "$D/stage/together" | uniq -c | awk '{ print $1 }' | paste -sd,)" "8,8" "of two lines how many are the same"
        t_eq "$(in_ns host ip -o link | grep -c ': tq')" 1 "interfaces"
}

# What is not the world's --------------------------------------------------------------------

not_the_host() {
        local gateway
        gateway=$(ctl run -w -t acme -- "$D_PYTHON" -c 'print(next(l.split()[2] for l in open("/proc/net/route") if l.split()[1] == l.split()[7] == "00000000"))' 2>/dev/null)
        gateway=$((16#${gateway:6:2})).$((16#${gateway:4:2})).$((16#${gateway:2:2})).$((16#${gateway:0:2}))
        t_eq "$(calls acme 127.0.0.1:8081 127.0.0.1:8082 @tqhost)" "ECONNREFUSED,ECONNREFUSED,ECONNREFUSED" "its loopback and abstract sockets"
        t_eq "$(calls acme 10.99.0.1:8082 "$gateway:8082" 0.0.0.0:8082)" "EHOSTUNREACH,EHOSTUNREACH,ECONNREFUSED" "its addresses"
        t_eq "$(calls acme 169.254.169.254:80 169.254.7.1:8082 224.0.0.1:80 240.1.2.3:80)" \
                "ENETUNREACH,ENETUNREACH,ENETUNREACH,ENETUNREACH" "link-local, multicast and reserved addresses"
        t_eq "$(calls acme '[fe80::1]:8083' '[2001:db8::1]:8083' '[::1]:8083')" "EINVAL,ENETUNREACH,ECONNREFUSED" IPv6
        t_eq "$(ctl run -w -t acme -- grep -c eth0 /proc/net/if_inet6 2>/dev/null || true)" 0 "IPv6 addresses that it has"
        t_eq "$(calls acme 10.99.0.2:8080)" "you are 10.99.0.1" "the world, after all"
}

# No route is needed then.
bound_to_the_interface() {
        t_eq "$(ctl run -w -t acme -- "$D_PYTHON" "$N" bound 169.254.7.1:8082 169.254.169.254:80 10.99.0.1:8082 10.99.0.2:8080 2>/dev/null | sed 's/^.*: //' | paste -sd,)" \
                "no answer,no answer,EHOSTUNREACH,you are 10.99.0.1,0 neighbours that it asked for" "what it reaches"
        t_eq "$(in_ns host ip neigh show nud all | grep -c 'dev tq.* PERMANENT')" "$(in_ns host ip -o link | grep -c ': tq')" "neighbours of the host"
}

no_way_in() {
        local address
        address=$(listens acme one 4)
        t_match "$address" '^198\.(18|19)\.' "a job's address"
        t_eq "$(calls globex "$address:9000")" ENETUNREACH "another tenant's job"
        t_eq "$(in_ns host "$D_PYTHON" "$N" call "$address:9000")" "$address:9000: EHOSTUNREACH" "the host"
        t_eq "$(in_ns world "$D_PYTHON" "$N" call "$address:9000")" "$address:9000: no answer" "the world"
        t_eq "$(came_to one)" "nobody came" "who came"
        address=$(listens acme two 5)
        t_eq "$(calls acme "$address:9000")" "" "its own tenant's job"
        t_match "$(came_to two)" "^came: 198" "who came"
}

# One tenant can't fill the table of all.
connections_have_an_end() {
        local ready=$D/witness/held job
        install -m 0666 /dev/null "$ready"
        job=$(ctl run -t globex -- "$D_PYTHON" "$N" hold "$ready" 60 10.99.0.2:9090)
        t_wait 10 test -s "$ready"
        t_eq "$(cat "$ready")" "50 connections, then EHOSTUNREACH" "of 60"
        t_eq "$(calls globex 10.99.0.2:8080)" EHOSTUNREACH "one of another job of that tenant"
        t_eq "$(calls acme 10.99.0.2:8080)" "you are 10.99.0.1" "the other tenant's"
        ctl cancel "$job" >/dev/null
        t_wait 10 d_state_is "$job" "done"
        t_eq "$(calls globex 10.99.0.2:8080)" "you are 10.99.0.1" "when they are over"
}

# What the host does -------------------------------------------------------------------------

has_table() {
        in_ns host nft list table inet tenantq 2>/dev/null | grep -q 'iifname "tq\*" reject'
}

# Whoever writes the firewall anew.
flushed() {
        local i
        for i in 'flush ruleset' 'delete table inet tenantq' 'flush table inet tenantq' 'flush chain inet tenantq input'; do
                # shellcheck disable=SC2086 # words
                in_ns host nft $i
                t_wait 3 has_table
                t_eq "$(calls acme 10.99.0.1:8082 10.99.0.2:8080)" "EHOSTUNREACH,you are 10.99.0.1" "after $i"
        done
}

# As loaders of firewalls do it: again, just when ours are there again.
flushed_twice() {
        local i
        for i in $(seq 40); do
                in_ns host nft flush ruleset
                t_wait 3 has_table
                in_ns host nft "flush ruleset; add table inet other$i"
                in_ns host nft flush ruleset
        done
        t_wait 8 has_table
}

is_ours_alone() {
        local rules
        has_table && rules=$(in_ns host nft list ruleset) && [[ $rules != *'iifname "tq*" accept'* ]]
}

# Again while they are being loaded, when what is told of ours and of that comes at once.
flushed_over_and_over() {
        local i k
        for i in 1 2 3 4 5 6 7 8; do
                for ((k = 0; k < 15 + i; k++)); do in_ns host nft flush ruleset; done
                t_wait 3 has_table
        done
        # What somebody saved is older than what is to be.
        {
                echo 'flush ruleset'
                in_ns host nft list ruleset | sed 's/iifname "tq\*" reject.*/iifname "tq*" accept/'
        } >"$D/stage/saved"
        in_ns host nft -f "$D/stage/saved"
        t_wait 3 is_ours_alone
}

# It hangs: the others' jobs don't wait for it each time.
nft_hangs() {
        local pid before
        pid=$(d_pid)
        printf '#!/bin/sh\nexec sleep 100\n' >"$D/stage/hangs"
        chmod 755 "$D/stage/hangs"
        nsenter -t "$pid" -m mount --bind "$D/stage/hangs" /usr/sbin/nft
        in_ns host nft flush ruleset
        ctl run -w -t none -- true 2>/dev/null
        before=$(now_ms)
        for _ in 1 2 3; do ctl run -w -t none -- true 2>/dev/null; done
        in_range "$(($(now_ms) - before))" 0 3000 "milliseconds of three jobs of another tenant"
        nsenter -t "$pid" -m umount /usr/sbin/nft
        d_restart # it would not try again soon
        t_eq "$(calls acme 10.99.0.1:8082 10.99.0.2:8080)" "EHOSTUNREACH,you are 10.99.0.1" "afterwards"
}

nft_fails() {
        local pid
        pid=$(d_pid)
        nsenter -t "$pid" -m mount --bind /bin/false /usr/sbin/nft
        in_ns host nft flush ruleset
        t_wait 5 grep -q 'nft: it did not end by itself; it is tried again' "$D/log"
        nsenter -t "$pid" -m umount /usr/sbin/nft
        t_wait 10 has_table
}

# Nothing is started without what it was promised; all of it is, then.
not_forwarded() {
        local job
        in_ns host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
        job=$(ctl run -t acme -- "$D_PYTHON" "$N" call 10.99.0.2:8080)
        t_wait 5 waits_for_the_host "$job"
        t_match "$(ctl explain "$job")" "failed for now .network=outbound: .*ip_forward" "what explains it"
        t_match "$(ctl explain "$job")" "change: net.ipv4.ip_forward=1 in " "what would help"
        in_ns host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
        t_eq "$(ctl wait "$job")" "$job: exit 0" "its verdict, then"
        t_match "$(ctl logs "$job")" "you are" "what it said"
}

# Its two ends go with each other; a job that runs has the way out again, too.
pair_is_taken() {
        local job name i
        job=$(ctl run -t acme -- sh -c "sleep 3; $D_PYTHON $N call 10.99.0.2:8080")
        t_wait 5 d_state_is "$job" running
        for name in $(in_ns host ip -o link | grep -o ': tq[0-9]*' | tr -d ': '); do in_ns host ip link del "$name"; done
        for i in 1 2 3 4; do
                calls acme 10.99.0.2:8080 >"$D/stage/taken.$i" &
        done
        for i in 1 2 3 4; do
                t_wait 10 test -s "$D/stage/taken.$i"
                t_eq "$(cat "$D/stage/taken.$i")" "you are 10.99.0.1" "the next jobs"
        done
        t_eq "$(calls globex 10.99.0.2:8080)" "you are 10.99.0.1" "the other tenant's"
        ctl wait "$job" >/dev/null
        t_match "$(ctl logs "$job")" "you are 10.99.0.1" "the one that ran"
        t_eq "$(in_ns host ip -o link | grep -c ': tq')" 2 interfaces
}

waits_for_the_host() {
        ctl explain "$1" | grep -q network
}

servers_change() {
        local job
        job=$(ctl run -t acme -- sh -c 'sleep 2; cat /etc/resolv.conf')
        t_wait 5 d_state_is "$job" running
        printf 'nameserver 10.99.0.9\n' >"$D/resolv"
        t_eq "$(ctl run -w -t acme -- cat /etc/resolv.conf 2>/dev/null)" "nameserver 10.99.0.9" "what the next job sees"
        ctl wait "$job" >/dev/null
        t_eq "$(ctl logs "$job")" "nameserver 10.99.0.9" "what one sees that ran already"
        printf 'nameserver 127.0.0.1\n' >"$D/resolv"
        job=$(ctl run -t acme -- cat /etc/resolv.conf)
        t_wait 5 waits_for_the_host "$job"
        t_match "$(ctl explain "$job")" "change: .host. outbound_dns=ADDRESS" "a host whose servers can't be reached"
        d_config outbound_connections=50 outbound_dns=10.99.0.2
        ctl reload >/dev/null
        ctl wait "$job" >/dev/null
        t_eq "$(ctl logs "$job")" "nameserver 10.99.0.2" "with servers of its own"
        printf 'nameserver 10.99.0.7\nnameserver 10.99.0.8\nnameserver 10.99.0.9\n' >"$D/resolv"
        t_eq "$(ctl run -w -t acme -- cat /etc/resolv.conf 2>/dev/null)" "nameserver 10.99.0.2" "instead of the host's"
        printf 'nameserver 10.99.0.2\n' >"$D/resolv"
}

# doctor_says [DIR [COMMAND…]]: of DIR with the configuration, run by COMMAND
doctor_says() {
        in_ns host "${@:2}" "$D/bin/tenantqctl" doctor --config "${1-$D/etc}" | grep -A1 ' outbound '
}

doctor() {
        local other=$D/stage/etc
        t_match "$(doctor_says)" '^ok +outbound' "a host that is ready"
        in_ns host ip route add 0.0.0.0/1 via 10.99.0.2
        in_ns host ip route add 128.0.0.0/1 via 10.99.0.2
        t_match "$(doctor_says)" '^ok +outbound' "a default route in two halves"
        in_ns host ip route add 198.18.7.0/24 via 10.99.0.2
        t_match "$(doctor_says)" '^FAIL +outbound .*by up0' "a route into the range"
        in_ns host ip route del 198.18.7.0/24
        t_match "$(doctor_says "$D/etc" setpriv --reuid 61001 --clear-groups)" '^warn +outbound .*as root' "somebody who does not see all"
        mkdir -p "$other/tenants.d"
        cp "$D/etc/tenantq.conf" "$other/"
        t_match "$(doctor_says "$other")" '^ok +outbound +no tenant' "nobody"
        # resolv.conf(5): without a name server it is the host itself.
        printf '[tenant]\nnetwork=outbound\n' >"$other/tenants.d/acme.conf"
        sed '/^outbound_dns=/d' "$D/etc/tenantq.conf" >"$other/tenantq.conf"
        echo 'search example.org' >"$D/stage/resolv.conf"
        # shellcheck disable=SC2016 # expanded by the inner shell
        t_match "$(doctor_says "$other" unshare -m sh -c 'for f in /etc/resolv.conf /run/systemd/resolve/resolv.conf; do
                [ ! -e $f ] || mount --bind "$0" $f || exit; done; exec "$@"' "$D/stage/resolv.conf")" \
                '^(warn|FAIL) +outbound .*name servers.*.host. outbound_dns=ADDRESS' "a host without a name server"
        printf 'network=host\nnetwork=perhaps\n' >"$other/tenants.d/acme.conf"
        t_match "$(doctor_says "$other")" '^warn +outbound .*acme.conf' "nobody knows"
}

explains() {
        ctl explain "$1" | grep -F -- "$2" >/dev/null
}

# A range of two networks: who runs nothing needs none, who runs something keeps its own.
few_addresses() {
        local tenant job other third
        d_stop
        t_wait 10 no_interface
        d_config outbound_addresses=198.18.0.0/30 outbound_dns=10.99.0.2
        d_start
        d_tenant third 61005 network=outbound
        for tenant in acme globex third acme third globex; do
                t_eq "$(calls "$tenant" 10.99.0.2:8080)" "you are 10.99.0.1" "a job of $tenant"
        done
        job=$(ctl run -t acme -- sh -c 'readlink /proc/self/ns/net; sleep 4')
        t_wait 5 d_state_is "$job" running
        calls globex 10.99.0.2:8080 >/dev/null
        other=$(ctl run -w -t acme -- readlink /proc/self/ns/net 2>/dev/null)
        t_eq "$(ctl logs "$job")" "$other" "the network of one that runs, and of the next"
        # With both in use, a third tenant's waits for one.
        other=$(ctl run -t globex -- sleep 6)
        t_wait 5 d_state_is "$other" running
        third=$(ctl run -t third -- true)
        t_wait 5 explains "$third" 'all 2 networks of outbound_addresses=198.18.0.0/30 are in use'
        ctl wait "$job" "$other" >/dev/null
        t_eq "$(D_TIMEOUT=30 verdict "$third")" "exit 0" "what waited for a network"
        d_config outbound_connections=50 outbound_dns=10.99.0.2
        d_restart
}

# Jobs go on while the daemon is away, and what they may reach stays as it is.
restarted() {
        local address
        address=$(listens acme three 8)
        d_stop
        in_ns host nft flush ruleset
        d_start
        t_wait 3 has_table
        t_eq "$(in_ns host "$D_PYTHON" "$N" call "$address:9000")" "$address:9000: EHOSTUNREACH" "the host"
        t_eq "$(came_to three)" "nobody came" "who came"
        t_eq "$(calls acme 10.99.0.2:8080)" "you are 10.99.0.1" "a job of the new daemon"
}

no_interface() {
        local links
        links=$(in_ns host ip -o link) && [[ $links != *": tq"* ]]
}

nothing_is_left() {
        d_stop
        t_wait 10 no_interface
}

d_case "a job reaches servers, by name and by address" out
d_case "a job may choose to reach nobody" less
d_case "the jobs of a tenant share a network" one_for_a_tenant
d_case "so do those that start together, before it is there" together
d_case "nor the host, its loopback, its links, its IPv6" not_the_host
d_case "nor more by a socket that is bound to the interface" bound_to_the_interface
d_case "nobody comes in but a job of the same tenant" no_way_in
d_case "a tenant's connections have an end" connections_have_an_end
d_case "rules that somebody took away are there again" flushed
d_case "however soon they are taken away again" flushed_twice
d_case "also while they are being loaded" flushed_over_and_over
d_case "so are those that could not be loaded for a while" nft_fails
d_case "nobody waits long for an nft that hangs" nft_hangs
d_case "a tenant's interface that somebody took away is there for the next job" pair_is_taken
d_case "a host that does not forward starts no such job, and says so" not_forwarded
d_case "name servers change, and who has none says so" servers_change
d_case "doctor says what is missing, and what it does not know" doctor
d_case "a network that nobody uses is another tenant's" few_addresses
d_case "rules that were lost while nobody watched are there before the next job" restarted
d_case "the networks end with their jobs and the daemon" nothing_is_left
d_report
t_summary
