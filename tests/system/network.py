# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers and callers for 31-outbound.sh.

serve READY ADDRESS:PORT…    tells each caller by what address it came; until it is killed
names READY ADDRESS          a name server (RFC 1035) that knows one name, db.example: as ADDRESS
call TO…                     says what becomes of a connection to each: HOST:PORT, [HOST]:PORT or @ABSTRACT
bound TO…                    the same, from sockets that are bound to the interface; then who it has for neighbours
mute READY PORT              takes callers and says nothing, until they leave
hold SAID N HOST:PORT        so many connections at a time: writes how many there were, and the error of the next; stays
listen READY PORT SECONDS    says who came in that time
"""

import errno
import socket
import struct
import sys
import threading
import time


def split(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def answer(server):
    while True:
        conn, peer = server.accept()
        with conn:
            conn.sendall(f"you are {peer[0] if peer else 'local'}".encode())


def listener(text):
    if text.startswith("@"):
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0" + text[1:])
    else:
        host, port = split(text)
        server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
    server.listen(4096)
    return server


def serve(ready, *where):
    for server in [listener(w) for w in where]:
        threading.Thread(target=answer, args=(server,)).start()
    open(ready, "w").close()


def names(ready, address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    open(ready, "w").close()
    while True:
        query, peer = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        known = query[12:end] == b"\2db\7example\0\0\1\0\1"
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, known, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        server.sendto(head + query[12:end] + (record if known else b""), peer)


def connect(to, timeout=5):
    if to.startswith("@"):
        conn = socket.socket(socket.AF_UNIX)
        conn.connect("\0" + to[1:])
        return conn
    return socket.create_connection(split(to), timeout)


def why(e):
    if isinstance(e, socket.gaierror):
        return "no such name"
    if isinstance(e, TimeoutError) and e.errno is None:
        return "no answer"
    return errno.errorcode[e.errno]


def connect_bound(to):
    conn = socket.socket(socket.AF_INET)
    conn.settimeout(2)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    conn.connect(split(to))
    return conn


def bound(*where):
    call(*where, by=connect_bound)
    with open("/proc/net/arp") as f:
        print(f"{sum(line.split()[2] != '0x6' for line in f) - 1} neighbours that it asked for")


def call(*where, by=connect):
    for to in where:
        try:
            with by(to) as conn:
                print(f"{to}: {conn.recv(100).decode()}")
        except OSError as e:
            print(f"{to}: {why(e)}")


def until_left(conn):
    with conn:
        conn.recv(1)


def mute(ready, port):
    server = listener(f"0.0.0.0:{port}")
    open(ready, "w").close()
    while True:
        threading.Thread(target=until_left, args=(server.accept()[0],)).start()


def hold(said, n, to):
    held = []
    with open(said, "w") as f:
        try:
            for _ in range(int(n)):
                held.append(connect(to))
            f.write(f"{len(held)} connections")
        except OSError as e:
            f.write(f"{len(held)} connections, then {why(e)}")
    time.sleep(60)


def listen(ready, port, seconds):
    server = listener(f"0.0.0.0:{port}")
    with open(ready, "w") as f:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("10.99.0.2", 9))
            f.write(s.getsockname()[0])
    server.settimeout(float(seconds))
    try:
        print("came:", server.accept()[1][0])
    except TimeoutError:
        print("nobody came")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
