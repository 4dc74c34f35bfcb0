#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutants.py - do the tests notice when the code is wrong? Changes it in one small place after the other (operators.py), runs the
tests against each (programs.py), and reports the mutants that no test objected to. The pure core is what is mutated, unless files or
other areas are named.

What always holds:
  - A mutant of the core that survives fails this run, unless `equivalent` has it, with the reason why nobody can see the difference.
    In the other areas survivors are named, and fail it where more than their share in `floors` survive.
  - An entry of `equivalent` that no mutant has any more, or whose mutant a test kills, fails it as well: the list hides nothing.
  - The same sources have the same verdict: which mutants a --budget tries follows from them, not from luck."""

import argparse
import hashlib
import os
import pathlib
import queue
import random
import sys
import tempfile
import threading
import time

import operators
import programs

LIST = pathlib.Path(__file__).with_name("equivalent")
FLOORS = pathlib.Path(__file__).with_name("floors")


def read_list():
    """{key of a mutant: reason}"""
    entries = {}
    for n, line in enumerate(LIST.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(" :: ")
        if len(fields) != 6 or not fields[4].isdigit() or not fields[5].strip():
            sys.exit(f"{LIST.name}:{n}: want FILE :: FUNCTION :: BEFORE :: AFTER :: NTH :: REASON")
        entries[(*fields[:4], int(fields[4]))] = fields[5]
    return entries


def line_of(key):
    return " :: ".join(str(k) for k in key)


def read_floors():
    """{area: how many of a hundred mutants its tests kill at least}"""
    lines = [line.split() for line in FLOORS.read_text(encoding="ascii").splitlines() if line.strip() and not line.startswith("#")]
    return {area: int(percent) for area, percent in lines}


def seed_of(areas):
    """Another one as soon as what is mutated or a test of it changes."""
    names = {s for a in areas for s in programs.subjects(a) + programs.found(programs.AREAS[a].tests)}
    return int(hashlib.sha256(b"".join((programs.TOP / s).read_bytes() for s in sorted(names))).hexdigest()[:8], 16)


def all_mutants(words):
    """(areas, {file: its text}, mutants): of the core, or of the areas and files that are named."""
    area_of = {f: a for a in programs.AREAS for f in programs.subjects(a)}
    wanted = [f for f, a in area_of.items() if (a in words or any(w in f for w in words if w not in programs.AREAS) if words else a == "core")]
    texts = {f: (programs.TOP / f).read_text(encoding="utf-8") for f in wanted}
    more = [*(programs.TOP / "proto").glob("*.h"), *(programs.TOP / "daemon/core").glob("*.[ch]")]
    neighbour = operators.enums_of([*texts.values(), *(h.read_text(encoding="utf-8") for h in more)])
    return {f: area_of[f] for f in wanted}, texts, [m for f in wanted for m in operators.mutants_of(f, texts[f], neighbour)]


class Run:
    def __init__(self, texts, mutants, listed, jobs, folder):
        self.texts, self.waiting, self.verdicts, self.error = texts, queue.SimpleQueue(), {}, None
        self.listed = listed
        self.total, self.start = len(mutants), time.monotonic()
        for m in mutants:
            self.waiting.put(m)
        files = {m.file for m in mutants}
        self.trees = [programs.Tree(f"{folder}/{n}", files) for n in range(jobs)]
        self.workers = [threading.Thread(target=self.work, args=(t,)) for t in self.trees]

    def work(self, tree):
        try:
            tree.prepare()
            while not self.error:
                m = self.waiting.get_nowait()
                self.verdicts[m] = tree.judge(m, self.texts[m.file])
                if self.verdicts[m][0] == "survived" and m.key() not in self.listed:
                    print(f"  lives: {line_of(m.key())}", flush=True)
                if len(self.verdicts) % 100 == 0:
                    print(f"  {len(self.verdicts)} of {self.total}, {programs.time_of(self.start)}", flush=True)
        except queue.Empty:
            pass
        except BaseException as e:  # told by the thread that waits
            self.error = e

    def finish(self):
        for w in self.workers:
            w.start()
        for w in self.workers:
            w.join()
        if self.error:
            raise self.error


def report(run, areas, listed, complete):
    """True if all is well. Else the last line names those that survived: it is what a summary of many tests shows."""
    verdicts, count, by, bad, alive, shares = run.verdicts, {}, {}, [], [], {}
    for m, (verdict, killer) in sorted(verdicts.items(), key=lambda v: (v[0].file, v[0].start)):
        area = areas[m.file]
        if m.key() in listed and verdict == "killed":
            bad.append(f"listed as equivalent, but {killer} kills it: {line_of(m.key())}")
        elif m.key() in listed:
            verdict = "equivalent, see tests/mutants/equivalent"
        elif verdict == "survived":
            alive.append(f"{m.file}:{m.line} {m.function}() {m.before} => {m.after}")
            told = f"survived: {m.file}:{m.line} {m.function}()\n    - {m.before}\n    + {m.after}\n    {line_of(m.key())}"
            if programs.AREAS[area].whole:
                bad.append(told)
            else:
                print(told)
        if verdict in ("killed", "survived"):
            of = shares.setdefault(area, [0, 0])
            of[verdict == "survived"] += 1
        count[verdict] = count.get(verdict, 0) + 1
        by[killer] = by.get(killer, 0) + bool(killer)
    if complete:
        names = {m.key() for m in verdicts}
        bad += [f"listed as equivalent, but there is no such mutant: {line_of(k)}" for k in listed if k not in names and areas.get(k[0])]
    floors = read_floors()
    for area, (killed, survived) in shares.items():
        share = 100 * killed // (killed + survived)
        if not programs.AREAS[area].whole:
            print(f"{area}: {killed} of {killed + survived} killed, {share} %; the floor is {floors[area]} %")
            if share < floors[area]:
                bad.append(f"the tests of {area} kill fewer than tests/mutants/floors says: add some for those that survived")
    for b in bad:
        print(b)
    if run.trees[0].left_out:
        print("left out, since it cannot be made of these sources alone: " + ", ".join(run.trees[0].left_out))
    names = {"invalid": "did not compile", "same": "the same code to the compiler"}
    print("killed by " + ", ".join(f"{p}: {n}" for p, n in by.items() if p))
    print(f"{len(verdicts)} mutants: " + ", ".join(f"{n} {names.get(v, v)}" for v, n in sorted(count.items()))
          + "".join(f"; {a}" for a in alive if bad))
    return not bad


def main():
    parser = argparse.ArgumentParser(prog="./run mutants", description="Do the tests kill mutants of what they are for?")
    parser.add_argument("--budget", type=int, metavar="N", help="only N of them, the same ones as long as the sources are the same")
    parser.add_argument("--seed", type=int, help="with --budget: others, or those of an earlier run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="how many at a time")
    parser.add_argument("word", nargs="*", metavar="AREA|FILE", help=f"of these areas ({', '.join(programs.AREAS)}; core if nothing is named), "
                        "or of files whose name contains this")
    o = parser.parse_args()
    if o.jobs < 1 or (o.budget is not None and o.budget < 1):
        parser.error("--jobs and --budget want a number of at least 1")
    areas, texts, mutants = all_mutants(o.word)
    if not mutants:
        parser.error(f"none of the files that are mutated has {' or '.join(o.word)} in its name")
    listed, complete = read_list(), not o.budget and all(w in programs.AREAS for w in o.word)
    if o.budget and o.budget < len(mutants):
        seed = o.seed if o.seed is not None else seed_of(sorted(set(areas.values())))
        print(f"{o.budget} of {len(mutants)} mutants; the same ones again: ./run mutants --budget {o.budget} --seed {seed}")
        mutants = random.Random(seed).sample(mutants, o.budget)
    build = programs.TOP / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=build) as folder:
        run = Run(texts, mutants, listed, min(o.jobs, len(mutants)), folder)
        try:
            run.finish()
        except programs.Broken as e:
            sys.exit(f"error: {e}\nMake the tests pass first: mutants say nothing about code that fails them.")
    return 0 if report(run, areas, listed, complete) else 1


if __name__ == "__main__":
    sys.exit(main())
