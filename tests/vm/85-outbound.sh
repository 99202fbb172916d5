#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/85-outbound.sh - network=outbound as the shipped unit lets it be, against servers in a namespace of their
# own (10.99.0.2), which is the world; what tests/system/31-outbound.sh asks in detail. This machine has no other
# network.

. "$(dirname "$0")/machine.sh"

N=/usr/local/share/network.py
WORLD=

make_world() {
        install -D -m 0644 "$(dirname "$0")/../system/network.py" "$N"
        unshare -n sleep 100000 </dev/null >/dev/null 2>&1 &
        WORLD=$!
        t_wait 10 differs "$WORLD"
        ip link set lo up
        ip link add up0 type veth peer name down0 netns "$WORLD"
        ip addr add 10.99.0.1/24 dev up0
        ip link set up0 up
        nsenter --net="/proc/$WORLD/ns/net" ip addr add 10.99.0.2/24 dev down0
        nsenter --net="/proc/$WORLD/ns/net" ip link set down0 up
        nsenter --net="/proc/$WORLD/ns/net" ip route add 198.18.0.0/15 via 10.99.0.1
        ip route replace default via 10.99.0.2
        in_background nsenter --net="/proc/$WORLD/ns/net" python3 "$N" serve /run/ready.serve 10.99.0.2:8080
        in_background nsenter --net="/proc/$WORLD/ns/net" python3 "$N" names /run/ready.names 10.99.0.2
        in_background python3 "$N" serve /run/ready.host 0.0.0.0:8082 127.0.0.1:8081
        t_wait 20 test -e /run/ready.serve -a -e /run/ready.names -a -e /run/ready.host
        rm -f /run/ready.*
        echo "nameserver 10.99.0.2" >/etc/resolv.conf
}

in_background() {
        "$@" </dev/null >/dev/null 2>&1 &
}

differs() {
        [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# calls TENANT TO…: what becomes of a job's connections, in a line.
calls() {
        tenantqctl run -w -t "$1" -- /usr/bin/python3 "$N" call "${@:2}" 2>/dev/null | sed 's/^.*: //' | paste -sd, -
}

doctor_says() {
        tenantqctl doctor | grep -A1 ' outbound '
}

# Before the host is ready for it: what is missing is said, one after the other, and nothing is started.
not_ready() {
        local job
        sysctl -qw net.ipv4.ip_forward=0
        t_match "$(doctor_says || true)" '^FAIL +outbound .*forwards no packets' doctor
        job=$(tenantqctl run -t acme -- /usr/bin/python3 "$N" call 10.99.0.2:8080)
        t_wait 20 explains "$job" 'ip_forward'
        sysctl -qw net.ipv4.ip_forward=1
        t_eq "$(v_verdict "$job")" "exit 0"
        t_match "$(tenantqctl logs "$job")" "you are 10.99.0.1"
        t_match "$(doctor_says)" '^ok +outbound' doctor
        nft 'table inet wall { chain forward { type filter hook forward priority 0; policy drop; iifname "tq*" accept; oifname "tq*" accept; }; }'
        t_match "$(doctor_says)" '^warn +outbound .*inet wall' "doctor, of a firewall"
        t_eq "$(calls acme 10.99.0.2:8080)" "you are 10.99.0.1" "through that firewall"
        nft delete table inet wall
}

explains() {
        tenantqctl explain "$1" | grep -q "$2"
}

out_and_not_in() {
        t_eq "$(calls acme 10.99.0.2:8080 db.example:8080)" "you are 10.99.0.1,you are 10.99.0.1" "the world"
        t_eq "$(calls acme 10.99.0.1:8082 127.0.0.1:8081 169.254.169.254:80)" "EHOSTUNREACH,ECONNREFUSED,ENETUNREACH" "the host"
        t_eq "$(calls globex 10.99.0.2:8080)" ENETUNREACH "a tenant without"
        t_match "$(v_verdict "$(tenantqctl run -t globex -- /usr/bin/python3 -c 'import socket; socket.create_connection(("10.99.0.2", 8080))')")" \
                '^exit 1 \(network unreachable\)$' "its verdict"
        # Of a job that listens, by its address: from the host and the world.
        local job address
        job=$(tenantqctl run -t acme -- /usr/bin/python3 "$N" listen /home/acme/ready 9000 30)
        t_wait 20 test -s /home/acme/ready
        address=$(cat /home/acme/ready)
        t_eq "$(python3 "$N" call "$address:9000")" "$address:9000: EHOSTUNREACH" "from the host"
        t_eq "$(nsenter --net="/proc/$WORLD/ns/net" python3 "$N" call "$address:9000")" "$address:9000: no answer" "from the world"
        tenantqctl cancel "$job" >/dev/null
}

has_table() {
        nft list table inet tenantq >/dev/null 2>&1
}

flushed() {
        nft flush ruleset
        t_wait 10 has_table
        t_eq "$(calls acme 10.99.0.1:8082 10.99.0.2:8080)" "EHOSTUNREACH,you are 10.99.0.1"
        systemctl restart tenantq
        t_eq "$(calls acme 10.99.0.1:8082 10.99.0.2:8080)" "EHOSTUNREACH,you are 10.99.0.1" "after a restart"
}

v_start
mkdir -p "$V_CONF/tenants.d"
printf '[tenant]\nnetwork=outbound\n' >"$V_CONF/tenants.d/acme.conf"
v_tenant acme
v_tenant globex
make_world
v_case "what is missing is said, and waited for" not_ready
v_case "out, not in" out_and_not_in
v_case "a firewall that is loaded anew, and a restart" flushed
kill "$WORLD"
ip link del up0 2>/dev/null
t_summary
