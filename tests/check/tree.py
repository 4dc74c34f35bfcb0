# SPDX-License-Identifier: GPL-2.0-or-later
#
# tree.py - the source tree as the checks of this folder see it: which files there are, and how a problem is told.
#
# A file belongs to the tree when git tracks it or would (not ignored); without git, when it is not below a build folder. A check
# prints one line per problem, "path:line: what is wrong", and exits 1 if there was any. Inputs of fuzz targets are nobody's text: they
# are not looked at.
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
problems = 0


def paths():
    """Every file of the tree, as paths relative to its root, sorted."""
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.split("\0")
        found = [pathlib.Path(p) for p in listed if p]
    except (OSError, subprocess.CalledProcessError):
        found = [p.relative_to(ROOT) for p in ROOT.rglob("*") if not p.relative_to(ROOT).parts[0].startswith("build")]
    return sorted(p for p in found if (ROOT / p).is_file() and p.parts[0] != ".git" and p.parts[:3] != ("tests", "fuzz", "corpus"))


def files(folder, *suffixes):
    """Files below `folder` ("" is the root) whose name ends in one of `suffixes`; all, when none is given."""
    below = pathlib.Path(folder)
    return [p for p in paths() if (below in p.parents or folder == "") and (not suffixes or p.name.endswith(suffixes))]


def read(path):
    """The text of a file, or None when it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def is_shell(path, text):
    return path.suffix == ".sh" or re.match(r"#!.*\b(ba|da|busybox |)sh\b", text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def problem(path, line, what):
    global problems
    problems += 1
    print(f"{path}:{line}: {what}")


def done(what):
    """Last call of a check."""
    print(f"{problems} problems: {what}")
    sys.exit(1 if problems else 0)
