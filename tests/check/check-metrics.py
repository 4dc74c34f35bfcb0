#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-metrics.py - the metrics of rdmaregd are the same everywhere: the page that the program given prints (test-metrics), in both of its
# forms, and the table of docs/metrics.md; alerts and dashboard name no other, and no other label. promtool (Debian's package prometheus)
# finds no fault with the page and with any expression. Each alert is described in docs/metrics.md, fires in rdmareg.rules-test.yaml, and
# only on the machine that has what it is for.
#
#   check-metrics.py TEST-METRICS            check
#   check-metrics.py TEST-METRICS --write    write the table of docs/metrics.md anew
import json
import re
import shutil
import subprocess
import sys
import tempfile

import tree

DOCUMENT = "docs/metrics.md"
RULES = "configs/prometheus/rdmareg.rules.yaml"
DASHBOARD = "configs/grafana/rdmareg.json"
RULES_TEST = "tests/check/rdmareg.rules-test.yaml"
SCRAPED = {"instance", "job"}  # Prometheus' own
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



def promtool(where, *arguments, **more):
    if not shutil.which("promtool"):
        tree.problem("tests/packages", 1, "promtool is not installed (package prometheus)")
        return
    told = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True, **more)
    if told.returncode:
        tree.problem(where, 1, f"promtool {arguments[0]} {arguments[1]}: {told.stdout}{told.stderr}")


def check_expression(where, line, expression):
    """It names metrics that there are, by labels that they have."""
    used, allowed = [], set(SCRAPED) | {"le"}
    for name in re.findall(r"\brdmareg_\w+", expression):
        base = name if name in metrics else re.sub(r"_(?:bucket|sum|count)$", "", name)
        if base not in metrics or (base != name and metrics[base][0] != "histogram"):
            tree.problem(where, line, f"there is no metric {name}")
            continue
        used.append(base)
        allowed |= set(metrics[base][1])
    if not used:
        tree.problem(where, line, f"names no metric: {expression}")
    named = [label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")]
    named += re.findall(r"(\w+)=~?\"", expression)
    for label in set(named) - allowed:
        tree.problem(where, line, f"label {label} is none of {', '.join(used)}")


promtool(program, "check", "metrics", input=page("--page"))

rules = tree.read(RULES)
alerts = re.findall(r"- alert: (\w+)\n", rules)
for match in re.finditer(r"\n +expr: (?:>-\n)?((?:.*\n)+?)(?= +(?:for|labels):)", rules):
    check_expression(RULES, tree.line_of(rules, match.start(1)), match.group(1))
described = re.findall(r"^\| `(Rdmareg\w+)` \|", text, re.M)
tested = list(dict.fromkeys(re.findall(r"alertname: (\w+)\n +exp_alerts:\n +- exp_labels", tree.read(RULES_TEST))))
for what, where, names in (("described", DOCUMENT, described), ("tested", RULES_TEST, tested)):
    if sorted(names) != sorted(alerts):
        tree.problem(where, 1, f"not {what}, or not there: {', '.join(sorted(set(names) ^ set(alerts)))}")

expressions = [target["expr"] for panel in json.loads(tree.read(DASHBOARD))["panels"] for target in panel["targets"]]
for expression in expressions:
    check_expression(DASHBOARD, 1, expression)

with tempfile.TemporaryDirectory() as folder:
    shutil.copy(tree.ROOT / RULES, folder)
    shutil.copy(tree.ROOT / RULES_TEST, folder)
    promtool(RULES, "check", "rules", f"{folder}/rdmareg.rules.yaml")
    promtool(RULES_TEST, "test", "rules", "rdmareg.rules-test.yaml", cwd=folder)
    with open(f"{folder}/panels.yaml", "w", encoding="utf-8") as out:
        out.write("groups:\n  - name: panels\n    rules:\n")
        for n, expression in enumerate(expressions):
            expression = expression.replace("$__rate_interval", "5m")
            out.write(f"      - record: panel:{n}\n        expr: '{expression}'\n")
    promtool(DASHBOARD, "check", "rules", f"{folder}/panels.yaml")

tree.done(f"{len(metrics)} metrics, {len(alerts)} alerts, {len(expressions)} expressions of panels")
