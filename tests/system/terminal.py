#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""terminal.py [KEY=VALUE…] -- COMMAND [ARG…]: runs a command on a terminal of its own, and types.

The steps, in order: wait=REGEX (until that was said since the last step), type=TEXT (\\n, \\x03 for ^C as in Python), sleep=SECONDS.
Prints all that the terminal got, as it is, and exits with the command's status (128 + N: a signal).
"""
import os
import pty
import re
import select
import sys
import time

steps, command = sys.argv[1:], []
at = steps.index("--")
steps, command = steps[:at], steps[at + 1:]
pid, master = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
said = b""
deadline = time.monotonic() + 30


def read(seconds):
    """What comes within that time; False: nobody is at the other end any more."""
    global said
    if not select.select([master], [], [], seconds)[0]:
        return True
    try:
        data = os.read(master, 65536)
    except OSError:
        return False
    said += data
    return bool(data)


seen = 0
for step in steps:
    kind, text = step.split("=", 1)
    if kind == "type":
        os.write(master, text.encode().decode("unicode_escape").encode("latin-1"))
    elif kind == "sleep":
        end = time.monotonic() + float(text)
        while time.monotonic() < end:
            read(0.05)
    else:
        while not (found := re.compile(text.encode()).search(said, seen)):
            if time.monotonic() > deadline or not read(0.2):
                sys.stdout.buffer.write(said)
                sys.exit(f"terminal.py: {text} was not said")
        seen = found.end()
while time.monotonic() < deadline and read(0.2):
    pass
sys.stdout.buffer.write(said)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
