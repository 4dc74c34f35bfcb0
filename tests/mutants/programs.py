# SPDX-License-Identifier: GPL-2.0-or-later
"""programs.py - the tests that mutants are run against, built with the compiler alone in a copy of the sources.

Each worker has a Tree of its own: a mutant overwrites one file in it, what is made of that file is compiled and linked, the programs
that contain it run, those of the same area first to last, until one of them objects, and the file is put back.

Nothing says what a program is made of: beginning with the test itself, what the linker misses is looked for in the area's sources.
One that cannot be made so (it needs a device's library, or another program) is left out, and named.

What always holds: a program that does not pass on the sources as they are is an error, never a killed mutant. What a mutant may use
is bounded, by processor time measured on the sources as they are (a mutant may loop) and by memory (it may grow)."""

import math
import os
import pathlib
import re
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass, field

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["proto", "daemon", "client", "kmod-helper", "tests/unit", "tests/bus", "tests/fuzz"]
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-w", "-MMD", "-I.", "-Iproto", "-Idaemon"]
CLIENT_FLAGS = [f"-Iclient/{folder}" for folder in ("", "include", "common", "owner", "peer")]
LIBRARIES = ["-Wl,--as-needed", "-levent_core", "-linih", "-lsystemd", "-libverbs", "-lrdmacm", "-lpthread"]
CONFIG = ("PROJECT_VERSION", "PKGLIBEXECDIR", "SYSCONFDIR", "RUNDIR", "CACHEDIR", "STATEDIR")
MEMORY_BYTES = 3 << 29
WAIT_SECONDS = 60  # for a mutant that waits instead of working
DEFINITION = re.compile(r"^(?!static\b|typedef\b|extern\b)[A-Za-z_][\w \t*]*?\b(\w+)\s*(?:\(|\[|=)", re.M)


@dataclass(frozen=True)
class Area:
    """What is mutated, the tests that are to notice, and where what these call is; patterns. @whole: nothing may survive."""
    subjects: tuple
    tests: tuple
    sources: tuple
    flags: tuple = ()
    whole: bool = False


AREAS = {
    "core": Area(("daemon/core/*.[ch]", "kmod-helper/rdmareg-slots.h"),
                 ("tests/unit/core/test-core*.c", "tests/unit/core/test-slots.c", "tests/unit/core/test-slots-pace.c"),
                 ("daemon/core/*.c",), whole=True),
    "keeper": Area(("daemon/keeper/warm/*.c", "daemon/keeper/ticket.c", "daemon/keeper/options.c", "daemon/keeper/endpoint/wire.c",
                    "daemon/keeper/session.c", "daemon/proxy/check.c", "daemon/proxy/record.c"),
                   ("tests/unit/keeper/test-keeper-warm*.c", "tests/unit/keeper/test-keeper-ticket.c", "tests/unit/keeper/test-keeper-options.c",
                    "tests/unit/keeper/test-keeper-session.c", "tests/unit/daemon/test-record.c", "tests/bus/test-keeper-check.c", "tests/fuzz/warm.c", "tests/fuzz/ticket.c",
                    "tests/fuzz/wire.c", "tests/fuzz/keeper-session.c", "tests/fuzz/keeper-answers.c", "tests/fuzz/keeper-record.c"),
                   ("daemon/core/*.c", "daemon/util/*.c", "daemon/keeper/**/*.c", "daemon/proxy/*.c", "client/peer/*.c", "client/common/*.c"),
                   tuple(CLIENT_FLAGS)),
    "gate": Area(("daemon/gate/gate-classify.c",), ("tests/unit/daemon/test-gate-classify.c", "tests/fuzz/gate-call.c"), ("daemon/gate/*.c",)),
    "peer": Area(("client/peer/wire.c", "client/peer/ticket.c", "client/peer/completion.c", "client/common/words.c", "client/ctl/format.c",
                  "client/slurm/spec.c"),
                 ("tests/unit/client/test-client-wire.c", "tests/unit/client/test-client-ticket.c", "tests/unit/client/test-client-format.c",
                  "tests/unit/client/test-slurm-spec.c", "tests/fuzz/wire.c", "tests/fuzz/ticket.c", "tests/fuzz/slurm-spec.c"),
                 ("client/**/*.c", "daemon/keeper/ticket.c", "daemon/keeper/endpoint/wire.c"), tuple(CLIENT_FLAGS)),
}


def found(patterns):
    return sorted({str(p.relative_to(TOP)) for pattern in patterns for p in TOP.glob(pattern)})


@dataclass
class Program:
    name: str
    area: str
    sources: list  # the test itself first; what it needs is added
    arguments: list = field(default_factory=list)


