#!/usr/bin/python3
"""hang.py PATH - a file system at PATH (fuse(4)), a directory or a file, that answers nothing but its birth.

Who asks it for anything waits in the kernel, and once this program has read the request, no signal ends that. It goes
on until it is killed: then all that wait are told that they are not connected.
"""

import os
import struct
import subprocess
import sys

FUSE_INIT = 26


def main():
    path = sys.argv[1]
    mode = "40000" if os.path.isdir(path) else "100000"
    device = os.open("/dev/fuse", os.O_RDWR)
    subprocess.run(
        ["/bin/mount", "-i", "-t", "fuse", "hang", path, "-o",
         f"fd={device},rootmode={mode},user_id=0,group_id=0,allow_other"],
        pass_fds=[device], check=True)
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique = struct.unpack_from("<IIQ", request)
        if opcode == FUSE_INIT:
            major, minor, readahead = struct.unpack_from("<III", request, 40)
            body = struct.pack("<IIIIHHIIHHI28x", major, minor, readahead, 0, 0, 0, 4096, 0, 0, 0, 0)
            os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
            print("ready", flush=True)


main()
