#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Programs that tenants really have run as a tenant's jobs, in what these see of the host: interpreters, compilers,
# archives, films, a large sort, a database's client. Nothing is made ready for them but a directory to work in.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

D_TIMEOUT=90
PG_BIN=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1)

d_init ""
trap 'pg_stop; d_cleanup' EXIT
d_start
install -d -m 0755 "$D/home"
install -d -m 0700 -o 61001 -g 61001 "$D/home/acme"
install -d -m 0700 -o 61002 -g 61002 "$D/home/globex"
D_GRANTS=$D/home/acme d_tenant acme 61001
D_GRANTS=$D/home/globex d_tenant globex 61002 network=host

# Where this tree lies, jobs may see nothing.
mkdir -p "$D/source/src"
cp -r "$D_TOP/src/base" "$D_TOP/src/core" "$D/source/src/"
cp -r "$D_TOP/include" "$D/source/"

# The programs --------------------------------------------------------------------------------

# Each begins in its tenant's directory, makes one of its own there, and fails if any of its results is wrong.

python=$(
        payload python <<'END'
#!/usr/bin/python3
import multiprocessing, os, shutil, sqlite3, subprocess, tempfile, threading
from multiprocessing import shared_memory

def square(x):
    return x * x

def produce(queue, semaphore, event, n):
    event.wait(10)
    with semaphore:
        for i in range(n):
            queue.put(i)

def threads():
    lock, total = threading.Lock(), []
    def add(n):
        for i in range(1000):
            with lock:
                total.append(n)
    them = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for t in them:
        t.start()
    for t in them:
        t.join()
    assert sum(total) == 28000

def programs():
    out = subprocess.run(["/usr/bin/tr", "a-z", "A-Z"], input="hello", capture_output=True, text=True, check=True)
    assert out.stdout == "HELLO"
    assert subprocess.run("exit 7", shell=True, start_new_session=True).returncode == 7

def processes():
    for method in "fork", "spawn", "forkserver":
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            assert pool.map(square, range(100)) == [x * x for x in range(100)]
        queue, semaphore, event = context.Queue(), context.Semaphore(2), context.Event()
        them = [context.Process(target=produce, args=(queue, semaphore, event, 50)) for _ in range(4)]
        for p in them:
            p.start()
        event.set()
        assert sum(queue.get(timeout=10) for _ in range(200)) == 4 * 1225
        for p in them:
            p.join()
            assert p.exitcode == 0
    memory = shared_memory.SharedMemory(create=True, size=1 << 20)
    memory.buf[:5] = b"hello"
    memory.close()
    memory.unlink()

def database():
    for mode in "delete", "wal":
        db = sqlite3.connect(mode + ".db", isolation_level=None)
        assert db.execute("PRAGMA journal_mode=" + mode).fetchone() == (mode,)
        db.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, s TEXT)")
        db.execute("BEGIN")
        db.executemany("INSERT INTO t (s) VALUES (?)", ((str(i),) for i in range(10000)))
        db.execute("COMMIT")
        assert sqlite3.connect(mode + ".db").execute("SELECT sum(s) FROM t").fetchone() == (49995000,)

def files():
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"x" * 1000000)
        f.flush()
        shutil.copy2(f.name, "copy")
    assert os.path.getsize("copy") == 1000000

if __name__ == "__main__":
    shutil.rmtree("python", ignore_errors=True)
    os.mkdir("python")
    os.chdir("python")
    threads()
    programs()
    processes()
    database()
    files()
END
)

