# SPDX-License-Identifier: LGPL-2.1-or-later
"""Payloads for 90-noisy.sh.

victim STEPS FILE           steps of 2 ms of CPU and an fsync; prints p50, p99 and the worst in ms, all in s, CPU in s
hogs N                      so many processes that compute
balloon                     memory, until somebody ends it, again and again
forks                       processes that make processes
fsyncs N DIRECTORY          so many processes that write a page and wait for the disk
direct N DIRECTORY          so many processes that write past the page cache, a mebibyte each
talk                        output without end
"""

import mmap
import os
import sys
import time


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def victim(steps, path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    took = []
    begin, cpu = time.monotonic(), time.process_time()
    for i in range(int(steps)):
        start = time.monotonic()
        burn(0.002)
        os.pwrite(fd, b"x" * 4096, i % 64 * 4096)
        os.fsync(fd)
        took.append(1000 * (time.monotonic() - start))
    total, cpu = time.monotonic() - begin, time.process_time() - cpu
    took.sort()
    print(f"{took[len(took) // 2]:.2f} {took[len(took) * 99 // 100]:.2f} {took[-1]:.2f} {total:.2f} {cpu:.2f}")


def many(n, work, *arguments):
    for _ in range(int(n) - 1):
        if os.fork() == 0:
            break
    work(*arguments)


def compute():
    while True:
        pass


def hogs(n):
    many(n, compute)


def balloon():
    while True:
        if os.fork() == 0:
            held = []
            while True:
                held.append(bytearray(1 << 20))
                held[-1][:: mmap.PAGESIZE] = b"x" * len(held[-1][:: mmap.PAGESIZE])
        try:
            os.wait()
        except ChildProcessError:
            pass


def forks():
    while True:
        try:
            if os.fork() == 0 and os.getpid() % 64 == 0:
                os._exit(0)
        except OSError:
            pass


def write_and_wait(directory):
    fd = os.open(f"{directory}/fsync.{os.getpid()}", os.O_WRONLY | os.O_CREAT, 0o600)
    while True:
        os.pwrite(fd, b"x" * 4096, 0)
        os.fsync(fd)


def fsyncs(n, directory):
    many(n, write_and_wait, directory)


def write_directly(directory):
    page = mmap.mmap(-1, 1 << 20)
    fd = os.open(f"{directory}/direct.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
    while True:
        for i in range(32):
            os.pwrite(fd, page, i << 20)


def direct(n, directory):
    many(n, write_directly, directory)


def talk():
    line = b"x" * 4095 + b"\n"
    while True:
        os.write(1, line)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
