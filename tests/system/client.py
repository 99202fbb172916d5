"""The control socket with many calls at once (D-Bus specification, "Message Protocol"), at TENANTQ_SOCKET.

client.py submit TENANT N TEXT    job files, of which @ stands for the number; prints how many went well
client.py cancel FROM TO          prints how many went well
client.py longest JOB FILE        holds and releases the job until the file is there; prints the longest answer in ms
"""
import os, socket, struct, sys, time

def pad(b, n):
    return b + b"\0" * (-len(b) % n)

def string(s):
    return struct.pack("<I", len(s)) + s + b"\0"

# A method call (D-Bus specification, "Message Protocol").
def message(serial, member, signature, body):
    fields = b""
    for code, kind, value in ((1, b"o", b"/org/tenantq"), (2, b"s", b"org.tenantq.Manager1"), (3, b"s", member)):
        fields = pad(fields, 8) + bytes([code, 1]) + kind + b"\0" + string(value)
    fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature + b"\0"
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields))
    return pad(head + fields, 8) + body

class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(os.environ["TENANTQ_SOCKET"])
        self.s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        self.buf = b""
        while self.buf.count(b"\r\n") < 2:
            self.buf += self.s.recv(4096)
        self.buf = self.buf.split(b"\r\n", 2)[2]

    # Whether the next answer is no error.
    def reply(self):
        while True:
            if len(self.buf) >= 16:
                body, _, fields = struct.unpack_from("<III", self.buf, 4)
                size = 16 + fields + (-fields % 8) + body
                if len(self.buf) >= size:
                    kind, self.buf = self.buf[1], self.buf[size:]
                    return kind == 2
            data = self.s.recv(1 << 20)
            if not data:
                sys.exit("the daemon closed the connection")
            self.buf += data

    def calls(self, member, signature, bodies):
        out, serial, pending, well = [], 0, 0, 0
        for body in bodies:
            serial += 1
            pending += 1
            out.append(message(serial, member, signature, body))
            if len(out) == 100:
                self.s.sendall(b"".join(out))
                out = []
            if pending > 200:
                well += self.reply()
                pending -= 1
        self.s.sendall(b"".join(out))
        return well + sum(self.reply() for _ in range(pending))

def submission(tenant, text, i):
    data = text.replace("@", str(i)).encode()
    return pad(string(tenant.encode()), 4) + struct.pack("<I", len(data)) + data

def longest(job, file):
    c, most = Client(), 0
    while not os.path.exists(file):
        for hold in (1, 0):
            start = time.monotonic()
            assert c.calls(b"Hold", b"tbsu", [pad(struct.pack("<QI", job, hold) + string(b""), 4) + struct.pack("<I", 0)]) == 1
            most = max(most, time.monotonic() - start)
        time.sleep(0.002)
    return round(most * 1000)

verb, a, b, *text = sys.argv[1:]
if verb == "longest":
    print(longest(int(a), b))
elif verb == "submit":
    print(Client().calls(b"Submit", b"say", (submission(a, text[0], i) for i in range(int(b)))))
else:
    print(Client().calls(b"Cancel", b"tsu", (pad(struct.pack("<Q", i) + string(b""), 4) + struct.pack("<I", 0) for i in range(int(a), int(b) + 1))))
