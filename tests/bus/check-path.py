#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-path.py TEST - runs test-path.c with the loop thread of the daemon under strace(1), and fails if it makes more system calls for a
# truncate or a registration than are needed, while somebody waits: blocks are freed when the owner has heard and answered, and the owner
# cannot answer before the loop reads again. Calls are counted, since times say nothing on a busy machine.
#
# The second of each counts: the keeper is there, and the caller known.
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CALL = re.compile(r"^(\w+)\((.*)$")
# What a process is known by, which the signal says: one open and one read of each.
ASKER = re.compile(r"(openat|read|close)\(.*/proc/\d+/(status|cgroup)")


def is_data(call):
    """A message came in."""
    return call.startswith("recvmsg(") and not re.search(r"= (-1|0)\b", call)


def find(calls, what, start=0):
    return next(i for i in range(start, len(calls)) if re.search(what, calls[i]))


def found_all(calls, what):
    return [i for i, call in enumerate(calls) if re.search(what, call)]


class Path:
    """The calls of one thread, and what is wrong with them."""

    def __init__(self, text):
        self.calls = [line for line in text.splitlines() if CALL.match(line)]
        self.wrong = []

    def expect(self, what, between, most, allowed):
        """At most so many calls, and of these only."""
        other = [call for call in between if not re.search(allowed, call)]
        print(f"{what}: {len(between)} calls, at most {most}")
        if len(between) > most or other:
            self.wrong.append(f"{what}: {len(between)} calls, at most {most}, and {len(other)} that have no place there:")
            self.wrong += [f"    {call[:160]}" for call in between]

    def registration(self):
        asked = found_all(self.calls, r"^sendmsg\(.*RevocationRequested")
        came = find(self.calls, r"^recvmsg\(.*RegisterRegion", asked[0])
        passed_on = max(i for i in range(asked[1]) if self.calls[i].startswith("sendmmsg("))
        # how often the loop turns meanwhile, and wakes threads, is the scheduler's
        calls = [call for call in self.calls[came:passed_on] if not re.search(r"^(epoll_\w+|futex|clock_gettime)\(|EAGAIN", call)]
        # a file in memory: no thread looks at it, whose answer would be read; before Linux 6.2 the table of descriptors is tried out
        most = 14 if os.stat("/proc/self/fd").st_size else 62
        self.expect("a registration arrives, and the keeper is asked", calls, most, r"^(?!open|read\()")

    def truncate(self):
        asked = found_all(self.calls, r"^sendmsg\(.*RevocationRequested")[1]
        told = max(i for i in range(asked) if is_data(self.calls[i]))
        waits = find(self.calls, r"^epoll_wait\(", asked)
        answered = find(self.calls, r"^recvmsg\(.*AckRevocation", asked)
        consent = find(self.calls, r"^sendmmsg\(", answered)
        heard = max(i for i in range(consent) if is_data(self.calls[i]))
        self.expect("a revocation arrives, and its owner is told", self.calls[told + 1:asked], 6, ASKER.pattern)
        # its log, in tests by a thread; accounts; and the loop itself
        self.expect("the owner is told, and the loop waits for the answer", self.calls[asked + 1:waits], 12,
                    r"^(getpid|futex|clock_gettime|recvmsg|epoll_ctl)\(")
        self.expect("the owner answers, and the keeper is told", self.calls[heard + 1:consent], 0, "^$")


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        wrapper = pathlib.Path(directory) / "rdmaregd"
        wrapper.write_text(f"#!/bin/sh\nexec strace -D -qq -y -s 600 -e signal=none -o {directory}/trace {os.environ['RDMAREGD']} \"$@\"\n")
        wrapper.chmod(0o755)
        r = subprocess.run([sys.argv[1]], env={**os.environ, "RDMAREGD": str(wrapper)}).returncode
        if r:
            return r
        path = Path((pathlib.Path(directory) / "trace").read_text(errors="replace"))
    path.registration()
    path.truncate()
    print("\n".join(path.wrong))
    return 1 if path.wrong else 0


sys.exit(main())
