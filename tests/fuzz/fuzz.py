#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fuzz.py - runs the fuzz targets of this folder: libFuzzer for some time each, and what of the files that a target is about its
corpus reaches. ./run fuzz calls it, with build/fuzz and build/fuzz-coverage built.

What always holds:
  - corpus/NAME has one input a line, as replay.c says.
  - What was found is kept: in build/fuzz/corpus while nobody says --keep, which makes corpus/NAME as small as it can be without
    reaching less (-merge=1), and so for any input that made a target fail (build/logs/fuzz/NAME-*), which is named.
  - A target that fails makes the run fail."""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
TOP = FOLDER.parents[1]
BUILD = TOP / "build"
LOGS = BUILD / "logs/fuzz"
FUZZ = BUILD / "fuzz"
COVERAGE = BUILD / "fuzz-coverage"
INPUT_MAX = 4096  # bytes; a target takes no more from a fuzzer
MEASURED = re.compile(r"^ \* Measured: (.+)$", re.M)


def targets():
    """{name: the files whose coverage is measured}"""
    found = {}
    for path in sorted(FOLDER.glob("*.c")):
        files = " ".join(MEASURED.findall(path.read_text(encoding="utf-8"))).split()
        if files:
            found[path.stem] = files
    return found


def encode(data):
    parts = re.findall(rb"\0{3,65535}|.", data, re.S)
    text = "".join(f"\\z{len(p):04x}" if len(p) > 1 else chr(p[0]) if 0x20 <= p[0] < 0x7f and p != b"\\" else f"\\x{p[0]:02x}" for p in parts)
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def decode(line):
    return re.sub(rb"\\x([0-9a-f]{2})|\\z([0-9a-f]{4})", lambda m: bytes([int(m[1], 16)]) if m[1] else bytes(int(m[2], 16)), line.encode("ascii"))


def read_corpus(name):
    path = FOLDER / "corpus" / name
    return [decode(line) for line in path.read_text(encoding="ascii").splitlines()] if path.exists() else []


def write_corpus(name, inputs):
    lines = sorted({encode(i) for i in inputs if i}, key=lambda line: (len(line), line))
    (FOLDER / "corpus" / name).write_text("".join(line + "\n" for line in lines), encoding="ascii")
    return len(lines)


def unpack(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for data in read_corpus(name):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def run(command, log, **more):
    with open(log, "w", encoding="utf-8") as out:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False, **more).returncode


def fuzz(name, seconds):
    """True if nothing was found."""
    corpus, log = FUZZ / "corpus" / name, LOGS / f"{name}.log"
    unpack(name, corpus)
    before = set(LOGS.glob(f"{name}-*"))
    failed = run([str(FUZZ / "tests/fuzz" / f"fuzz-{name}"), f"-max_total_time={seconds}", f"-max_len={INPUT_MAX}", "-timeout=25",
                  "-rss_limit_mb=2048", "-print_final_stats=1", "-report_slow_units=25", f"-artifact_prefix={LOGS}/{name}-", str(corpus)], log,
                 env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})
    text = log.read_text(encoding="utf-8", errors="replace")
    runs = re.findall(r"stat::number_of_executed_units: +(\d+)", text)
    found = sorted(set(LOGS.glob(f"{name}-*")) - before)
    print(f"{'not ok' if failed else 'ok'} {name}: {runs[-1] if runs else 'no'} runs in {seconds} s, {len(list(corpus.iterdir()))} inputs kept", flush=True)
    for path in found:
        print(f"  {path.relative_to(TOP)}; again: build/fuzz/tests/fuzz/fuzz-{name} {path.relative_to(TOP)}\n"
              f"  as a line of tests/fuzz/corpus/{name}: {encode(path.read_bytes())[:400]}")
    if failed:
        print("".join(f"  | {line}\n" for line in text.splitlines()[-20:]), end="")
    return not failed


def keep(name):
    """The smallest corpus that reaches as much."""
    corpus, small = FUZZ / "corpus" / name, FUZZ / "merged" / name
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir(parents=True)
    unpack(name, corpus)
    if run([str(FUZZ / "tests/fuzz" / f"fuzz-{name}"), "-merge=1", f"-max_len={INPUT_MAX}", "-timeout=25", str(small), str(corpus)],
           LOGS / f"{name}.merge.log"):
        sys.exit(f"error: {name}: the corpus could not be merged: {LOGS.relative_to(TOP)}/{name}.merge.log")
    print(f"{name}: {write_corpus(name, [p.read_bytes() for p in small.iterdir()])} inputs in tests/fuzz/corpus/{name}", flush=True)


def lines_of(lcov):
    """{file: ({line: count}, {(line, branch): count})}"""
    result, lines, branches = {}, None, None
    for line in lcov.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            # the compiler was told to name no place of this machine (-ffile-prefix-map): what it calls the build is the tree here
            name = os.path.relpath(os.path.join(TOP, rest), TOP).removeprefix(f"build/{COVERAGE.name}/")
            lines, branches = result.setdefault(name, ({}, {}))
        elif kind == "DA":
            number, count = rest.split(",")[:2]
            lines[int(number)] = int(count)
        elif kind == "BRDA":
            number, block, branch, count = rest.split(",")
            branches[(int(number), block, branch)] = 0 if count == "-" else int(count)
    return result


def measure(name, files):
    """What its corpus reaches of these files."""
    program, profile, data = COVERAGE / "tests/fuzz" / f"replay-{name}", COVERAGE / f"{name}.profraw", COVERAGE / f"{name}.profdata"
    corpus = COVERAGE / f"{name}.corpus"
    kept = FUZZ / "corpus" / name
    inputs = read_corpus(name) + ([p.read_bytes() for p in kept.iterdir()] if kept.is_dir() else [])
    corpus.write_text("".join(encode(i) + "\n" for i in inputs), encoding="ascii")
    if run([str(program), str(corpus)], LOGS / f"{name}.replay.log", env={**os.environ, "LLVM_PROFILE_FILE": str(profile)}):
        sys.exit(f"error: {name}: its corpus makes it fail: {LOGS.relative_to(TOP)}/{name}.replay.log")
    subprocess.run(["llvm-profdata", "merge", "-sparse", str(profile), "-o", str(data)], check=True)
    lcov = subprocess.run(["llvm-cov", "export", "-format=lcov", f"-instr-profile={data}", str(program)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return {f: found for f, found in lines_of(lcov).items() if f in files}


def share(counts):
    hit = sum(1 for c in counts if c)
    return f"{hit} of {len(counts)} ({100 * hit // max(1, len(counts))} %)"


def coverage(wanted):
    missing = ["Lines that no input of a target's corpus reaches, of the files that the target is about.\n"]
    print(f"\n{'target':16} {'lines':22} branches")
    for name, files in wanted.items():
        found = measure(name, files)
        print(f"{name:16} {share([c for lines, _ in found.values() for c in lines.values()]):22} "
              f"{share([c for _, branches in found.values() for c in branches.values()])}", flush=True)
        for file, (lines, _) in sorted(found.items()):
            source = (TOP / file).read_text(encoding="utf-8").splitlines()
            missing += [f"{name}: {file}:{n}: {source[n - 1].strip()}\n" for n, count in sorted(lines.items()) if not count]
        for file in sorted(set(files) - set(found)):
            sys.exit(f"error: {name} says that {file} is measured, and nothing of it is in replay-{name}")
    (LOGS / "uncovered").write_text("".join(missing), encoding="utf-8")
    print("\nwhat is not reached: build/logs/fuzz/uncovered")


def main():
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Runs fuzz targets, and shows what they reach.")
    parser.add_argument("--keep", action="store_true", help="make tests/fuzz/corpus of what was found, as small as it can be")
    parser.add_argument("word", nargs="*", metavar="SECONDS|TARGET", help="how long for each target (60; 0: only coverage), and which (all)")
    o = parser.parse_args()
    all_targets = targets()
    seconds = next((int(w) for w in o.word if w.isdigit()), 60)
    names = [w for w in o.word if not w.isdigit()]
    for n in names:
        if n not in all_targets:
            parser.error(f"there is no target {n}; there are: {' '.join(all_targets)}")
    wanted = {n: f for n, f in all_targets.items() if not names or n in names}
    LOGS.mkdir(parents=True, exist_ok=True)
    ok = all([fuzz(n, seconds) for n in wanted]) if seconds else True
    if ok and o.keep:
        for n in wanted:
            keep(n)
    if ok:
        coverage(wanted)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
