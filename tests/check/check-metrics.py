#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-metrics.py - the metrics of rdmaregd are the same everywhere: the page that the program given prints (test-metrics), in both of its
# forms, and the table of docs/metrics.md. promtool (Debian's package prometheus) finds no fault with the page.
#
#   check-metrics.py TEST-METRICS            check
#   check-metrics.py TEST-METRICS --write    write the table of docs/metrics.md anew
import re
import shutil
import subprocess
import sys

import tree

DOCUMENT = "docs/metrics.md"
HEAD = "| metric | type | labels | meaning |\n|---|---|---|---|\n"
program = sys.argv[1]


def page(form):
    return subprocess.run([program, form], check=True, capture_output=True, text=True).stdout


def families(text):
    """{name: (type, {label}, help)} of a page; a counter's name ends in _total."""
    found = {}
    for name, what in re.findall(r"^# HELP (\S+) (.*)\.$", text, re.M):
        kind = re.search(rf"^# TYPE {name} (\w+)$", text, re.M).group(1)
        sample = name + "_total" if kind == "counter" and not name.endswith("_total") else name
        labels = []
        for series in re.findall(rf"^{sample}(?:_bucket)?(?:\{{(.*)\}})? ", text, re.M):
            labels += [label for label in re.findall(r'(\w+)="', series) if label != "le" and label not in labels]
        found[sample] = (kind, labels, what)
    return found


def table(metrics):
    return HEAD + "".join(f"| `{name}` | {kind} | {', '.join(labels)} | {what} |\n" for name, (kind, labels, what) in metrics.items())


metrics = families(page("--page"))
if metrics != families(page("--openmetrics")):
    tree.problem(program, 1, "the two forms of the page have different metrics")
names = len(re.findall(r"^	X\(", tree.read("daemon/metrics/list.h"), re.M))
if len(metrics) != names:
    tree.problem(program, 1, f"the page has {len(metrics)} metrics, daemon/metrics/list.h {names}")

text = tree.read(DOCUMENT)
there = re.search(re.escape(HEAD) + r"(?:\|.*\n)*", text)
if "--write" in sys.argv:
    (tree.ROOT / DOCUMENT).write_text(text.replace(there.group(0), table(metrics)), encoding="utf-8")
elif not there or there.group(0) != table(metrics):
    tree.problem(DOCUMENT, 1, f"its table is not that of daemon/metrics/list.h: tests/check/check-metrics.py {program} --write")

if shutil.which("promtool"):
    told = subprocess.run(["promtool", "check", "metrics"], input=page("--page"), check=False, capture_output=True, text=True)
    if told.returncode or told.stdout or told.stderr:
        tree.problem(program, 1, "promtool: " + told.stdout + told.stderr)
else:
    tree.problem("tests/packages", 1, "promtool is not installed (package prometheus)")

tree.done(f"{len(metrics)} metrics")
