"""The control socket by hand: `from bus import *`. A caller that is root may connect as anybody."""
import array, os, re, resource, select, socket, struct, sys, time

path = os.environ["TENANTQ_SOCKET"]
AUTH = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if os.geteuid() == 0:
    hard = max(hard, 8192)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

class Gone(Exception):
    """The other side has closed the connection."""

class Error(Exception):
    """An error was the answer; str() is its name."""

def connect(uid=None, patience=2):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False) # never wait for a place in the backlog
    if uid is not None:
        os.setgroups([])
        os.setegid(uid)
        os.seteuid(uid)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                s.connect(path)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Gone("the backlog is full") from None
            except (ConnectionRefusedError, FileNotFoundError):
                raise Gone("no daemon") from None
            time.sleep(0.01)
    finally:
        if uid is not None:
            os.seteuid(0)
            os.setegid(0)
    s.settimeout(5)
    return s

def closed(sockets):
    """Which of them the other side has closed, read or not."""
    poll = select.poll()
    for s in sockets:
        poll.register(s, 0)
    hung = {fd for fd, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR)}
    return [s for s in sockets if s.fileno() in hung]

def pad(data, n):
    return data + b"\0" * (-len(data) % n)

def marshal(signature, values):
    data = b""
    for kind, value in zip(signature.replace("ay", "A"), values):
        if kind == "s":
            data = pad(data, 4) + struct.pack("<I", len(value)) + value.encode() + b"\0"
        elif kind == "A":
            data = pad(data, 4) + struct.pack("<I", len(value)) + value
        elif kind == "t":
            data = pad(data, 8) + struct.pack("<Q", value)
        else: # b, u
            data = pad(data, 4) + struct.pack("<I", value)
    return data

def call(method, signature="", *values, serial=1, n_fds=0):
    """The bytes of a call."""
    fields = b""
    for code, kind, value in ((1, b"o", "/org/tenantq"), (2, b"s", "org.tenantq.Manager1"),
                              (3, b"s", method), (8, b"g", signature), (9, b"u", n_fds)):
        if not value:
            continue
        fields = pad(fields, 8) + bytes([code, 1]) + kind + b"\0"
        if kind == b"u":
            fields += struct.pack("<I", value)
        elif kind == b"g":
            fields += bytes([len(value)]) + value.encode() + b"\0"
        else:
            fields += struct.pack("<I", len(value)) + value.encode() + b"\0"
    body = marshal(signature, values)
    return pad(struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields, 8) + body

def announce(size, in_fields=False):
    """The header of a call that is said to be so long; in_fields: and most of that before its body."""
    n = min(size, 1 << 26) - 64 if in_fields else 24
    return struct.pack("<cBBBIII", b"l", 1, 0, 1, size - 16 - n, 1, n)

class Message:
    def __init__(self, data):
        kind, length, self.serial, n = struct.unpack_from("<xBxxIII", data)
        self.is_error = kind == 3
        self.data = data
        self.at = 16
        fields = {}
        while self.at < 16 + n:
            self.align(8)
            code = data[self.at]
            self.at += 1
            fields[code] = self.variant()
        self.reply_to = fields.get(5)
        self.signature = fields.get(8, "")
        self.error = fields.get(4)
        self.at = 16 + n
        self.align(8)
        self.data = data[self.at:]
        self.at = 0

    def next(self):
        """What a list says last: where the next page begins. From a daemon without pages: 0."""
        return struct.unpack("<Q", self.data[-8:])[0] if self.signature.endswith("t") else 0

    def align(self, n):
        self.at += -self.at % n

    def number(self, format, n):
        self.align(n)
        self.at += n
        return struct.unpack_from(format, self.data, self.at - n)[0]

    def text(self, n):
        self.at += n + 1
        return bytes(self.data[self.at - n - 1:self.at - 1]).decode()

    def variant(self):
        self.at += 1
        return self.value(self.text(self.data[self.at - 1]))

    def value(self, signature):
        kind = signature[0]
        if kind == "v":
            return self.variant()
        if kind in "so":
            return self.text(self.number("<I", 4))
        if kind == "g":
            self.at += 1
            return self.text(self.data[self.at - 1])
        if kind == "y":
            self.at += 1
            return self.data[self.at - 1]
        if kind in "ub":
            return self.number("<I", 4)
        if kind in "xt":
            return self.number("<q" if kind == "x" else "<Q", 8)
        n = self.number("<I", 4) # an array
        self.align(8 if signature[1] in "xt" else 1)
        end, items = self.at + n, []
        while self.at < end:
            items.append(self.value(signature[1:]))
        return items

    def table(self):
        columns, rows = self.value("as"), self.value("aav")
        return [dict(zip(columns, row)) for row in rows]

class Bus:
    def __init__(self, uid=None):
        self.buffer = bytearray()
        self.serial = 0
        self.socket = connect(uid)
        self.send_bytes(AUTH)
        while not (m := re.search(rb"(AGREE_UNIX_FD|ERROR[^\r]*)\r\n", self.buffer)):
            self.receive(5)
        del self.buffer[:m.end()]

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone() from None

    def receive(self, timeout):
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Gone()
        self.buffer += data

    def send(self, method, signature="", *values):
        self.serial += 1
        self.send_bytes(call(method, signature, *values, serial=self.serial))

    def take(self):
        """A message that is there already, or nothing."""
        if len(self.buffer) < 16:
            return None
        length, serial, n = struct.unpack_from("<4xIII", self.buffer)
        size = 16 + n + -n % 8 + length
        if len(self.buffer) < size:
            return None
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return Message(data)

    def read(self, timeout=10):
        while not (m := self.take()):
            self.receive(timeout)
        if m.is_error:
            raise Error(m.error)
        return m

    def ask(self, method, signature="", *values, timeout=10):
        self.send(method, signature, *values)
        return self.read(timeout)

    def says_nothing(self, seconds):
        try:
            m = self.read(seconds)
        except TimeoutError:
            return True
        raise Exception("an answer that should not be there: %s" % m.data[:200])

def place(uid=None):
    """A connection that is served, or None: whoever has no place is told so by its first call."""
    try:
        b = Bus(uid)
        b.ask("ListTenants")
        return b
    except (Gone, Error):
        return None

def outcome(*question):
    """What a call comes to: answered, an error's name, or closed."""
    try:
        Bus().ask(*question)
        return "answered"
    except Error as e:
        return str(e)
    except Gone:
        return "closed"

def memory(pid):
    with open("/proc/%s/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])

def say(*words):
    print(*words, flush=True)

def until_released(seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not os.path.exists(os.environ["RELEASE"]):
        time.sleep(0.05)