node=$(
        payload node <<'END'
#!/usr/bin/node
const assert = require('assert'), child = require('child_process'), crypto = require('crypto'), fs = require('fs');
const v8 = require('v8'), { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

if (!isMainThread) {
        let sum = 0;
        for (let i = 0; i < 1e6; i++)
                sum += i % workerData;
        parentPort.postMessage(sum);
} else if (process.send)
        process.on('message', (m) => process.send(m * 2, () => process.disconnect()));
else
        main().catch((e) => { console.error(e); process.exit(1); });

async function main() {
        fs.rmSync('node', { recursive: true, force: true });
        fs.mkdirSync('node/a/b', { recursive: true });
        process.chdir('node');
        memory();
        assert.deepEqual(await Promise.all([2, 3, 4].map(worker)), [500000, 999999, 1500000]);
        await processes();
        await files();
}

// Compiled at run time, and collected.
function memory() {
        const add = new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s += i; return s');
        const lists = [];
        let sum = 0;
        for (let i = 0; i < 2000; i++)
                sum += add(1000);
        assert.equal(sum, 999000000);
        for (let i = 0; i < 200; i++)
                lists[i % 10] = new Array(10000).fill({ i });
        assert(v8.getHeapStatistics().used_heap_size > 0);
        assert.deepEqual(v8.deserialize(v8.serialize({ a: [1, 2] })), { a: [1, 2] });
}

function worker(n) {
        return new Promise((resolve, reject) => {
                new Worker(__filename, { workerData: n }).on('message', resolve).on('error', reject);
        });
}

async function processes() {
        assert.equal(child.execFileSync('/usr/bin/tr', ['a-z', 'A-Z'], { input: 'hello' }).toString(), 'HELLO');
        assert.equal(child.spawnSync('exit 7', { shell: true }).status, 7);
        assert.equal(await new Promise((resolve) => {
                const twin = child.fork(__filename);
                twin.on('message', resolve);
                twin.send(21);
        }), 42);
}

async function files() {
        const data = 'x'.repeat(1e6);
        const whole = crypto.createHash('sha256').update(data), parts = crypto.createHash('sha256');
        await fs.promises.writeFile('a/b/file', data);
        await fs.promises.copyFile('a/b/file', 'copy');
        await fs.promises.rename('copy', 'a/copy');
        assert.equal((await fs.promises.stat('a/copy')).size, 1e6);
        for await (const part of fs.createReadStream('a/copy'))
                parts.update(part);
        assert.equal(parts.digest('hex'), whole.digest('hex'));
        assert.equal(await new Promise((resolve) => {
                const watcher = fs.watch('a/b', (kind, name) => { watcher.close(); resolve(name); });
                fs.writeFileSync('a/b/new', 'x');
        }), 'new');
        await fs.promises.rm('a', { recursive: true });
}
END
)

java=$(
        payload java <<'END'
#!/bin/sh -e
rm -rf java
mkdir java
cd java
cat >Main.java <<'EOF'
import java.io.*;
import java.nio.file.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Main {
        static void check(boolean ok, String what) {
                if (!ok)
                        throw new AssertionError(what);
        }

        public static void main(String[] args) throws Exception {
                ExecutorService pool = Executors.newFixedThreadPool(8);
                Future<?>[] sums = new Future<?>[32];
                for (int i = 0; i < sums.length; i++) {
                        final int n = i + 1;
                        sums[i] = pool.submit(() -> LongStream.range(0, 100000).map(x -> x % n).sum());
                }
                check((Long) sums[1].get() == 50000, "threads");
                pool.shutdown();
                check(pool.awaitTermination(10, TimeUnit.SECONDS), "the end of the threads");
                check(IntStream.range(0, 1000000).parallel().filter(x -> x % 3 == 0).count() == 333334, "streams");
                Process p = new ProcessBuilder("/bin/sh", "-c", "echo hello; exit 7").start();
                String line = new BufferedReader(new InputStreamReader(p.getInputStream())).readLine();
                check(line.equals("hello") && p.waitFor() == 7, "processes");
                Path path = Files.write(Paths.get("file"), new byte[1 << 20]);
                check(Files.size(Files.copy(path, Paths.get("copy"))) == 1 << 20, "files");
                System.gc();
        }
}
EOF
javac Main.java
java Main
END
)

gcc=$(
        payload gcc <<END
#!/bin/sh -e
rm -rf gcc
mkdir gcc
cd gcc
flags='-std=gnu17 -D_GNU_SOURCE -O2 -Wall -I$D/source/src -I$D/source/include'
for file in $D/source/src/base/*.c $D/source/src/core/limits*.c; do
        gcc \$flags -c "\$file"
done
ar rcs libbase.a *.o
cat >main.c <<'EOF'
#include <stdio.h>
#include "base/parse.h"
int main(void) {
        return tq_parse_is_utf8("hello", 5) && puts("hello") > 0 ? 0 : 1;
}
EOF
gcc \$flags -flto main.c libbase.a -lm -o main
[ "\$(./main)" = hello ]
END
)

perl=$(
        payload perl <<'END'
#!/usr/bin/perl
use strict;
use warnings FATAL => 'all';
use Socket;

# Children sort, each its part; the parent merges.
my @numbers = map { ($_ * 7919) % 100003 } 1 .. 20000;
my (@sockets, @pids);
for my $part (0 .. 3) {
        socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!";
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
                close $ours;
                print $theirs "$_\n" for sort { $a <=> $b } @numbers[$part * 5000 .. $part * 5000 + 4999];
                exit 0;
        }
        close $theirs;
        push @sockets, $ours;
        push @pids, $pid;
}
my @merged = sort { $a <=> $b } map { my $s = $_; map { $_ + 0 } <$s> } @sockets;
for my $pid (@pids) {
        waitpid($pid, 0) == $pid && $? == 0 or die "child: $?";
}
"@merged" eq join(' ', sort { $a <=> $b } @numbers) or die 'not as sorted at once';

open(my $pipe, '-|', '/bin/sh', '-c', 'echo hello; exit 7') or die "open: $!";
<$pipe> eq "hello\n" or die 'pipe';
close $pipe;
$? >> 8 == 7 or die "exit status $?";

local $SIG{ALRM} = sub { die "alarm\n" };
alarm 1;
eval { select(undef, undef, undef, 10) };
$@ eq "alarm\n" or die "alarm: $@";
END
)

git=$(
        payload git <<'END'
#!/bin/sh -e
export GIT_AUTHOR_NAME=acme GIT_AUTHOR_EMAIL=acme@example.com
export GIT_COMMITTER_NAME=acme GIT_COMMITTER_EMAIL=acme@example.com
rm -rf git
mkdir git
cd git
git init -q -b main origin
cd origin
seq 1 10000 >file
git add file
git commit -q -m one
cd ..
git clone -q origin linked
git clone -q --no-local "file://$PWD/origin" packed
cd packed
echo more >>file
git commit -q -a -m two
[ "$(git log --format=%s | tr '\n' ' ')" = 'two one ' ]
git push -q origin main:other
git gc -q
git fsck --strict
git -C ../linked fetch -q origin other
[ "$(git -C ../linked rev-parse FETCH_HEAD)" = "$(git rev-parse HEAD)" ]
END
)

archives=$(
        payload archives <<END
#!/bin/sh -e
rm -rf archives
mkdir archives
cd archives
cp -r $D/source tree
mkdir -m 0750 tree/dir
touch -d 2001-02-03 tree/dir/old
ln -s old tree/dir/link
ln tree/dir/old tree/dir/other
truncate -s 1M tree/dir/holes
for way in gzip xz zstd; do
        tar -S --\$way -cf tree.tar.\$way tree
        mkdir \$way
        tar -xf tree.tar.\$way -C \$way
        diff -r tree \$way/tree
        [ "\$(stat -c '%a %h %Y' \$way/tree/dir \$way/tree/dir/old)" = "\$(stat -c '%a %h %Y' tree/dir tree/dir/old)" ]
done
head -c 4M /dev/urandom >noise
for way in 'gzip -1' 'xz -0 -T2' 'zstd -q -T2 --rm'; do
        cp noise file
        \$way file
        [ ! -e file ]
        \${way%% *} -q -d file.*
        rm -f file.*
        cmp noise file
done
END
)

tools=$(
        payload tools <<'END'
#!/bin/sh -e
rm -rf tools
mkdir tools
cd tools
{
        bash -c 'echo hello >file'
        cp -p file copy
        cp -a file copy
        install -m 0640 file installed
        mv file /tmp/elsewhere
        mv /tmp/elsewhere file
        sed -i s/hello/bye/ file
        mkfifo pipe
        echo through >pipe &
        cat pipe >>file
        ps
} >output 2>errors
[ "$(cat file)" = "$(printf 'bye\nthrough')" ]
[ "$(stat -c %a installed)" = 640 ]
cat errors
[ ! -s errors ]
END
)

ffmpeg=$(
        payload ffmpeg <<'END'
#!/bin/sh -e
rm -rf ffmpeg
mkdir ffmpeg
cd ffmpeg
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=duration=2:size=320x240:rate=25 \
        -f lavfi -i sine=frequency=440:duration=2 -c:v libx264 -threads 2 -c:a aac film.mp4
ffmpeg -nostdin -loglevel error -i film.mp4 -vf scale=160:120 -c:v mpeg4 -c:a flac small.mkv
probe() {
        ffprobe -loglevel error -select_streams "$1" -show_entries "$2" -of default=nw=1:nk=1 "$3" | tr '\n' ' '
}
[ "$(probe v stream=codec_name,width,height film.mp4)" = 'h264 320 240 ' ]
[ "$(probe a stream=codec_name film.mp4)" = 'aac ' ]
[ "$(probe v stream=codec_name,width,height small.mkv)" = 'mpeg4 160 120 ' ]
[ "$(probe a stream=codec_name small.mkv)" = 'flac ' ]
END
)

# sort MEGABYTES: of which it may hold a sixteenth in memory.
sort=$(
        payload sort <<'END'
#!/bin/sh -e
export LC_ALL=C
rm -rf sort
mkdir sort sort/spill
cd sort
head -c "$(($1 * 3 / 4))M" /dev/urandom | base64 -w 99 >in
TMPDIR=$PWD/spill sort -S "$(($1 / 16))M" -o out in &
spilt=
while kill -0 $! 2>/dev/null; do
        [ -z "$(ls spill)" ] || spilt=yes
        sleep 0.05
done
wait $!
[ "$spilt" = yes ]
sort -c out
[ "$(stat -c %s in)" = "$(stat -c %s out)" ]
rm -r ../sort
END
)

# psql PORT
psql=$(
        payload psql <<'END'
#!/bin/sh
export PGHOST=127.0.0.1 PGPORT="$1" PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=5
exec psql -X -v ON_ERROR_STOP=1 -Atq <<'EOF'
CREATE TABLE t (i int, s text);
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 10000) n;
\copy t from pstdin
10001	by copy
\.
SELECT count(*), sum(i), max(s) FROM t;
DROP TABLE t;
EOF
END
)

# Jobs ----------------------------------------------------------------------------------------

# needs PROGRAM: one that scripts/setup installs.
needs() {
        [ -x "$1" ] || t_skip "no $1"
}

# ends TENANT PROFILE WANT PROGRAM [ARG…]: as a job of the tenant's that asks for the profile. Prints its output.
ends() {
        local tenant=$1 profile=$2 want=$3 job
        shift 3
        cat >"$D/stage/job" <<END
[Job]
ExecStart=$*
WorkingDirectory=$D/home/$tenant
[Sandbox]
Profile=$profile
END
        job=$(ctl submit -t "$tenant" "$D/stage/job")
        t_eq "$(verdict "$job")" "$want" "${1##*/} under $profile: $(ctl logs "$job" 2>&1)"
        ctl logs "$job" 2>&1
}

