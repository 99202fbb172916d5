# SPDX-License-Identifier: LGPL-2.1-or-later
"""A log of block writes, and what a disk may hold when the power goes.

    python3 blocklog.py LOG states EVERY SEED SUBSETS     the names of states, one a line
    python3 blocklog.py LOG unsafe EVERY SEED SUBSETS     those of a disk that never flushes
    python3 blocklog.py LOG image STATE IMAGE             makes the image; prints what had been said by then

LOG is what recorder.py writes: the format of dm-log-writes (a superblock; then for each write a header of one sector
and its data, for each flush a header with the flag), pages one by one. A write to the sector MARKS is no part of the disk:
its text was said to somebody, or done, at exactly that place of the log. States are those between the marks "begin" and
"cut". A state is

    N      all that was written before entry N
    S.K    the K-th draw of seed S: power goes before some entry. What came before the last flush is there; of what
           came after it each page is there or is not
    uS.K   the same, and flushes did nothing
"""

import os
import random
import struct
import sys

SECTOR = 512
MARKS = int(os.environ["POWER_MARKS"])  # a sector number
FLUSH = 1
MAGIC = 0x6A736677736872
UNSAFE_WINDOW = 1000  # entries that a host keeps in its memory


class Entry:
    def __init__(self, sector, data, is_flush):
        self.sector, self.data, self.is_flush = sector, data, is_flush
        self.is_mark = data != b"" and sector == MARKS
        self.is_write = data != b"" and not self.is_mark

    def text(self):
        return self.data.rstrip(b"\0").decode().strip()


def read(path):
    with open(path, "rb") as f:
        raw = f.read()
    magic, _, _, sector_size = struct.unpack_from("<QQQI", raw)
    if magic != MAGIC or sector_size != SECTOR:
        sys.exit(f"{path}: not a log of writes")
    entries, at = [], SECTOR
    while at + SECTOR <= len(raw):
        sector, n, flags, _ = struct.unpack_from("<QQQQ", raw, at)
        at += SECTOR
        entry = Entry(sector, raw[at : at + n * SECTOR], bool(flags & FLUSH))
        at += n * SECTOR
        if entry.is_mark and entry.text() == "cut":
            return entries
        entries.append(entry)
    sys.exit(f"{path}: it does not end with the mark 'cut'")


def begin(entries):
    return next(i for i, e in enumerate(entries) if e.is_mark and e.text() == "begin")


def cuts(entries):
    """Before each write, and at the end: what was said since the last one has been said already."""
    return [i for i in range(begin(entries) + 1, len(entries)) if entries[i].is_write] + [len(entries)]


def drawn(entries, name):
    """The cut of such a state, and which entries are there."""
    is_unsafe = name.startswith("u")
    draw = random.Random(name.lstrip("u"))
    first = begin(entries) + 1

    def safe_until(cut):
        if is_unsafe:
            return max(first, cut - UNSAFE_WINDOW)
        return next((i + 1 for i in range(cut - 1, first, -1) if entries[i].is_flush), first)

    # With nothing in flight it would be one of the others.
    cut = draw.choice([c for c in cuts(entries) if any(e.is_write for e in entries[safe_until(c) : c])])
    safe = safe_until(cut)
    return cut, [e for i, e in enumerate(entries[:cut]) if i < safe or draw.random() < 0.5]


def state(entries, name):
    if "." in name:
        return drawn(entries, name)
    cut = int(name)
    return cut, entries[:cut]


def image(entries, name, path):
    cut, there = state(entries, name)
    with open(path, "r+b") as f:
        for e in there:
            if e.is_write:
                f.seek(e.sector * SECTOR)
                f.write(e.data)
    for e in entries[begin(entries) + 1 : cut]:
        if e.is_mark:
            print(e.text())


def names(entries, every, seed, subsets, prefix):
    if not prefix:
        for i, cut in enumerate(cuts(entries)):
            if i % every == seed % every:
                print(cut)
    for k in range(subsets):
        print(f"{prefix}{seed}.{k}")


def main():
    log, command, *rest = sys.argv[1:]
    entries = read(log)
    if command == "image":
        image(entries, *rest)
    else:
        names(entries, *map(int, rest), "u" if command == "unsafe" else "")


main()
