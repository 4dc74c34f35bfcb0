# SPDX-License-Identifier: GPL-2.0-or-later
"""programs.py - the tests that mutants are run against, built with the compiler alone in a copy of the sources.

Each worker has a Tree of its own: a mutant overwrites one file in it, what depends on that file is compiled and linked, the
programs run in the order below until one of them objects, and the file is put back.

What always holds: a program that does not pass on the sources as they are is an error, never a killed mutant. What a mutant may use
is bounded, by processor time measured on the sources as they are (a mutant may loop) and by memory (it may grow)."""

import math
import pathlib
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["proto", "daemon/core", "daemon/util", "kmod-helper", "tests/unit"]
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-w", "-I.", "-Iproto", "-Idaemon"]
MEMORY_BYTES = 3 << 29
CORE = "daemon/core/*.c"
REGISTRY = ("daemon/core/registry.c", "daemon/core/numbers.c")
REGION = ("daemon/core/region.c", *REGISTRY)
GUARD = "daemon/core/guard*.c"
SLOTS = "kmod-helper/rdmareg-slots.h"


@dataclass(frozen=True)
class Program:
    name: str
    sources: tuple  # patterns
    header: str = ""  # a subject of its own: nothing else is in this program


# Unit tests alone: they take milliseconds and say in a line what is wrong. A mutant is run with those it is part of.
PROGRAMS = [
    Program("test-slots", ("tests/unit/core/test-slots.c",), header=SLOTS),
    Program("test-slots-pace", ("tests/unit/core/test-slots-pace.c",), header=SLOTS),
    Program("test-core-region", ("tests/unit/core/test-core-region.c", *REGION)),
    Program("test-core-adoption", ("tests/unit/core/test-core-adoption.c", *REGION)),
    Program("test-core-listed", ("tests/unit/core/test-core-listed.c", *REGION)),
    Program("test-core", ("tests/unit/core/test-core.c", *REGION)),
    Program("test-core-memory", ("tests/unit/core/test-core-memory.c", *REGISTRY)),
    Program("test-core-numbers", ("tests/unit/core/test-core-numbers.c", "daemon/core/numbers.c")),
    Program("test-core-sessions", ("tests/unit/core/test-core-sessions.c", *REGION)),
    Program("test-core-moves", ("tests/unit/core/test-core-moves.c", GUARD)),
    Program("test-core-demands", ("tests/unit/core/test-core-demands.c", GUARD, "daemon/core/demand.c")),
    Program("test-core-guard", ("tests/unit/core/test-core-guard.c", GUARD)),
    Program("test-core-guard-rounds", ("tests/unit/core/test-core-guard-rounds.c", GUARD)),
    Program("test-core-guard-fair", ("tests/unit/core/test-core-guard-fair.c", GUARD)),
    Program("test-core-respite", ("tests/unit/core/test-core-respite.c", GUARD)),
    Program("test-core-urgency", ("tests/unit/core/test-core-urgency.c", GUARD)),
    Program("test-core-edges", ("tests/unit/core/test-core-edges.c", CORE)),
]


class Broken(Exception):
    """The tests do not pass on the sources as they are."""


def subjects():
    """What is mutated."""
    return sorted(str(p.relative_to(TOP)) for p in TOP.glob("daemon/core/*.[ch]")) + [SLOTS]


def sources_of(program):
    names = set()
    for pattern in program.sources:
        found = {str(p.relative_to(TOP)) for p in TOP.glob(pattern)}
        if not found:
            raise Broken(f"{program.name} is made of {pattern}, and there is none")
        names |= found
    return sorted(names)


def concerns(program, file):
    return program.header == file if file == SLOTS else not program.header


class Tree:
    def __init__(self, path, files):
        """@files: what will be mutated here."""
        self.path = pathlib.Path(path)
        self.programs = [p for p in PROGRAMS if any(concerns(p, f) for f in files)]
        self.limit = {}  # program name -> seconds of processor time
        for folder in FOLDERS:
            if (TOP / folder).is_dir():
                shutil.copytree(TOP / folder, self.path / folder)

    def _run(self, command, seconds=None):
        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if seconds:
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

        return subprocess.run(command, cwd=self.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=limits, check=False, text=True, errors="replace")

    def object_of(self, source):
        return f"obj/{source}.o"

    def compile(self, source):
        target = self.object_of(source)
        (self.path / target).parent.mkdir(parents=True, exist_ok=True)
        return self._run(["gcc", *FLAGS, "-c", "-o", target, source])

    def link(self, program):
        objects = [self.object_of(s) for s in sources_of(program)]
        return self._run(["gcc", "-o", f"obj/{program.name}", *objects])

    def prepare(self):
        """Builds and runs everything as it is."""
        for s in sorted({s for p in self.programs for s in sources_of(p)}):
            r = self.compile(s)
            if r.returncode:
                raise Broken(f"{s} does not compile:\n{r.stdout}")
        for p in self.programs:
            r = self.link(p)
            if r.returncode:
                raise Broken(f"{p.name} cannot be linked:\n{r.stdout}")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            r = self._run([f"obj/{p.name}"])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if r.returncode:
                raise Broken(f"{p.name} fails without any mutant:\n{r.stdout}")
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.limit[p.name] = math.ceil(5 * used) + 2

    def _objects(self, program, file):
        """The sources to be compiled again when @file has changed."""
        return sources_of(program) if file.endswith(".h") else [s for s in sources_of(program) if s == file]

    def judge(self, mutant, text):
        """(verdict, by): "killed", "survived", "same" (as the compiler sees it), "invalid" (it does not compile)."""
        place = self.path / mutant.file
        place.write_text(mutant.apply(text))
        try:
            return self._judge(mutant)
        finally:
            place.write_text(text)
            self._restore(mutant)

    def _restore(self, mutant):
        for p in self.programs:
            for s in self._objects(p, mutant.file) if concerns(p, mutant.file) else []:
                saved = self.path / (self.object_of(s) + ".saved")
                if saved.exists():
                    saved.replace(self.path / self.object_of(s))

    def _judge(self, mutant):
        changed, done = False, set()
        for p in self.programs:
            sources = self._objects(p, mutant.file) if concerns(p, mutant.file) else []
            for s in sources:
                target = self.path / self.object_of(s)
                if target in done:
                    continue
                done.add(target)
                old = target.read_bytes()
                shutil.copy(target, str(target) + ".saved")
                if self.compile(s).returncode:
                    return "invalid", ""
                changed = changed or target.read_bytes() != old
            if not sources or not changed:
                continue  # this program is made without it, or the compiler sees no difference
            if self.link(p).returncode:
                return "invalid", ""
            r = self._run([f"obj/{p.name}"], self.limit[p.name])
            if r.returncode:
                return "killed", p.name
        return ("survived", "") if changed else ("same", "")


def time_of(start):
    return f"{time.monotonic() - start:.0f} s"