def programs_of(area):
    result = []
    for test in found(AREAS[area].tests):
        path = pathlib.PurePath(test)
        if path.parts[1] == "fuzz":
            result.append(Program(f"fuzz-{path.stem}", area, [test, "tests/fuzz/replay.c"], [f"tests/fuzz/corpus/{path.stem}"]))
        else:
            result.append(Program(path.stem, area, [test]))
    return result


class Broken(Exception):
    """The tests do not pass on the sources as they are."""


def subjects(area):
    """What is mutated."""
    return found(AREAS[area].subjects)


class Tree:
    def __init__(self, path, files):
        """@files: what will be mutated here."""
        self.path = pathlib.Path(path)
        self.files = set(files)
        self.areas = [a for a in AREAS if self.files & set(subjects(a))]
        self.programs = []
        self.left_out = []
        self.limit = {}  # program name -> seconds of processor time
        self.made_of = {}  # source -> the files that its object is made of
        self.missing = {}  # source -> names that it does not have itself
        for folder in FOLDERS:
            shutil.copytree(TOP / folder, self.path / folder)
        (self.path / "config.h").write_text("".join(f'#define {name} "/mutants"\n' for name in CONFIG) + "#define HAVE_IBV_FLUSH 0\n",
                                            encoding="ascii")

    def _run(self, command, seconds=None):
        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if seconds:
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

        try:
            return subprocess.run(command, cwd=self.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  preexec_fn=limits, check=False, text=True, errors="replace", timeout=WAIT_SECONDS if seconds else None)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, stdout="it did not end")

    def object_of(self, source):
        return f"obj/{source}.o"

    def compile(self, source):
        target = self.object_of(source)
        (self.path / target).parent.mkdir(parents=True, exist_ok=True)
        flags = [*FLAGS, *(CLIENT_FLAGS if source.startswith("client/") else [])]
        for area in self.areas:
            flags += AREAS[area].flags
        return self._run(["gcc", *flags, "-c", "-o", target, source])

    def link(self, program):
        objects = [self.object_of(s) for s in program.sources]
        return self._run(["gcc", "-o", f"obj/{program.name}", *objects, *LIBRARIES])

    def _learn(self, source):
        """Compiles it, and what it is made of, and what it does not have."""
        if source in self.made_of:
            return True
        if self.compile(source).returncode:
            return False
        depends = (self.path / self.object_of(source)).with_suffix(".d").read_text(encoding="utf-8")
        self.made_of[source] = {os.path.normpath(d) for d in depends.replace("\\\n", " ").split()[1:]}
        names = self._run(["nm", "-u", self.object_of(source)]).stdout.split()
        self.missing[source] = {n for n in names if n != "U"}
        return True

    def _complete(self, program, where):
        """Adds what it needs. False: something of it does not compile by itself."""
        for source in program.sources:
            if not self._learn(source):
                return False
            program.sources += sorted({where[n] for n in self.missing[source] if n in where} - set(program.sources))
        return True

    def prepare(self):
        """Builds and runs everything that contains what will be mutated, as it is."""
        for area in self.areas:
            where = {}
            for source in found(AREAS[area].sources):
                for name in DEFINITION.findall((TOP / source).read_text(encoding="utf-8")):
                    where.setdefault(name, source)
            for p in programs_of(area):
                if not self._complete(p, where) or self.link(p).returncode:
                    self.left_out.append(p.name)
                elif any(self._objects(p, f) for f in self.files):
                    self.programs.append(p)
        for p in self.programs:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            r = self._run([f"obj/{p.name}", *p.arguments])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if r.returncode:
                raise Broken(f"{p.name} fails without any mutant:\n{r.stdout}")
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.limit[p.name] = math.ceil(5 * used) + 2
        alone = sorted(f for f in self.files if not any(self._objects(p, f) for p in self.programs))
        if alone:
            raise Broken(f"no program contains {', '.join(alone)}; those that could not be made: {', '.join(self.left_out) or 'none'}")

    def _objects(self, program, file):
        """The sources to be compiled again when @file has changed."""
        return [s for s in program.sources if file in self.made_of[s]]

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
            for s in self._objects(p, mutant.file):
                saved = self.path / (self.object_of(s) + ".saved")
                if saved.exists():
                    saved.replace(self.path / self.object_of(s))

    def _judge(self, mutant):
        changed, done = False, set()
        for p in self.programs:
            sources = self._objects(p, mutant.file)
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
            r = self._run([f"obj/{p.name}", *p.arguments], self.limit[p.name])
            if r.returncode:
                return "killed", p.name
        return ("survived", "") if changed else ("same", "")


def time_of(start):
    return f"{time.monotonic() - start:.0f} s"
