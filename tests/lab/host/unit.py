#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""unit.py BUILD-DIR PREFIX [NAME...] - runs the meson tests of a build directory (those whose "PREFIX/name" contains a
NAME; default all) and prints one line for each: "ok PREFIX/name (seconds)", "not ok PREFIX/name" or "skip PREFIX/name:
why". What a failed test said follows its line, indented.

Always holds: a test that meson knows of and that left no result (meson itself died) is "not ok"."""

import json
import os
import subprocess
import sys

TAIL_LINES = 40


def tests_of(build):
    """Names as meson lists them: "suite / name" or "name", with the project in front of the suite."""
    out = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--list"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return [line.split(" / ", 1)[-1].strip() for line in out.splitlines() if line.strip()]


def why_skipped(result):
    lines = [line for line in (result.get("stdout", "") + result.get("stderr", "")).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "the test says it cannot run here"


def report(prefix, name, result):
    if result is None:
        print(f"not ok {prefix}/{name}: no result")
    elif result["result"] in ("OK", "EXPECTEDFAIL"):
        print(f"ok {prefix}/{name} ({result['duration']:.1f} s)")
    elif result["result"] == "SKIP":
        print(f"skip {prefix}/{name}: {why_skipped(result)}")
    else:
        print(f"not ok {prefix}/{name} ({result['result'].lower()}, {result['duration']:.1f} s)")
        said = result.get("stdout", "") + result.get("stderr", "")
        for line in said.splitlines()[-TAIL_LINES:]:
            print(f"#   {line}")


def main(build, prefix, *patterns):
    names = [n for n in tests_of(build) if not patterns or any(p in f"{prefix}/{n}" for p in patterns)]
    if not names:
        return
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    # most tests of the bus wait for a deadline rather than for a processor
    processes = 2 * len(os.sched_getaffinity(0))
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", "4",
                    "--num-processes", str(processes), *(names if patterns else [])],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    results = {}
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                result = json.loads(line)
                results[result["name"].split(" / ", 1)[-1].strip()] = result
    for name in names:
        report(prefix, name, results.get(name))


main(*sys.argv[1:])
