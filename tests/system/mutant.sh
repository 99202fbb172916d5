# shellcheck shell=bash
# tests/system/mutant.sh - a program of the build with one line changed, which a harness has to find out; to be sourced
# after tests/lib.sh, at the top of the tree. $work is a directory of the script's.

may_build() {
        [ "$(id -u)" -eq 0 ] || t_skip "must be root"
        findmnt -rn -t cgroup2 >/dev/null || t_skip "no cgroup v2 hierarchy is mounted"
        [ -z "${SAN-}" ] || t_skip "a mutant is built without sanitizers"
        command -v gcc >/dev/null || t_skip "no compiler"
}

# mutant PROGRAM FILE FROM TO: in $work/bin, with one line of its source changed.
mutant() {
        local build=${BUILD:-build} flags
        rm -rf "${work:?}/bin"
        mkdir -p "$work/bin" "$work/objects"
        grep -qF "$3" "src/$2" || t_fail "src/$2 has no line \"$3\" any more"
        awk -v from="$3" -v to="$4" '
                i = index($0, from) { $0 = substr($0, 1, i - 1) to substr($0, i + length(from)) } 1' "src/$2" \
                        >"$work/changed.c"
        read -ra flags <<<"-std=gnu17 -D_GNU_SOURCE -O1 -Isrc -Iinclude $(pkg-config --cflags libsystemd inih sqlite3)"
        gcc "${flags[@]}" -c "$work/changed.c" -o "$work/changed.o"
        case $1 in
        tenantq-engine)
                read -ra libs <<<"$(make -s --no-print-directory libs)"
                # shellcheck disable=SC2046 # words
                gcc "$work/changed.o" $(find "$build/engine" -name '*.o' ! -path "$build/${2%.c}.o") \
                        "$build"/libtq-{ipc,sim,store,kernel,conf,core,base}.a "${libs[@]}" -o "$work/bin/$1"
                ;;
        tenantq-exec)
                # shellcheck disable=SC2046 # words
                gcc -static -no-pie "$work/changed.o" \
                        $(find "$build/static" -name '*.o' ! -name holder.o ! -path "$build/static/${2%.c}.o") \
                        -o "$work/bin/$1"
                ;;
        esac
}
