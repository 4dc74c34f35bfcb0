#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# reverted.py - what the product does so that nobody is harmed by another, taken back one at a time: sim-whole must find each within the
# seeds that its patch in reverted/ states.
#
#   reverted.py BUILD [NAME...]
#
# The file that a patch is about is compiled as in the build, and sim-whole is linked with it before the libraries, so that the linker leaves
# theirs alone. Nothing of the tree or of the build changes. Exits 1 if one is not found, or does not apply.
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = "tests/sim/sim-whole"


def fail(text):
    print(text)
    sys.exit(1)


def run(command, folder):
    tried = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if tried.returncode:
        fail(f"{shlex.join(map(str, command))}:\n{tried.stdout}{tried.stderr}")


class Build:
    def __init__(self, folder):
        self.folder = folder
        lines = subprocess.run(["ninja", "-t", "commands", TARGET], cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
        self.compile = {shlex.split(line)[-1]: shlex.split(line) for line in lines if " -c " in line}
        self.link = next(shlex.split(line) for line in lines if f" -o {TARGET} " in line)

    def with_file(self, name, source, scratch):
        """sim-whole with that source in the place of the tree's file."""
        original = next(path for path in self.compile if (self.folder / path).resolve() == ROOT / name)
        command = self.compile[original][:]
        command[-1] = str(source)
        command[command.index("-o") + 1] = str(scratch / "reverted.o")
        for option in ("-MF", "-MQ"):
            command[command.index(option) + 1] = str(scratch / "reverted.d")
        run([*command, "-Wno-error"], self.folder)
        link = self.link[:]
        link[link.index(TARGET)] = str(scratch / "sim-whole")
        at = link.index("-o") + 2
        run(link[:at] + [str(scratch / "reverted.o")] + link[at:], self.folder)
        return scratch / "sim-whole"


def look_for(build, patch):
    """Whether it is found in time; says so."""
    text = patch.read_text(encoding="utf-8")
    what = re.search(r"^Reverted: (.+)\.$", text, re.M).group(1)
    seeds = int(re.search(r"^Seeds: (\d+)$", text, re.M).group(1))
    name = re.search(r"^--- a/(.+)$", text, re.M).group(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        source = scratch / pathlib.Path(name).name
        run(["patch", "--silent", "--output", source, ROOT / name, patch], ROOT)
        program = build.with_file(name, source, scratch)
        tried = subprocess.run([program, "--seeds", str(seeds)], capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"^violated: (.+)\nseed (\d+)", tried.stdout, re.M)
    if found:
        print(f"{patch.stem}: {what}: found with seed {found.group(2)} of {seeds}: {found.group(1)}", flush=True)
    else:
        print(f"{patch.stem}: {what}: NOT FOUND within {seeds} seeds\n{tried.stdout[-400:]}{tried.stderr[-400:]}", flush=True)
    return bool(found)


if len(sys.argv) < 2:
    fail("usage: reverted.py BUILD [NAME...]")
built = Build(pathlib.Path(sys.argv[1]).resolve())
patches = [path for path in sorted((HERE / "reverted").glob("*.patch")) if not sys.argv[2:] or path.stem in sys.argv[2:]]
if not patches:
    fail("no patch has such a name")
results = [look_for(built, path) for path in patches]
print(f"{sum(results)} of {len(results)} found")
sys.exit(0 if all(results) else 1)
