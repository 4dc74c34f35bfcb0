# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py - the hardware kit's report: text, JSON, pictures and logs in one directory, with a checksum over its parts, and the archive to send.

What always holds: no part names a machine (machine.without_names): host name, addresses, GUIDs and tickets are taken out of everything that a
program printed, before it is used. What was not run is told with the reason, and what began and did not end, too; whatever is missing of what the steps leave,
there is a report. SHA256SUMS names every other file of the directory, and `sha256sum -c SHA256SUMS` checks it."""
import hashlib
import json
import pathlib
import sys
import tarfile

import machine
import trust

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plots  # pylint: disable=wrong-import-position
import table  # pylint: disable=wrong-import-position

FORM = 1


def read_lines(path):
    """Those that were written to their end."""
    return path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0].splitlines() if path.exists() else []


def read_steps(out):
    """What the worker told of each step; a line that makes no sense counts as not told."""
    last = {}
    for line in read_lines(out / "steps.jsonl"):
        try:
            told = json.loads(line)
            last[told["step"]] = {"verdict": str(told["verdict"]), "text": str(told["text"])}
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return last


def read_selftest(out):
    """Its findings; None: there are none, or not whole."""
    try:
        told = json.loads(read_lines(out / "selftest.json")[0])
        of_selftest(told)
        return told
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return None


def outcomes(out, steps):
    """[{step, kind, verdict, text}] in the order of the plan."""
    last, found = read_steps(out), []
    for step in steps:
        line = last.get(step.name, {"verdict": "not run", "text": step.why_not or "the run ended before"})
        if line["verdict"] == "begun":
            line = {"verdict": "failed", "text": "it did not end"}
        found.append({"step": step.name, "kind": step.kind(), "verdict": line["verdict"], "text": line["text"]})
    return found


def is_row(row):
    try:
        return len(row) == 9 and bool(table.cell(row)) and table.verdict(row) is not None
    except ValueError:
        return False


def read_rows(out):
    return [row for row in (line.split("\t") for line in read_lines(out / "rows.tsv")) if is_row(row)]


def draw(out, rows, subject):
    """Pictures of the figures that have numbers; their file names."""
    made = []
    for figure, title in table.TITLES.items():
        svg = plots.dots(f"{figure}: {title}; {subject}", [row for row in rows if row[0] == figure], lambda row: table.verdict(row)[1])
        if svg:
            (out / f"{figure.lower()}.svg").write_text(svg.replace(plots.MADE, "made by ./run hardware of rows.tsv"), encoding="utf-8")
            made.append(f"{figure.lower()}.svg")
    return made


def section(title, lines):
    return [title.upper(), *(f"  {line}".rstrip() for line in lines), ""]


def pairs(facts):
    width = max((len(key) for key, _ in facts), default=0)
    return [f"{key:{width}}  {value}" for key, value in facts]


def of_selftest(selftest):
    if not selftest:
        return ["there are no findings of it, or not all of them: see its line below, and logs"]
    verdict = "can be used" if selftest["usable"] else "cannot be used as it is"
    return [f"{selftest['device']} {verdict}: {selftest['reason']}",
            *(f"{check['name']:10} {check['verdict']:8} {check['finding']}" for check in selftest["checks"])]


def of_rows(rows):
    lines = []
    for row in rows:
        goal, reached = table.verdict(row)
        lines.append(f"{row[0]:4} {row[1]}: {row[2]}: {table.cell(row)}" + (f" (goal {goal}: {reached.strip('*')})" if goal else ""))
    return lines or ["none"]


def text_of(r):
    told = r["steps"]
    out = [f"rdmareg on hardware, report of form {FORM}", ""]
    out += section("made", pairs(list(r["made"].items()))) + section("machine", pairs(r["machine"]))
    out += section("adapter", pairs(r["adapter"])) + section("self-test", of_selftest(r["selftest"]))
    out += section("scenarios", [f"{s['verdict']:8} {s['step']}: {s['text']}" for s in told if s["kind"] == "scenario"])
    out += section("figures (tests/bench; both sides of a ratio in turn, round by round)", of_rows(r["rows"]))
    for verdict in ("failed", "not run"):
        out += section(verdict, [f"{s['step']}: {s['text']}" for s in told if s["verdict"] == verdict] or ["nothing"])
    out += section("kernel log since the beginning", r["kernel_log"] or ["nothing about RDMA, and no trouble"])
    return "\n".join(out)


def archive_name(out):
    """It is made beside the report's directory."""
    return f"{out.absolute().name}.tar.gz"


def seal(out):
    """Checksums of all parts, and the archive; returns its path and its checksum. OSError: there is something of its name by now."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}\n" for path in files]
    (out / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    archive = out.absolute().parent / archive_name(out)
    with trust.create(archive) as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(out, arcname=out.absolute().name)
    return archive, hashlib.sha256(archive.read_bytes()).hexdigest()


def write(out, steps, made, machine_facts, adapter_facts, kernel_log):
    """Returns whether everything that was run succeeded."""
    for path in [out / "rows.tsv", *(out / "logs").glob("*")]:
        if path.exists():
            path.write_text(machine.without_names(path.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")
    rows = read_rows(out)
    told = {"form": FORM, "made": made, "machine": machine_facts, "adapter": adapter_facts, "selftest": read_selftest(out),
            "steps": outcomes(out, steps), "rows": rows, "kernel_log": kernel_log}
    told = machine.without_names(told)
    told["pictures"] = draw(out, rows, dict(told["adapter"]).get("device", "no adapter"))
    (out / "report.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (out / "report.txt").write_text(text_of(told) + "\n", encoding="utf-8", errors="backslashreplace")
    for rest in ("plan.json", "orders.json", "steps.jsonl", "selftest.json"):
        (out / rest).unlink(missing_ok=True)
    for log in (out / "logs").glob("*"):
        if not log.stat().st_size:
            log.unlink()
    return not any(step["verdict"] == "failed" for step in told["steps"])
