#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-format.py [--write [FILE...]] - C looks as .clang-format says. With --write: gives files that look; without FILE, all.
#
# The tool is clang-format-19, which Debian 12 and 13 both have: other versions break lines in other places. Skipped (77) where it is
# not installed.
import re
import shutil
import subprocess
import sys

import tree

TOOL = "clang-format-19"


def differing(paths):
    """{path: first line that is not formatted}."""
    found = {}
    said = subprocess.run([TOOL, "--dry-run", *paths], cwd=tree.ROOT, capture_output=True, text=True, check=True).stderr
    for path, number in re.findall(r"^([^:\s]+):(\d+):\d+: warning: ", said, re.M):
        found.setdefault(path, number)
    return found


if not shutil.which(TOOL):
    print(f"{TOOL} is not installed")
    sys.exit(77)
sources = tree.files("", ".c", ".h")
if sys.argv[1:2] == ["--write"]:
    for _ in range(2):  # what the first turn breaks may be joined by the second
        subprocess.run([TOOL, "-i", *(sys.argv[2:] or sources)], cwd=tree.ROOT, check=True)
for path, line in sorted(differing(sources).items()):
    tree.problem(path, line, f"is not formatted: tests/check/check-format.py --write {path}")
tree.done(f"format of {len(sources)} files")
