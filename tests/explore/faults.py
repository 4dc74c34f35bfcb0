#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""faults.py - does the explorer find a core that never comes to an end?

Each fault is one change of a source of the core. The explorer is linked with it in the place of what it is made from, and has to
object in the words that belong to it, with symmetries and without.

faults.py EXPLORER-LIBRARY... -- COMPILER...: the libraries are of the explorer and of the core, as they are."""

import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass

TOP = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-DGUARD_DEMANDS_MAX=2", "-O1", f"-I{TOP}", f"-I{TOP}/proto", f"-I{TOP}/daemon"]


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    before: str  # there once
    after: str
    setup: str  # in which it is looked for
    found: str  # what the explorer says


FAULTS = [
    Fault("a demand is asked for again for ever, since it is never granted", "guard-demands.c",
          "\t\td->granted = true;\n", "", "three holders", "a keeper by itself goes on for ever"),
    Fault("a fence is lifted and set for ever, since a break that was served is owed for ever", "guard-moves.c",
          "\tg->owing = false;\n", "", "two breaks, yield", "a keeper by itself goes on for ever"),
    Fault("a holder's acknowledgement is dropped", "region.c",
          "\tanswered(r, registry_holder(registry, *link));\n\tconsent_if_complete(r, out);\n", "",
          "three holders", "everybody has answered, and the deadline is waited for"),
    Fault("the keeper drops consent", "guard.c",
          "\t\tif (e->revocation == g->revocation)\n\t\t\tguard_begin_fence(g, out);\n", "",
          "three holders", "everybody has answered, and the deadline is waited for"),
    Fault("whoever waits at the gate is forgotten when the last region has answered", "demand.c",
          "\t\temit(out, DEMAND_PASS);\n\t}\n\tfree_if_over", "\t}\n\tfree_if_over",
          "three holders", "a demand waits for holders beyond its deadline"),
    Fault("the end of a demand is noted, and the region stays closed", "guard.c",
          "\t\tif (held && !put_off)\n", "\t\tif (!held && !put_off)\n",
          "three holders", "everybody who takes blocks is done, and it does not come to rest"),
    Fault("a release that comes while something else is under way is forgotten", "guard.c",
          "\t\tif (!ending)\n\t\t\tguard_want_close(g, e);\n", "",
          "a demand, and two", "a region that was released does not end"),
    Fault("the deadline passes and nothing follows", "guard.c",
          "\t\tif (e->now_usec >= g->deadline_usec)\n", "\t\tif (e->now_usec > g->deadline_usec)\n",
          "two breaks, yield", "a break or a demand is not settled by the keeper alone"),
    Fault("holders who answered are asked the same again", "guard.c",
          "\t\tif (e->revocation == g->revocation)\n\t\t\tguard_begin_fence(g, out);\n",
          "\t\tif (e->revocation == g->revocation) {\n\t\t\tg->revocation++;\n\t\t\tguard_emit(g, out, GUARD_ASK);\n\t\t}\n", "three holders", "a history goes on for ever"),
]


def explore(fault, libraries, compiler, folder):
    """What the explorer prints, with @fault: with symmetries, and without."""
    text = (TOP / "daemon/core" / fault.file).read_text(encoding="utf-8")
    if text.count(fault.before) != 1:
        sys.exit(f"{fault.file} has changed: what is to be changed for \"{fault.name}\" is there {text.count(fault.before)} times")
    source, program = folder / fault.file, folder / "explore"
    source.write_text(text.replace(fault.before, fault.after), encoding="utf-8")
    subprocess.run([*compiler, *FLAGS, "-w", "-o", program, source, *libraries], check=True)
    for options in ([], ["--apart"]):
        yield subprocess.run([program, *options, fault.setup], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def main():
    split = sys.argv.index("--")
    libraries, compiler = sys.argv[1:split], sys.argv[split + 1:]
    missed = 0
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            said = list(explore(fault, libraries, compiler, pathlib.Path(folder)))
        ok = all(f"violated: {fault.found}\n" in s for s in said)
        missed += not ok
        print(f"{'found' if ok else 'MISSED'}: {fault.name}" + ("" if ok else ":\n" + "\n".join(said)), flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
