#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check-circles.py BUILD - calls between files form no circle of more than three files.

A file calls another when its object has a call (a relocation of that kind) to a function that the other defines. What is
handed over as a pointer, a callback or a table of operations, is no call: that is how lower layers reach higher ones.

What always holds: a circle is reported with the calls that make it, each once. LARGER has the folders whose circles are
larger than allowed; one that has shrunk must be changed there, too."""
import collections
import json
import pathlib
import re
import subprocess
import sys

import tree

LIMIT = 3
LARGER = {}
# x86, arm64, riscv64, ppc64le and s390x: what a compiler leaves for a direct call
CALL = re.compile(r"R_(?:X86_64_PLT32|AARCH64_(?:CALL|JUMP)26|RISCV_CALL(?:_PLT)?|PPC64_REL24|390_PLT32DBL)\s+(\w+)")


def objects_of(build):
    """{source: object} of the daemon and the client, from what the build system compiles."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    found = {}
    for c in commands:
        source = (pathlib.Path(c["directory"]) / c["file"]).resolve()
        if not source.is_relative_to(tree.ROOT):
            continue
        source = source.relative_to(tree.ROOT)
        if source.parts[0] in ("daemon", "client") and source.suffix == ".c":
            found[source] = pathlib.Path(c["directory"]) / c["output"]
    return {s: o for s, o in found.items() if o.exists()}


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def calls_between(objects):
    """{source: {source: {function}}}"""
    sources = {str(o): s for s, o in objects.items()}
    owners = collections.defaultdict(set)
    for line in output_of("nm", "-A", "-g", "--defined-only", *sources).splitlines():
        o, symbol = line.split(":", 1)
        owners[symbol.split()[-1]].add(sources[o])
    owners.pop("main", None)
    calls = {s: collections.defaultdict(set) for s in objects}
    caller = None
    for line in output_of("objdump", "-r", *sources).splitlines():
        if ":     file format " in line:
            caller = sources[line.split(":     file format ")[0]]
        elif call := CALL.search(line):
            # programs may have functions of one name: each means its own
            near = {o for o in owners[call[1]] if o.parent == caller.parent} or owners[call[1]]
            for owner in near - {caller}:
                calls[caller][owner].add(call[1])
    return calls


def circles_of(calls):
    """Strongly connected components of more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in calls[v]:
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for v in calls:
        if v not in index:
            visit(v)
    return found


def report(circle, calls):
    tree.problem(circle[0], 1, f"calls form a circle of {len(circle)} files, {LIMIT} are allowed:")
    for a in circle:
        for b in circle:
            if calls[a][b]:
                print(f"    {a} -> {b}: {', '.join(sorted(calls[a][b]))}")


build = pathlib.Path(sys.argv[1])
objects = objects_of(build)
calls = calls_between(objects)
if not any(calls.values()):
    sys.exit(f"{build}: no calls found in {len(objects)} objects: built for a machine that this check does not know, or for "
             "link time optimisation")
largest = dict.fromkeys(LARGER, LIMIT)
for circle in circles_of(calls):
    folder = str(circle[0].parent)
    largest[folder] = max(largest.get(folder, LIMIT), len(circle))
    if len(circle) > LARGER.get(folder, LIMIT):
        report(circle, calls)
for folder, allowed in LARGER.items():
    if largest[folder] < allowed:
        tree.problem("tests/check/check-circles.py", 1, f"the largest circle in {folder} has {largest[folder]} files: change LARGER")
tree.done(f"calls between {len(objects)} files")
