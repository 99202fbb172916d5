# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold after a power cut; prints what does not, and exits with 1 then.

Else it prints how many jobs there are, how many of them ran after it, and how many are said to be lost while they ran.

    tenantqctl --json ps -a | python3 oracle.py SAID RAN SLOTS

SAID is what had been said and done before the cut, RAN what was done after it, each a line "WORD NAME":

    dropped    its file is in the spool, synced; or not any more
    accepted   its submission was answered with a number
    cancelled  so was its cancellation, before it could run
    ended      it was said that it exited with 0
    started    its program runs

SLOTS is how many jobs can have run at once: no more of them can be `lost`.
"""

import json
import sys
from collections import Counter, defaultdict


def words(path):
    found = defaultdict(list)
    with open(path) as f:
        for line in f:
            word, name = line.split()
            found[word].append(name)
    return found


def faults(said, ran, slots, jobs):
    rows = defaultdict(list)
    for job in jobs:
        rows[job["name"]].append(job)
    starts = Counter(said["started"] + ran["started"])
    promised = set(said["dropped"] + said["accepted"] + said["cancelled"] + said["ended"] + said["started"])
    for name in sorted(promised - rows.keys()):
        yield f"{name} is lost: no such job is there any more"
    for name, n in sorted(starts.items()):
        if n > 1:
            yield f"{name} has run {n} times"
    for name, found in sorted(rows.items()):
        verdicts = [str(j["verdict"]) if j["state"] == "done" else j["state"] for j in found]
        verdict = verdicts[0]
        if len(found) > 1:
            yield f"{name} is there {len(found)} times: {', '.join(verdicts)}"
        elif name in said["ended"]:
            if verdict != "exit 0":
                yield f"{name}: exit 0 was told, and is {verdict} now"
        elif name.startswith("never"):
            if starts[name] or not verdict.startswith("cancelled") and name in said["cancelled"]:
                yield f"{name} was to wait, or was cancelled: {verdict}, {starts[name]} starts"
        elif verdict != "exit 0" and not verdict.startswith("lost"):
            yield f"{name}: {verdict}"
        if verdict == "exit 0" and starts[name] == 0:
            yield f"{name} has not run, and is said to have ended well"
    if n_lost(jobs) > slots:
        yield f"{n_lost(jobs)} jobs are said to be lost while they ran, and {slots} can have"


def n_lost(jobs):
    return sum(str(j["verdict"]).startswith("lost") for j in jobs)


def main():
    said, ran = map(words, sys.argv[1:3])
    jobs = json.load(sys.stdin)["jobs"]
    found = list(faults(said, ran, int(sys.argv[3]), jobs))
    print("\n".join(found) if found else f"{len(jobs)} {len(ran['started'])} {n_lost(jobs)}")
    sys.exit(1 if found else 0)


main()
