#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-loop.py TEST... - runs bus tests with the daemon under strace(1), and fails if its loop thread makes a call that can wait for a
# filesystem, another process, or the bus (docs/architecture.md, "What may wait").
#
# The loop thread is the process' first. It is looked at from its first epoll_wait(2) on, which is after the start, to its last, since at
# the end it may wait. What the kernel does on the way out of a call cannot be seen here: when it closes the last descriptor of a file
# that a message brought and nobody took, or that waited in a socket, the thread sleeps after the call has returned. test-linger.c
# tries that. Exit status: 0, 1 or 77, as of the tests.
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Each of these would be on a file of a caller's, or wait for something, or end the start.
TRACED = ("epoll_wait,close,fstat,newfstatat,statx,fstatfs,statfs,read,pread64,readv,write,pwrite64,fsync,fdatasync,syncfs,sync,"
          "sync_file_range,ftruncate,fallocate,dup,dup2,dup3,fcntl,flock,ioctl,mmap,lseek,open,openat,openat2,connect,poll,ppoll,"
          "select,pselect6,wait4,waitid,nanosleep,clock_nanosleep,getdents64,close_range,copy_file_range,name_to_handle_at,fadvise64")

CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
# Files that the tests pass to the daemon: make_file(), memory (not what stands for our own DAX devices), and the filesystem whose server
# falls silent.
FOREIGN = re.compile(r"\d+<(/tmp/rdmareg-[^>]*/(?:file|silent)[^>]*|/memfd:(?!dax)[^>]*)>")
FOREIGN_PATH = re.compile(r'"/tmp/rdmareg-[^"]*/(?:file|silent/?[^"]*)"')
# What asks nobody: flags, seals and duplicates.
HARMLESS_FCNTL = re.compile(r"F_(GETFL|GETFD|SETFD|DUPFD|DUPFD_CLOEXEC|GET_SEALS)\b")
# A file in memory says that it is one when the call before asked for its seals: the kernel answers that by itself, of any file, and no other
# has any (daemon/bus/descriptor.c:descriptor_is_in_memory). Its status waits for nobody.
SEALS = re.compile(r"^(\d+<[^>]*>(?:\(deleted\))?), F_GET_SEALS\) += (?:0\b|0x)")
STATUS = re.compile(r"^(\d+<[^>]*>(?:\(deleted\))?), \"\", AT_STATX_DONT_SYNC\|AT_EMPTY_PATH, ")


def complaint(name, arguments):
    """Why the loop may not make this call, or None."""
    if name in ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "nanosleep", "clock_nanosleep"):
        return "waits"
    if name in ("poll", "ppoll", "select", "pselect6") and not re.search(r"(, 0(\)| <unfinished)|tv_sec=0, tv_n?u?sec=0})", arguments):
        return "waits for a descriptor outside the loop: a synchronous call to the bus?"
    if name in ("waitid", "wait4") and "WNOHANG" not in arguments:
        return "waits for a process"
    if name == "flock" and "LOCK_NB" not in arguments and "LOCK_UN" not in arguments:
        return "waits for a lock"
    if name == "fcntl" and re.search(r"F_(OFD_)?SETLKW", arguments):
        return "waits for a lock"
    if name == "fcntl" and HARMLESS_FCNTL.search(arguments):
        return None
    if name == "connect" and "AF_UNIX" not in arguments:
        return "connects elsewhere"
    if FOREIGN.search(arguments) or FOREIGN_PATH.search(arguments):
        return "touches a file of a caller's"
    return None


def faults(path):
    """What is wrong in one trace; and how many calls of the loop were looked at."""
    loop, begun, calls, wrong = None, False, [], []
    for line in path.read_text(errors="replace").splitlines():
        resumed = RESUMED.match(line)
        if resumed and resumed.group(1) == loop and calls:  # a thread makes one call at a time
            name, arguments, began = calls[-1]
            calls[-1] = (name, arguments.replace(" <unfinished ...>", "") + resumed.group(2), began)
        match = CALL.match(line)
        if not match:
            continue
        pid, name, arguments = match.groups()
        loop = loop or pid
        if pid != loop:
            continue
        begun = begun or name == "epoll_wait"
        if begun:
            calls.append((name, arguments, line))
    while calls and calls[-1][0] != "epoll_wait":
        calls.pop()
    in_memory = None
    for name, arguments, line in calls:
        why = complaint(name, arguments)
        status = STATUS.match(arguments) if name == "statx" else None
        if status and status.group(1) == in_memory:
            why = None
        seals = SEALS.match(arguments) if name == "fcntl" else None
        in_memory = seals.group(1) if seals else None
        if why:
            wrong.append(f"{why}: {line}")
    return wrong, len(calls)


def main():
    status = 77
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        wrapper = pathlib.Path(directory) / "rdmaregd"
        wrapper.write_text(f"#!/bin/sh\nexec strace -D -f --seccomp-bpf -qq -y -s 200 -e trace={TRACED} -e signal=none "
                           f"-o {directory}/trace.$$ {os.environ['RDMAREGD']} \"$@\"\n")
        wrapper.chmod(0o755)
        env = {**os.environ, "RDMAREGD": str(wrapper)}
        with concurrent.futures.ThreadPoolExecutor(3) as pool:  # each has a bus of its own, and mostly waits
            results = list(pool.map(lambda test: subprocess.run([test], env=env).returncode, sys.argv[1:]))
        for test, r in zip(sys.argv[1:], results):
            if r == 77:
                continue
            if r:
                print(f"{test} failed under strace: {r}")
                return 1
            status = 0
        wrong, looked_at = [], 0
        for trace in sorted(pathlib.Path(directory).glob("trace.*")):
            found, n = faults(trace)
            wrong += found
            looked_at += n
        if wrong:
            print("\n".join(wrong[:40]))
        print(f"{len(wrong)} problems: {looked_at} calls of the loop thread")
        if wrong or (status == 0 and not looked_at):
            status = 1
    return status


sys.exit(main())