# runs PROFILE NEEDED PROGRAM [ARG…]: under its own profile as a tenant types it.
runs() {
        needs "$2"
        case $1 in
        default) ctl run -w -t acme -C "$D/home/acme" -- "${@:3}" ;;
        *) ends acme "$1" "exit 0" "${@:3}" ;;
        esac
}

# A server ------------------------------------------------------------------------------------

# Its programs refuse to be root, whose directory we may be in.
pg() {
        (cd / && setpriv --reuid postgres --regid postgres --init-groups "$@")
}

pg_stop() {
        [ ! -e "$D/pg/data/postmaster.pid" ] || pg "$PG_BIN/pg_ctl" -D "$D/pg/data" -m immediate stop >/dev/null
}

pg_start() {
        local port
        [ -n "$PG_BIN" ] || t_skip "no PostgreSQL"
        port=$("$D_PYTHON" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
        install -d -m 0700 -o postgres -g postgres "$D/pg"
        pg "$PG_BIN/initdb" -D "$D/pg/data" -A trust -U postgres --locale=C -N
        pg "$PG_BIN/pg_ctl" -D "$D/pg/data" -l "$D/pg/log" -w -t 20 start \
                -o "-h 127.0.0.1 -p $port -c unix_socket_directories= -c fsync=off"
        echo "$port" >"$D/port"
}

queries_are_answered() {
        [ -s "$D/port" ] || pg_start
        t_eq "$(ends globex default "exit 0" "$psql" "$(cat "$D/port")")" '10001|50015001|row 9999'
}

# The loopback of a tenant without network is its own; a job without sockets has none at all.
nobody_is_reached() {
        [ -s "$D/port" ] || pg_start
        "$PG_BIN/pg_isready" -h 127.0.0.1 -p "$(cat "$D/port")"
        t_match "$(ends acme default "exit 2" "$psql" "$(cat "$D/port")")" 'Connection refused'
        t_match "$(ends globex no-network "exit 2" "$psql" "$(cat "$D/port")")" 'could not create socket'
}

# plain PROFILE MEGABYTES: those that compute on files only.
plain() {
        d_case "gcc -O2 of our own source, ar, ld ($1)" runs "$1" /usr/bin/gcc "$gcc"
        d_case "javac, java: threads, processes, files ($1)" runs "$1" /usr/bin/javac "$java"
        d_case "perl: fork, socketpair, sort, alarm ($1)" runs "$1" /usr/bin/perl "$perl"
        d_case "git: clone, commit, log, push, gc ($1)" runs "$1" /usr/bin/git "$git"
        d_case "tar, gzip, xz, zstd: there and back ($1)" runs "$1" /usr/bin/zstd "$archives"
        d_case "bash -c, cp -p, install, mv, sed -i, mkfifo, ps ($1)" runs "$1" /bin/sh "$tools"
        d_case "sort of $2 MB in a sixteenth of it ($1)" runs "$1" /usr/bin/sort "$sort" "$2"
}

all() {
        plain "$@"
        d_case "python3: threads, subprocess, multiprocessing, sqlite3 ($1)" runs "$1" /usr/bin/python3 "$python"
        d_case "node: v8, worker_threads, child_process, fs ($1)" runs "$1" /usr/bin/node "$node"
        d_case "ffmpeg, ffprobe: encode and look ($1)" runs "$1" /usr/bin/ffmpeg "$ffmpeg"
}

all default 256
all no-network 64
plain strict 64

d_case "psql: a tenant with the host's network" queries_are_answered
d_case "psql: a tenant without, and a job without" nobody_is_reached
d_case "nothing is left over" no_leftovers
d_report
t_summary
