# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file whose writes and flushes are written down, one after the other, as they are answered.

    python3 recorder.py FILE BYTES LOG

FILE is mounted over, by FUSE, and is as large as that; what it holds is in memory. It ends when it is unmounted. LOG is
in the format of dm-log-writes (Linux, Documentation/admin-guide/device-mapper/log-writes.rst) without a number of
entries. One request is served at a time, which is what gives each its place in it.
"""

import ctypes
import errno
import os
import struct
import sys

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH = 1
# linux/fuse.h
GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FUSE_FLUSH, INIT = 3, 4, 14, 15, 16, 17, 18, 20, 25, 26
INTERRUPT = 36
PAGE = 4096  # what is written at once: a disk may tear what is more
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")


class Log:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.add(struct.pack("<QQQI", MAGIC, 1, 0, SECTOR))

    def add(self, header, data=b""):
        self.file.write(header.ljust(SECTOR, b"\0") + data)
        self.file.flush()

    def write(self, offset, data):
        self.add(struct.pack("<QQQQ", offset // SECTOR, len(data) // SECTOR, 0, 0), data)

    def flush(self):
        self.add(struct.pack("<QQQQ", 0, 0, FLUSH, 0))


class Disk:
    def __init__(self, size, log):
        self.bytes, self.log, self.mode = bytearray(size), log, 0o100666
        self.answers = {INIT: self.init, GETATTR: self.attributes, SETATTR: self.attributes, OPEN: lambda _: bytes(16),
                        READ: self.read, WRITE: self.write, FSYNC: self.flush, STATFS: lambda _: bytes(80),
                        RELEASE: lambda _: b"", FUSE_FLUSH: lambda _: b""}

    def init(self, body):
        major, minor, readahead, _ = struct.unpack_from("<IIII", body)
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), readahead, 0, 16, 12, PAGE, 1, 0, 0, 0)

    def attributes(self, _):
        size = len(self.bytes)
        times = [0] * 6
        return struct.pack("<QII3Q3Q10I", 1, 0, 0, 1, size, size // SECTOR, *times, self.mode, 1, 0, 0, 0, PAGE, 0)

    def read(self, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        return self.bytes[offset : offset + size]

    def write(self, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        data = body[40 : 40 + size]
        if offset % SECTOR or size % SECTOR or offset + size > len(self.bytes):
            raise OSError(errno.EINVAL, "")
        self.bytes[offset : offset + size] = data
        self.log.write(offset, data)
        return struct.pack("<II", size, 0)

    def flush(self, _):
        self.log.flush()
        return b""


def serve(fd, disk):
    while True:
        try:
            request = os.read(fd, 2 * PAGE)
        except OSError as e:
            if e.errno == errno.ENODEV:  # unmounted
                return
            if e.errno in (errno.EINTR, errno.ENOENT):
                continue
            raise
        _, opcode, unique, *_ = IN_HEADER.unpack_from(request)
        if opcode == INTERRUPT:
            continue
        error, body = 0, b""
        try:
            body = disk.answers[opcode](request[IN_HEADER.size :])
        except KeyError:
            error = -errno.ENOSYS
        except OSError as e:
            error = -e.errno
        os.write(fd, OUT_HEADER.pack(OUT_HEADER.size + len(body), error, unique) + bytes(body))


def main():
    path, size, log = sys.argv[1:]
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=100000,user_id=0,group_id=0,allow_other,max_read={128 << 10}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"recorder", path.encode(), b"fuse", 6, options.encode()) < 0:  # MS_NOSUID | MS_NODEV
        sys.exit(f"{path}: {os.strerror(ctypes.get_errno())}")
    serve(fd, Disk(int(size), Log(log)))


main()
