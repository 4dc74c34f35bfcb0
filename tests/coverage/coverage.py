#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""coverage.py BUILD - which branches the tests on this machine take, for each part of the product: ./run coverage builds it with gcov
in build/coverage, runs the tests there, and calls this.

What always holds: a part whose share is below `floors` fails the run, and so does one that has no floor. Functions that no test
enters, and branches that none takes, are in build/logs/coverage. What the lab runs is not counted: it runs other binaries. A branch
counts once, however many programs its file is a part of."""

import json
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FLOORS = pathlib.Path(__file__).with_name("floors")
LOG = TOP / "build/logs/coverage"
AT_ONCE = 50
# The first that a path begins with.
PARTS = (("daemon/core", "core"), ("daemon/keeper", "keeper"), ("daemon/selftest", "selftest"), ("daemon/gate", "gate"), ("daemon", "daemon"),
         ("client/ctl", "rdmaregctl"), ("client/slurm", "slurm"), ("client", "library"), ("proto", "proto"))


def part_of(path):
    return next((part for start, part in PARTS if path.startswith(start + "/")), None)


def read_floors():
    lines = [line.split() for line in FLOORS.read_text(encoding="ascii").splitlines() if line.strip() and not line.startswith("#")]
    return {part: int(percent) for part, percent in lines}


class File:
    def __init__(self):
        # number: count; number: {how many: counts}, as many as the compiler made of the line here or there; name: (line, count)
        self.lines, self.branches, self.functions = {}, {}, {}

    def add(self, found):
        for f in found["functions"]:
            _, count = self.functions.get(f["name"], (0, 0))
            self.functions[f["name"]] = (f["start_line"], count + f["execution_count"])
        for line in found["lines"]:
            n = line["line_number"]
            self.lines[n] = self.lines.get(n, 0) + line["count"]
            counts = [b["count"] for b in line["branches"]]
            forms = self.branches.setdefault(n, {})
            forms[len(counts)] = [a + b for a, b in zip(forms.get(len(counts), [0] * len(counts)), counts)]

    def taken(self, n):
        """Of the branches of a line: is it taken? Where programs differ in what they are, of those that tests know best."""
        return max(([c > 0 for c in form] for form in self.branches[n].values()), key=lambda t: (sum(t) / len(t) if t else 1, len(t)))


def read(build):
    """{path in the tree: File}"""
    files, data = {}, sorted(str(p.resolve()) for p in pathlib.Path(build).rglob("*.gcda"))
    for i in range(0, len(data), AT_ONCE):
        out = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *data[i:i + AT_ONCE]], cwd=build, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for line in filter(None, out.splitlines()):
            for found in json.loads(line)["files"]:
                # the compiler was told to name no place of this machine: "." is the tree
                path = os.path.normpath(found["file"])
                if part_of(path) and (TOP / path).is_file():  # else it is generated
                    files.setdefault(path, File()).add(found)
    return files


class Count:
    """Of one part."""

    def __init__(self):
        self.lines, self.branches, self.functions = [0, 0], [0, 0], [0, 0]  # hit, all
        self.missing = []  # lines
        self.never = []  # functions

    def add(self, path, file):
        for name, (line, count) in sorted(file.functions.items(), key=lambda f: f[1]):
            self.functions[0] += count > 0
            self.functions[1] += 1
            if not count:
                self.never.append(f"{path}:{line}: {name}()")
        source = dict(enumerate((TOP / path).read_text(encoding="utf-8").splitlines(), 1))
        for number, count in sorted(file.lines.items()):
            taken = file.taken(number)
            self.lines[0] += count > 0
            self.lines[1] += 1
            self.branches[0] += sum(taken)
            self.branches[1] += len(taken)
            if not count or not all(taken):
                self.missing.append(f"{path}:{number}: {'' if count else 'never reached: '}{source.get(number, '').strip()}")


def share(count):
    return f"{count[0]} of {count[1]} ({100 * count[0] // max(1, count[1])} %)"


def main(build):
    counts = {}
    for path, file in sorted(read(build).items()):
        counts.setdefault(part_of(path), Count()).add(path, file)
    floors, ok = read_floors(), True
    print(f"{'part':12} {'branches':24} {'floor':7} {'lines':24} functions")
    for part, c in sorted(counts.items()):
        low = part not in floors or 100 * c.branches[0] < floors[part] * c.branches[1]
        ok = ok and not low
        print(f"{part:12} {share(c.branches):24} {str(floors.get(part, 'none')) + ' %':7} {share(c.lines):24} {share(c.functions)}"
              + ("  below its floor" if low else ""))
    for part in sorted(set(floors) - set(counts)):
        print(f"{part}: has a floor, and nothing of it was measured")
        ok = False
    LOG.mkdir(parents=True, exist_ok=True)
    (LOG / "branches").write_text("".join(f"{m}\n" for _, c in sorted(counts.items()) for m in c.missing), encoding="utf-8")
    (LOG / "functions").write_text("".join(f"{m}\n" for _, c in sorted(counts.items()) for m in c.never), encoding="utf-8")
    print("functions that no test enters: build/logs/coverage/functions; branches that none takes: build/logs/coverage/branches")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
