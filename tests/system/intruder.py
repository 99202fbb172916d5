"""A job that tries what it should not be able to do, and says what came of it, one line for each thing.

intruder.py [--until DIR NAME] WORD [ARG...]

With --until it says nothing but DIR/ready.NAME when it is done, and stays until there is DIR/go.NAME.
"""
import ctypes, errno, fcntl, os, resource, signal, socket, stat, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
IPC_CREAT = 0o1000
MARK = "tqmark" # contained.sh puts another one in its place

def call(name, *args):
    """A function of the C library; OSError if it returns -1."""
    ctypes.set_errno(0)
    f = getattr(libc, name)
    f.restype = ctypes.c_long
    r = f(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r == -1 or r == 0xFFFFFFFF:
        raise OSError(ctypes.get_errno(), name)
    return r

def outcome(f, *args):
    """What it returned, or the name of its error."""
    try:
        r = f(*args)
        return "done" if r is None else r
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno)) if e.errno else str(e)
    except ValueError as e:
        return "EINVAL"

def say(name, f, *args):
    print(f"{name}: {outcome(f, *args)}")

def each(name, things, f):
    """The distinct outcomes of f of each thing."""
    print(f"{name}: {' '.join(sorted({str(outcome(f, t)) for t in things})) or 'none'}")

def read(path):
    with open(path, "rb") as f:
        f.read(1)

def write(path):
    os.close(os.open(path, os.O_WRONLY))

