#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-format.py [--write [FILE...]] - C looks as .clang-format says. With --write: gives the files that look, and takes them off the
# list; without FILE, all of the list.
#
# The list (tests/check/unformatted) is of files that were there before the format was. It only shrinks: a file on it that is as it
# should be has to leave it, and no other file may differ. The tool is clang-format-19, which Debian 12 and 13 both have: other
# versions break lines in other places. Skipped (77) where it is not installed.
import pathlib
import re
import shutil
import subprocess
import sys

import tree

TOOL = "clang-format-19"
LIST = pathlib.Path("tests/check/unformatted")


def differing(paths):
    """{path: first line that is not formatted}."""
    found = {}
    said = subprocess.run([TOOL, "--dry-run", *paths], cwd=tree.ROOT, capture_output=True, text=True, check=True).stderr
    for path, number in re.findall(r"^([^:\s]+):(\d+):\d+: warning: ", said, re.M):
        found.setdefault(pathlib.Path(path), number)
    return found


def listed():
    return {pathlib.Path(line) for line in tree.read(LIST).splitlines() if not line.startswith("#")} if (tree.ROOT / LIST).exists() else set()


def write(paths):
    for _ in range(2 if paths else 0):  # what the first turn breaks may be joined by the second
        subprocess.run([TOOL, "-i", *paths], cwd=tree.ROOT, check=True)
    lines = tree.read(LIST).splitlines()
    (tree.ROOT / LIST).write_text("".join(f"{line}\n" for line in lines if pathlib.Path(line) not in paths), encoding="utf-8")


if not shutil.which(TOOL):
    print(f"{TOOL} is not installed")
    sys.exit(77)
if sys.argv[1:2] == ["--write"]:
    write({pathlib.Path(path) for path in sys.argv[2:]} or {path for path in listed() if (tree.ROOT / path).exists()})
sources = tree.files("", ".c", ".h")
wrong = differing(sources)
for path in sorted(wrong.keys() - listed()):
    tree.problem(path, wrong[path], f"is not formatted: tests/check/check-format.py --write {path}")
for path in sorted(listed() - wrong.keys()):
    tree.problem(LIST, 1, f"{path} is formatted now, or gone: take it off")
tree.done(f"{len(sources)} files, {len(listed())} of them not formatted yet")
