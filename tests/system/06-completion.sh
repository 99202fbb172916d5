#!/bin/bash
# What bash(1) completes of a command line of tenantqctl. The script comes from the program; who answers for tenants and
# jobs is a function here, so that no daemon is needed. Needs a build and no root.

. "$(dirname "$0")/../lib.sh"

cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# Not while a line is completed.
compopt() { :; }

# As the daemon would answer; the second name is one that a shell must not expand.
tenantqctl() {
        case "$*" in
        "tenants --noheadings -o tenant") printf '%s\n' acme 'globex' "\$(touch $tmp/expanded)" ;;
        "ps --noheadings -o job") printf '%s\n' 7 71 8 ;;
        *) t_fail "asked for: $*" ;;
        esac
}

# completes WANT WORD…: the last word is begun.
completes() {
        local want=$1
        shift
        COMP_WORDS=(tenantqctl "$@")
        COMP_CWORD=$#
        _tenantqctl tenantqctl "${*: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
        t_eq "${COMPREPLY[*]}" "$want" "tenantqctl $*"
}

verbs() {
        completes "events explain export" e
        completes "ledger limits lineage logs" l
        completes "copy diff get history log rollback set unset verify" limits ""
        completes "set" limits s
        completes "backup check export" ledger ""
        completes "selftest simulate status submit" s
        completes "" nothing ""
        # All of them, each once.
        COMP_WORDS=(tenantqctl "") COMP_CWORD=1
        _tenantqctl tenantqctl "" tenantqctl
        t_eq "$(printf '%s\n' "${COMPREPLY[@]}")" \
                "$("$build/tenantqctl" --help | sed -n '/^Options:/q; s/^  \([a-z][a-z]*\).*/\1/p' | LC_ALL=C sort -u)" verbs
}

options() {
        completes "--noheadings" queue --noh
        completes "--filter" ps --fi
        completes "--why" hold --w
        completes "" reload --j
        completes "--json" --j
        # Their values, and what comes behind them.
        completes "fair fifo" simulate --policy f
        completes "acme" ps -t a
        completes "failed=" ps --filter f
        completes "since= state=" ps --filter s
        completes "running retrying" ps --state r
        completes "7 71" logs -f 7
}

arguments() {
        completes "acme" ps a
        completes "" ps acme a
        completes "7 71 8" wait 7 ""
        completes "host" pause h
        completes "7 71" cancel 7
        completes "memory= memory_high= memory_low=" limits set acme mem
        completes "memory memory_high memory_low" limits unset acme cpu mem
        completes "bash zsh" completion ""
        completes "$tmp/a.job" submit "$tmp/a"
}

nothing_is_expanded() {
        completes "acme globex \$(touch $tmp/expanded)" ps ""
        [ ! -e "$tmp/expanded" ] || t_fail "a tenant's name was run"
}

# zsh(1) as it runs on a terminal: what a line becomes by a tabulator.
in_zsh() {
        "$build/tenantqctl" completion zsh >"$tmp/_tenantqctl"
        cat >"$tmp/zshrc" <<'END'
autoload -U compinit && compinit -D -u
tenantqctl() {
        case "$*" in
        "tenants --noheadings -o tenant") printf '%s\n' acme 'globex' '$(touch expanded)' ;;
        "ps --noheadings -o job") printf '%s\n' 7 71 8 ;;
        esac
}
source ./_tenantqctl
show() { zle -I; print -r -- "<$BUFFER>"; BUFFER=; }
zle -N show
bindkey '^X' show
PS1='ready '
END
        cat >"$tmp/zsh.py" <<'END'
import os, pty, re, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp("zsh", ["zsh", "-f", "-i"])
said = b""
def until(pattern):
    global said
    end = time.time() + 20
    while not re.search(pattern, said):
        if time.time() > end or not select.select([fd], [], [], 20)[0]:
            sys.exit("zsh says " + repr(said))
        said += os.read(fd, 65536)
os.write(fd, b"source ./zshrc\n")
until(rb"ready ")
for line in sys.argv[1:]:
    said = b""
    os.write(fd, line.encode() + b"\t\x18")
    until(rb"<(.*)>")
    print(re.search(rb"<(.*)>", said).group(1).decode())
os.write(fd, b"\x03exit\n")
END
        (cd "$tmp" && TERM=dumb python3 zsh.py "$@")
}

zsh_completes() {
        command -v zsh >/dev/null || exit "$T_SKIP"
        t_eq "$(in_zsh 'tenantqctl lim' 'tenantqctl limits ge' 'tenantqctl limits get a' 'tenantqctl hold --w' 'tenantqctl wait 8' \
                'tenantqctl limits set acme memory_h' 'tenantqctl pause h' 'tenantqctl simulate --policy fi' 'tenantqctl ps -t g')" \
                "tenantqctl limits 
tenantqctl limits get 
tenantqctl limits get acme 
tenantqctl hold --why 
tenantqctl wait 8 
tenantqctl limits set acme memory_high=
tenantqctl pause host 
tenantqctl simulate --policy fifo 
tenantqctl ps -t globex " "lines"
        [ ! -e "$tmp/expanded" ] || t_fail "a tenant's name was run"
}

other_shells() {
        local said status=0
        said=$("$build/tenantqctl" completion fish 2>&1) || status=$?
        t_eq "$status" 2 "exit status"
        t_match "$said" 'completion "fish": expected bash' "what is said"
}

"$build/tenantqctl" completion bash >"$tmp/script" || exit 1
# shellcheck source=/dev/null
. "$tmp/script"
touch "$tmp/a.job"
t_case "verbs" verbs
t_case "options and their values" options
t_case "arguments" arguments
t_case "nothing is expanded" nothing_is_expanded
t_case "zsh" zsh_completes
t_case "other shells" other_shells
t_summary