def quiet_child(f, *args):
    """Runs f in a process of its own; what it returns is its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(f(*args) or 0)
        except BaseException as e:
            print(type(e).__name__, e, file=sys.stderr, flush=True)
            os._exit(99)
    return pid

def nothing():
    pass

# Descriptors (T25, T40) ----------------------------------------------------------------------

def open_all():
    n = []
    try:
        while True:
            n.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as e:
        return n, e

def files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    print("soft:", soft)
    print("as many as it may:", len(open_all()[0]) + 3 - soft)
    for fd in range(3, soft):
        os.close(fd)
    say("a higher bound", resource.setrlimit, resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for i in range(100000):
        os.close(os.open("/dev/null", os.O_RDONLY))
    n, e = open_all()
    print("then:", len(n) + 3 - hard, errno.errorcode[e.errno])
    for fd in n[:8]:
        os.close(fd) # --until needs some

def descriptors():
    print("open:", *[fd for fd in range(1024) if outcome(os.fstat, fd) != "EBADF"])
    print("listed:", *sorted(os.listdir("/proc/self/fd"), key=int)[:-1]) # without that of listdir(3)
    each("numbers above", range(3, 1024), lambda fd: fcntl.fcntl(fd, fcntl.F_GETFD))
    for fd in range(3):
        say(f"above {fd}", os.listdir, f"/proc/self/fd/{fd}/..")
        say(f"in the directory {fd}", lambda: os.open("x", os.O_RDONLY, dir_fd=fd))
        say(f"mode {fd}", lambda: stat.filemode(os.fstat(fd).st_mode))
    say("input", os.read, 0, 1)
    say("reading the output", os.read, 1, 1)
    say("reading the errors", os.read, 2, 1)
    say("sending on one", socket.socket, socket.AF_UNIX, socket.SOCK_STREAM, 0, 1)
    say("position of the output", os.lseek, 1, 0, 0)
    print("flags of the input:", oct(fcntl.fcntl(0, fcntl.F_GETFL) & ~0o100000), fcntl.fcntl(0, fcntl.F_GETOWN))

def mark_input():
    """What the next job must not find."""
    say("flags", fcntl.fcntl, 0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
    say("owner", fcntl.fcntl, 0, fcntl.F_SETOWN, os.getpid())
    say("lock", fcntl.flock, 0, fcntl.LOCK_EX)
    say("mode", os.fchmod, 0, 0o666)

# Signals and processes (T28 to T31, T36) -----------------------------------------------------

def sleeper():
    return quiet_child(lambda: time.sleep(100))

def signals(*outside):
    """outside: numbers of processes of the host."""
    outside = [int(pid) for pid in outside]
    child = sleeper()
    each("those of the host", outside, lambda pid: os.kill(pid, signal.SIGKILL))
    for sig in signal.SIGTERM, signal.SIGSTOP, signal.SIGCONT, signal.SIGHUP, 0:
        others = set(range(3, 32768)) - {child, os.getpid()}
        each(f"all numbers, signal {int(sig)}", others, lambda pid: os.kill(pid, sig))
    each("init, each signal", range(0, 65), lambda sig: os.kill(1, sig))
    say("init, sigqueue", call, "sigqueue", 1, signal.SIGTERM, 0)
    say("init, tgkill", call, "tgkill", 1, 1, signal.SIGKILL)
    fd = os.pidfd_open(1)
    say("init, pidfd", signal.pidfd_send_signal, fd, signal.SIGKILL)
    each("pidfd of those of the host", outside, os.pidfd_open)
    a, b = socket.socketpair()
    each("signals of files to those of the host", outside, lambda pid: fcntl.fcntl(a, fcntl.F_SETOWN, pid))
    fcntl.fcntl(a, fcntl.F_SETOWN, 1)
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    b.send(b"x")
    say("priority of init", os.setpriority, os.PRIO_PROCESS, 1, 19)
    say("CPUs of init", os.sched_setaffinity, 1, {0})
    say("policy of init", os.sched_setscheduler, 1, os.SCHED_BATCH, os.sched_param(0))
    say("limits of init", resource.prlimit, 1, resource.RLIMIT_NOFILE, (1, 1))
    say("group of init", os.setpgid, 1, 1)
    # Of all processes of its user: those of the job.
    say("priority of the user's", os.setpriority, os.PRIO_USER, os.getuid(), 19)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("all, to be stopped", os.kill, -1, signal.SIGSTOP)
    say("all, to be killed", os.kill, -1, signal.SIGKILL)
    print("the child:", os.WTERMSIG(os.waitpid(child, 0)[1]))

def stubborn(how):
    """Doesn't end when it is asked to."""
    if how == "ignores":
        for sig in range(1, 65):
            if sig not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(sig, signal.SIG_IGN)
    elif how == "blocks":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    elif how == "sleeps":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "waits-for-its-child": # vfork(2): the parent takes no signal before the child executes something
        libc.vfork.restype = ctypes.c_int
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(100)
        os.waitpid(-1, 0)
    elif how == "is-traced":
        child = sleeper()
        call("ptrace", PTRACE_SEIZE, child, 0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(child, signal.SIGSTOP)
    elif how == "forks":
        def again():
            signal.signal(signal.SIGTERM, lambda *_: quiet_child(again))
            time.sleep(100)
        quiet_child(again)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(100)

def daemonise(beat):
    """Leaves a process behind, in a session of its own, with nothing open, that goes on."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            os.umask(0)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(0, 64)
            while True:
                with open(beat, "a") as f:
                    f.write("x")
                time.sleep(0.01)
        os._exit(0)
    os.wait()
    while not os.path.exists(beat):
        time.sleep(0.01)
    print("started")

def processes():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]

# Other processes' memory (T35) ---------------------------------------------------------------

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

def remote(name, pid):
    text = ctypes.create_string_buffer(8)
    here = Iovec(ctypes.addressof(text), 8)
    return call(name, pid, ctypes.byref(here), 1, ctypes.byref(here), 1, 0)

def seize(pid):
    return call("ptrace", PTRACE_SEIZE, pid, 0, 0)

def trace(*outside):
    outside = [int(pid) for pid in outside]
    others = [p for p in processes() if p not in (1, os.getpid())]
    print("others seen:", *others)
    for name in "mem environ maps root cwd exe fd ns fdinfo map_files stack syscall auxv io".split():
        path = os.listdir if name in ("root", "fd", "ns", "fdinfo", "map_files", "cwd") else read
        print(f"{name}: of the host", *sorted({str(outcome(path, f"/proc/{pid}/{name}")) for pid in outside}), end="")
        print(", of init", outcome(path, f"/proc/1/{name}"))
    say("writing init's memory", write, "/proc/1/mem")
    for name, f in (("ptrace", seize), ("process_vm_readv", lambda p: remote("process_vm_readv", p)),
                    ("process_vm_writev", lambda p: remote("process_vm_writev", p))):
        print(f"{name}: of the host", *sorted({str(outcome(f, pid)) for pid in outside}), end="")
        print(", of init", outcome(f, 1))
    each("pidfd: of the host", outside, os.pidfd_open)
    fd = os.pidfd_open(1)
    say("descriptors of init", lambda: call("syscall", 438, fd, 1, 0))
    for name, nr in ("mount", 4), ("net", 5), ("pid", 6), ("user", 9):
        say(f"{name} namespace of init", lambda: fcntl.ioctl(fd, 0xFF00 | nr, 0))
    # Its own, which a debugger may.
    child = sleeper()
    say("a child", seize, child)
    os.kill(child, signal.SIGKILL)

# Files of the kernel (T37, T41) --------------------------------------------------------------

READ = """/proc/kcore /proc/kmsg /proc/1/environ /proc/1/mem /proc/1/maps /proc/1/syscall /proc/1/exe /proc/1/root
/proc/1/cwd /proc/1/ns/mnt /dev/mem /dev/kmsg /dev/fuse /dev/net/tun /dev/loop-control /dev/vda /dev/sda /dev/mqueue
/sys/kernel/debug/tracing /sys/kernel/tracing/trace /sys/fs/bpf/x /sys/kernel/security/lsm /sys/fs/fuse/connections/x
/sys/firmware/efi/efivars/x""".split()
WRITE = """/proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname
/proc/sys/kernel/shmmni /proc/sys/fs/mqueue/queues_max /proc/sys/vm/drop_caches /proc/sys/net/ipv4/ip_forward
/proc/sys/kernel/printk /proc/sys/user/max_user_namespaces /proc/irq/0/smp_affinity /proc/bus/pci/00/00.0
/proc/1/mem /proc/1/exe /proc/1/clear_refs /proc/self/exe /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/cgroup.subtree_control
/sys/fs/cgroup/cgroup.kill /sys/fs/cgroup/cgroup.freeze /sys/fs/cgroup/cgroup.type /sys/fs/cgroup/cgroup.max.descendants
/sys/power/state /sys/kernel/uevent_helper /sys/class/net/lo/mtu /sys/module/printk/parameters/time
/sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/profiling /etc/passwd /etc/ld.so.preload /bin/sh""".split()

def look(path):
    """What is a string is a refusal."""
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb") as f:
        return [f.read(1)]

def put(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)

NODES = "null", "zero", "full", "random", "urandom", "tty"

def probe():
    if os.getuid() == 0: # by its mode root's; nothing comes of it
        WRITE.remove("/proc/1/clear_refs")
    print("reads:", *[p for p in READ if not isinstance(outcome(look, p), str)])
    print("writes:", *[p for p in WRITE if outcome(write, p) == "done"])
    for path in "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs", "/etc/passwd":
        say(path, write, path)
    say("the next process's number", put, "/proc/sys/kernel/ns_last_pid", b"9")
    say("a lower oom_score_adj", put, "/proc/self/oom_score_adj", b"-1")
    say("a higher one", put, "/proc/self/oom_score_adj", b"500")
    say("and back", put, "/proc/self/oom_score_adj", b"499")
    say("a map of users", put, "/proc/self/uid_map", b"0 0 1")
    say("a lower nice value", os.setpriority, os.PRIO_PROCESS, 0, -1)
    say("a real-time policy", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
    for name in "CORE", "MEMLOCK", "NICE", "RTPRIO", "MSGQUEUE":
        number = getattr(resource, "RLIMIT_" + name, {"MSGQUEUE": 12, "NICE": 13, "RTPRIO": 14}.get(name))
        hard = resource.getrlimit(number)[1]
        say(f"a higher {name}", resource.setrlimit, number, (hard + 1, hard + 1))
    say("a cgroup", os.mkdir, "/sys/fs/cgroup/x")
    say("a directory in /proc", os.mkdir, "/proc/x")
    say("a directory in /sys", os.mkdir, "/sys/x")
    say("a directory in /dev", os.mkdir, "/dev/x")
    say("a directory in /run", os.mkdir, "/run/x")
    say("a directory in /", os.mkdir, "/x")
    each("modes of devices", NODES, lambda n: os.chmod("/dev/" + n, 0o666))
    each("times of devices", NODES, lambda n: os.utime("/dev/" + n))
    os.chdir(os.environ["HOME"])
    for name, kind, device in (("memory", stat.S_IFCHR, os.makedev(1, 1)), ("tun", stat.S_IFCHR, os.makedev(10, 200)),
                               ("fuse", stat.S_IFCHR, os.makedev(10, 229)), ("disk", stat.S_IFBLK, os.makedev(254, 0))):
        say(f"a node of {name}", lambda: os.mknod("node-" + name, kind | 0o666, device))
    say("a pipe", os.mkfifo, "pipe")
    # It works when the file is the user's, and has no effect.
    with open("setuid", "w"):
        pass
    say("a setuid bit", os.chmod, "setuid", 0o4755)
    os.unlink("setuid")
    say("an owner", os.chown, "pipe", 0 if os.getuid() else 1, -1)
    say("a capability", lambda: os.setxattr("pipe", "security.capability", struct.pack("<IIIII", 0x02000001, 1, 0, 0, 0)))
    os.unlink("pipe")

def writable():
    """What in /proc and /sys, beside processes, and in the rest but for what it was granted, it could write."""
    for top in "/proc", "/sys", "/etc", "/dev", "/run", "/home", "/root", "/boot", "/opt", "/srv":
        for where, directories, names in os.walk(top):
            if where == "/proc":
                directories[:] = [d for d in directories if not d.isdigit() and d not in ("self", "thread-self")]
            if where.startswith("/proc/sys/net/") and where.count("/") > 4:
                directories[:] = []
            directories[:] = [d for d in directories if not os.path.islink(where + "/" + d)]
            for name in names + [""]:
                path = where + "/" + name
                if not os.path.islink(path) and os.access(path, os.W_OK, effective_ids=True) and "/tqtest." not in path:
                    print(path)

def devices():
    print(*sorted(f"{e.name}:{stat.filemode(e.stat(follow_symlinks=False).st_mode)}" for e in os.scandir("/dev")), sep="\n")

def programs(*paths):
    """Of tenantq's own."""
    for path in paths:
        name = os.path.basename(path)
        say(f"writes {name}", write, path)
        say(f"empties {name}", os.truncate, path, 0)
        say(f"removes {name}", os.unlink, path)
        say(f"replaces {name}", os.rename, "/proc/self/exe", path)
    say("reads init's", read, "/proc/1/exe")
    say("name of init's", os.readlink, "/proc/1/exe")
    say("writes init's", write, "/proc/1/exe")

# What could be left (T38, T113) --------------------------------------------------------------

KEY = 0x7451

def shm(flags=0):
    return call("shmget", KEY, 4096, 0o666 | flags)

def sem(flags=0):
    return call("semget", KEY, 1, 0o666 | flags)

def msg(flags=0):
    return call("msgget", KEY, 0o666 | flags)

def mq(flags=0):
    return call("mq_open", f"/{MARK}".encode(), os.O_RDWR | flags, 0o666, None)

PLACES = "/tmp", "/var/tmp", "/dev/shm"

def leave():
    shm(IPC_CREAT)
    sem(IPC_CREAT)
    msg(IPC_CREAT)
    mq(os.O_CREAT)
    for place in PLACES:
        with open(f"{place}/{MARK}", "w") as f:
            f.write("left")
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0" + MARK)
    s.listen()
    t = socket.socket()
    t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    t.bind(("127.0.0.1", 7451))
    t.listen()
    lock = os.open(os.environ["HOME"] + "/lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    record = os.open(os.environ["HOME"] + "/record", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(record, fcntl.LOCK_EX)
    libc.inotify_init1(0)
    libc.memfd_create(MARK.encode(), 0)
    call("signal", signal.SIGALRM, ctypes.c_void_p(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    for i in range(3):
        sleeper()
    globals()["held"] = s, t

def find():
    say("shared memory", shm)
    say("semaphores", sem)
    say("messages", msg)
    say("a message queue", mq)
    for kind in "shm", "sem", "msg":
        print(f"{kind}:", len(open("/proc/sysvipc/" + kind).readlines()) - 1)
    for place in PLACES:
        print(f"{place}:", *os.listdir(place))
    say("the abstract name", lambda: socket.socket(socket.AF_UNIX).connect("\0" + MARK))
    say("the port", lambda: socket.socket().connect(("127.0.0.1", 7451)))
    print("processes:", len(processes()))
    for name, lock in ("lock", fcntl.flock), ("record", fcntl.lockf):
        path = f"{os.environ['HOME']}/{name}"
        if os.path.exists(path):
            say(f"the {name}", lambda: lock(os.open(path, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB))

def until_refused(f):
    n = 0
    while True:
        r = outcome(f, n)
        if isinstance(r, str):
            return n, r
        n += 1

def exhaust():
    """Each table of IPC objects, until there is no room."""
    for name, f in (("shared memory", lambda i: call("shmget", 0, 4096, 0o600)),
                    ("semaphores", lambda i: call("semget", 0, 1, 0o600)),
                    ("messages", lambda i: call("msgget", 0, 0o600)),
                    ("message queues", lambda i: call("mq_open", f"/{MARK}{i}".encode(), os.O_RDWR | os.O_CREAT, 0o600, None))):
        n, why = until_refused(f)
        print(f"{name}: {'some' if n > 5 else n} {why}")

def terminals():
    """As many as can be had."""
    n, why = until_refused(lambda i: os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    print(f"{n} {why}")

# The network and what listens (T39) ----------------------------------------------------------

def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as s:
        s.settimeout(3)
        s.connect(address)

def families():
    works = lambda f, *args: not isinstance(outcome(f, *args), str)
    print("families:", *[f for f in range(47) if works(socket.socket, f, socket.SOCK_RAW if f == 16 else socket.SOCK_DGRAM)])
    print("pairs:", *[f for f in range(47) if works(socket.socketpair, f, socket.SOCK_DGRAM)])
    print("netlink:", *[p for p in range(32) if works(socket.socket, 16, socket.SOCK_RAW, p)])
    say("a raw socket", socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)

def privileged():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 80))

def own_loopback(family, address):
    with socket.socket(family) as a, socket.socket(family) as b:
        a.bind((address, 0))
        a.listen()
        b.connect(a.getsockname()[:2])

def change_network(kind):
    """A request of rtnetlink(7) that changes something."""
    with socket.socket(16, socket.SOCK_RAW, 0) as s:
        s.sendall(struct.pack("<IHHIIBBHiII", 32, kind, 5, 1, 0, 0, 0, 0, 1, 0, 0xFFFFFFFF))
        error = struct.unpack_from("<i", s.recv(4096), 16)[0]
        if error:
            raise OSError(-error, "rtnetlink")

def network(port, name):
    """port, name: where somebody outside listens."""
    print("interfaces:", *sorted(os.listdir("/sys/class/net")))
    say("its loopback", own_loopback, socket.AF_INET, "127.0.0.1")
    say("its loopback, IPv6", own_loopback, socket.AF_INET6, "::1")
    print("routes:", len(open("/proc/net/route").readlines()) - 1)
    say("elsewhere", connect, socket.AF_INET, ("192.0.2.1", 80))
    say("elsewhere, IPv6", connect, socket.AF_INET6, ("2001:db8::1", 80))
    say("elsewhere, datagrams", connect, socket.AF_INET, ("192.0.2.1", 53), socket.SOCK_DGRAM)
    say("the port outside", connect, socket.AF_INET, ("127.0.0.1", int(port)))
    say("the port outside, IPv6", connect, socket.AF_INET6, ("::1", int(port)))
    say("the abstract name outside", connect, socket.AF_UNIX, "\0" + name)
    say("a privileged port", privileged)
    say("an interface", change_network, 16)
    say("an address", change_network, 20)
    families()

def listen_both(port, name):
    """For the intruder of another tenant, or of this one."""
    a = socket.socket()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    a.bind(("127.0.0.1", int(port)))
    a.listen()
    b = socket.socket(socket.AF_UNIX)
    b.bind("\0" + name)
    b.listen()
    globals()["held"] = a, b

def services(*paths):
    for path in paths:
        say(os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path), connect, socket.AF_UNIX, path)
    for where in "/run", "/home", "/root", "/var/run":
        print(f"{where}:", *os.listdir(where))

def directories(*paths):
    for path in paths:
        print(f"{os.path.basename(path)} has:", *sorted(os.listdir(path)))

# Root without its capabilities ---------------------------------------------------------------

def mount(*args):
    return call("mount", *[a.encode() if isinstance(a, str) else a for a in args])

def root(leader, *outside):
    """As root: leader is a directory of the test, for names; outside are processes of the host."""
    outside = [int(pid) for pid in outside]
    print("capabilities:", *sorted({l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")}))
    each("kills those of the host", outside, lambda pid: os.kill(pid, 0))
    say("kills init", os.kill, 1, signal.SIGKILL)
    say("becomes another user", os.setresuid, 1, 1, 1)
    say("gets groups", os.setgroups, [1])
    say("writes where it has no grant", write, leader + "/vault/canary")
    say("makes a file there", lambda: os.open(leader + "/vault/new", os.O_WRONLY | os.O_CREAT))
    say("removes one", os.unlink, leader + "/vault/canary")
    say("makes a file in /etc", lambda: os.open("/etc/" + MARK, os.O_WRONLY | os.O_CREAT))
    say("changes a mode", os.chmod, "/etc/passwd", 0o644)
    say("a time", os.utime, "/etc/passwd")
    say("a name", os.link, "/etc/passwd", "/etc/" + MARK)
    say("into its home", os.link, "/etc/passwd", os.environ["HOME"] + "/link")
    say("a lock of tenantq's", lambda: os.open(leader + "/state/lock", os.O_RDWR))
    say("another's home", os.listdir, leader + "/home/globex")
    say("the control socket", connect, socket.AF_UNIX, leader + "/run/control.sock")
    say("mode of its input", os.fchmod, 0, 0o666)
    outcome(put, "/proc/1/autogroup", b"3") # its init's, which is its own
    outcome(put, "/proc/1/oom_score_adj", b"1000")
    say("leaves its cgroup", put, "/sys/fs/cgroup/cgroup.procs", b"0")
    say("a remount", mount, "none", "/proc/sys", "none", 32 | 4096, 0)
    say("a mount", mount, "tmpfs", "/mnt", "tmpfs", 0, 0)
    say("an unmount", call, "umount2", b"/proc/sys", 2)
    say("another root", os.chroot, "/tmp")
    say("other namespaces", call, "unshare", 0x10000000)
    say("init's", lambda: call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
    say("init's root", os.listdir, "/proc/1/root")
    say("a handle", lambda: call("open_by_handle_at", -1, 0, 0))
    say("the clock", time.clock_settime, time.CLOCK_REALTIME, time.time())
    say("the host's name", socket.sethostname, "x")

# ---------------------------------------------------------------------------------------------

def main():
    words, until = sys.argv[1:], None
    if words[0] == "--until":
        until, words = words[1:3], words[3:]
    globals()[words[0].replace("-", "_")](*words[1:])
    sys.stdout.flush()
    if until:
        with open(f"{until[0]}/ready.{until[1]}", "w"):
            pass
        deadline = time.monotonic() + 60
        while not os.path.exists(f"{until[0]}/go.{until[1]}") and time.monotonic() < deadline:
            time.sleep(0.02)

main()
