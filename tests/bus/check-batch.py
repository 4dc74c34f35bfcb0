#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-batch.py TEST - runs test-batch.c and all that it starts under strace(1), and fails if 64 regions of one call take more system calls
# than each needs: what can be done once for all of them is not done 64 times. Calls are counted, since times say nothing on a busy machine.
#
# All processes together: caller, bus, daemon and keeper. What depends on when a thread is woken (futex, epoll_wait, write of an eventfd)
# is not counted, nor what only the keeper of tests does (tests/fakes/storage.c): it asks what each file is before it closes it.
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

CALL = re.compile(r"^(\d+\.\d+) (\w+)\((.*)")
LENGTH = re.compile(r", STATX_SIZE, ")  # once a second of each file, too
WINDOW = re.compile(r"(\d+) regions between ([\d.]+) and ([\d.]+)")
OTHERS = 24  # calls of a kind that all of the regions take together, how ever many turns the loops make for them

# What each region may take of a kind.
EACH = {
    "pipe2": 0,
    "epoll_ctl": 0,
    "close": 4,  # caller, bus, daemon (the token; and the descriptor, when the keeper has it)
    "openat": 1,  # limits of memory, once for those that come together: 15 calls in a control group, 2 without
    "pread64": 0,
    "statx": 4,  # daemon: what it is. Keeper: its storage; what it is, anew; what the module of tests looks at
    "name_to_handle_at": 0,
    "mmap": 2,  # room for it, and it
    "munmap": 1,
    "madvise": 1,
    "setsockopt": 1,
    "clone3": 0,
    "fallocate": 0,
    "pidfd_open": 0,
}


def count(directory, begin, end):
    """Calls of each kind in that time."""
    calls = collections.Counter()
    for trace in pathlib.Path(directory).glob("trace.*"):
        for line in trace.read_text(errors="replace").splitlines():
            call = CALL.match(line)
            if call and begin <= float(call.group(1)) <= end and not LENGTH.search(call.group(3)):
                calls[call.group(2)] += 1
    return calls


def main():
    with tempfile.TemporaryDirectory() as directory:
        command = ["strace", "-ff", "-qq", "-ttt", "-e", "signal=none", "-o", f"{directory}/trace", sys.argv[1]]
        r = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if r.returncode:
            return r.returncode
        regions, begin, end = WINDOW.findall(r.stdout)[-1]
        calls = count(directory, float(begin), float(end))
    wrong = 0
    for kind, n in sorted(calls.items()):
        most = int(regions) * EACH[kind] + OTHERS if kind in EACH else None
        too_many = most is not None and n > most
        wrong += too_many
        print(f"{kind}: {n}" + (f", at most {most}" if most is not None else "") + (": too many" if too_many else ""))
    return 1 if wrong or not calls["sendmsg"] else 0


sys.exit(main())
