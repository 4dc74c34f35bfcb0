#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mutants.py - do the tests of the pure core notice when it is wrong? Changes the core in one small place after the other
(operators.py), runs the tests against each (programs.py), and reports the mutants that no test objected to.

What always holds:
  - A mutant that survives fails this run, unless `equivalent` has it, with the reason why nobody can see the difference.
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


def seed_of_sources():
    """Another one as soon as the core or a test of it changes."""
    sources = {s for p in programs.PROGRAMS for s in programs.sources_of(p)}
    texts = b"".join((programs.TOP / s).read_bytes() for s in sorted(sources.union(programs.subjects())))
    return int(hashlib.sha256(texts).hexdigest()[:8], 16)


def all_mutants(files):
    texts = {f: (programs.TOP / f).read_text(encoding="utf-8") for f in programs.subjects()}
    headers = list((programs.TOP / "proto").glob("*.h"))
    neighbour = operators.enums_of([*texts.values(), *(h.read_text(encoding="utf-8") for h in headers)])
    wanted = [f for f in texts if not files or any(w in f for w in files)]
    return texts, [m for f in wanted for m in operators.mutants_of(f, texts[f], neighbour)]


class Run:
    def __init__(self, texts, mutants, listed, jobs, folder):
        self.texts, self.waiting, self.verdicts, self.error = texts, queue.SimpleQueue(), {}, None
        self.listed = listed
        self.total, self.start = len(mutants), time.monotonic()
        for m in mutants:
            self.waiting.put(m)
        files = {m.file for m in mutants}
        trees = [programs.Tree(f"{folder}/{n}", files) for n in range(jobs)]
        self.workers = [threading.Thread(target=self.work, args=(t,)) for t in trees]

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


def report(verdicts, listed, complete):
    """True if all is well. Else the last line names those that survived: it is what a summary of many tests shows."""
    count, by, bad, alive = {}, {}, [], []
    for m, (verdict, killer) in sorted(verdicts.items(), key=lambda v: (v[0].file, v[0].start)):
        if m.key() in listed and verdict == "killed":
            bad.append(f"listed as equivalent, but {killer} kills it: {line_of(m.key())}")
        elif m.key() in listed:
            verdict = "equivalent, see tests/mutants/equivalent"
        elif verdict == "survived":
            alive.append(f"{m.file}:{m.line} {m.function}() {m.before} => {m.after}")
            bad.append(f"survived: {m.file}:{m.line} {m.function}()\n    - {m.before}\n    + {m.after}\n    {line_of(m.key())}")
        count[verdict] = count.get(verdict, 0) + 1
        by[killer] = by.get(killer, 0) + bool(killer)
    if complete:
        names = {m.key() for m in verdicts}
        bad += [f"listed as equivalent, but there is no such mutant: {line_of(k)}" for k in listed if k not in names]
    for b in bad:
        print(b)
    names = {"invalid": "did not compile", "same": "the same code to the compiler"}
    print("killed by " + ", ".join(f"{p}: {n}" for p, n in by.items() if p))
    print(f"{len(verdicts)} mutants: " + ", ".join(f"{n} {names.get(v, v)}" for v, n in sorted(count.items()))
          + "".join(f"; {a}" for a in alive))
    return not bad


def main():
    parser = argparse.ArgumentParser(prog="./run mutants", description="Do the tests of the pure core kill its mutants?")
    parser.add_argument("--budget", type=int, metavar="N", help="only N of them, the same ones as long as the sources are the same")
    parser.add_argument("--seed", type=int, help="with --budget: others, or those of an earlier run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="how many at a time")
    parser.add_argument("file", nargs="*", help="only of files whose name contains this")
    o = parser.parse_args()
    if o.jobs < 1 or (o.budget is not None and o.budget < 1):
        parser.error("--jobs and --budget want a number of at least 1")
    texts, mutants = all_mutants(o.file)
    if not mutants:
        parser.error(f"none of the files that are mutated has {' or '.join(o.file)} in its name")
    listed, complete = read_list(), not o.budget and not o.file
    if o.budget and o.budget < len(mutants):
        seed = o.seed if o.seed is not None else seed_of_sources()
        print(f"{o.budget} of {len(mutants)} mutants; the same ones again: ./run mutants --budget {o.budget} --seed {seed}")
        mutants = random.Random(seed).sample(mutants, o.budget)
    build = programs.TOP / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=build) as folder:
        run = Run(texts, mutants, listed, min(o.jobs, len(mutants)), folder)
        try:
            run.finish()
        except programs.Broken as e:
            sys.exit(f"error: {e}\nMake the tests pass first: mutants say nothing about a core that fails them.")
    return 0 if report(run.verdicts, listed, complete) else 1


if __name__ == "__main__":
    sys.exit(main())
