#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-probes.py - the probes that the code has, those that docs/tracing.md describes, with as many arguments, and those that the scripts of
# configs/bpftrace use are the same; the names of states in the scripts are in the order of the code. A program that was built with probes has
# them (readelf), if the build folder is given.
import pathlib
import re
import subprocess
import sys

import tree

DOCUMENT = "docs/tracing.md"
SCRIPTS = tree.files("configs/bpftrace", ".bt")


def count(arguments):
    """How many a call has: commas that no parenthesis hides."""
    depth, n = 0, 1
    for c in arguments:
        depth += (c in "([") - (c in ")]")
        n += c == "," and depth == 0
    return n


def names_of(table):
    """[name] of a macro with names between quotes, or the words of the guard's states."""
    if table == "guard":
        text = tree.read("daemon/core/guard.h")
        text = text[text.index("enum guard_state {"):text.index("_GUARD_STATE_MAX")]
        return [name.lower().replace("_", "-") for name in re.findall(r"^\tGUARD_(\w+),", text, re.M)]
    path, macro = {"state": ("proto/names.h", "REGION_STATE_NAMES"), "cause": ("proto/names.h", "REVOCATION_CAUSE_NAMES"),
                   "result": ("daemon/metrics/metrics.h", "METRIC_PASSAGE_NAMES")}[table]
    return re.findall(r'"([^"]+)"', re.search(rf"#define {macro}\b(.*?)\}}", tree.read(path), re.S).group(1))


code = {}
for path in tree.files("daemon", ".c"):
    for match in re.finditer(r"\bPROBE\((\w+), (.*?)\);", tree.read(path), re.S):
        program = "rdmareg-keeper" if path.parts[1] == "keeper" else "rdmaregd"
        if match.group(1) in code:
            tree.problem(path, 1, f"a second probe {match.group(1)}")
        code[match.group(1)] = (program, count(match.group(2)))

described = {name: (program, count(re.sub(r"state before, state after \(`enum \w+`\)", "x, y", arguments)))
             for name, program, arguments in re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (.*) \|$", tree.read(DOCUMENT), re.M)}
if code != described:
    tree.problem(DOCUMENT, 1, f"its probes are {described}, those of the code {code}")

for path in SCRIPTS:
    text = tree.read(path)
    for match in re.finditer(r"((?:usdt:[^\n]*\n)+)(/[^\n]*/\n)?\{(.*?)\n\}", text, re.S):
        for program, name in re.findall(r"usdt:/usr/libexec/rdmareg/([\w-]+):rdmareg:(\w+)", match.group(1)):
            line = tree.line_of(text, match.start())
            if code.get(name, ("", 0))[0] != program:
                tree.problem(path, line, f"{program} has no probe {name}")
            for n in re.findall(r"\barg(\d)", match.group(0)):
                if int(n) >= code.get(name, ("", 0))[1]:
                    tree.problem(path, line, f"{name} has no arg{n}")
    for table in ("state", "guard", "cause", "result"):
        there = re.findall(rf'^\t@{table}\[(\d+)\] = "([^"]+)";', text, re.M)
        if there and there != [(str(n), name) for n, name in enumerate(names_of(table))]:
            tree.problem(path, 1, f"@{table} is not what the code has: {names_of(table)}")

build = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
if build and "#define HAVE_SDT 1" in (build / "config.h").read_text(encoding="utf-8"):
    for program, where in (("rdmaregd", "daemon/arbiter/rdmaregd"), ("rdmareg-keeper", "daemon/keeper/rdmareg-keeper")):
        notes = subprocess.run(["readelf", "-n", build / where], check=True, capture_output=True, text=True).stdout
        there = set(re.findall(r"Provider: rdmareg\n\s*Name: (\w+)", notes))
        wanted = {name for name, (of, _) in code.items() if of == program}
        if there != wanted:
            tree.problem(build / where, 1, f"has the probes {sorted(there)}, should have {sorted(wanted)}")

tree.done(f"{len(code)} probes, {len(SCRIPTS)} scripts")
