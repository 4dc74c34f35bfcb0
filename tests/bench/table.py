#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py [--check] [--take DIR] - makes docs/benchmarks.md with its pictures in docs/benchmarks/, and the paragraph about it in README.md, from
tests/bench/rows.tsv (what was measured, and when), tests/bench/machine (on what) and tests/bench/notes.md (what people have to say about each
figure).

--take DIR: first take rows and machine of a run of ./run bench. Figures that the run did not measure keep their rows if the machine is the same;
otherwise only what was measured is printed, and nothing is written.
--check: only say whether the documents and pictures are what the rows and notes say."""
import datetime
import pathlib
import re
import sys

import plots

here = pathlib.Path(__file__).resolve().parent
top = here.parent.parent
BEGIN, END = "<!-- made by tests/bench/table.py -->\n", "<!-- end -->\n"
TITLES = {
    "P1": "Making memory reachable",
    "P2": "The first access",
    "P3": "Writing while somebody syncs",
    "P4": "Hearing of an invalidation",
    "P5": "Where a fault costs more",
    "P6": "Truncating a registered file",
    "P7": "Beside a registration cache",
    "P8": "Half a million regions",
    "P9": "Many regions, warm",
    "P10": "When nothing happens",
}
HEAD = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# Benchmarks

Made by `./run bench`; do not edit. (`tests/bench/table.py` makes it from `tests/bench/rows.tsv` and
`tests/bench/notes.md`.)

**What these numbers can say.** The machine is emulated (but for P8, which is measured on the host)
and the adapter is soft-RoCE, so no absolute time says anything about hardware. Both sides of each
ratio ran in the same boot, in turn, round by round. A value is the median of the ratios of all
rounds, with the quartiles in brackets. A goal is *reached* if both quartiles reach it, *missed* if
neither does, and otherwise *open*: such a row decides nothing. A ratio close to 1 means that two
ways do the same work. A ratio of two different kinds of work (a D-Bus call and an ioctl, a page
fault and a packet) depends on what is expensive in the emulator. System calls, context switches and
page faults cost it more than copying does, and a packet costs it much more than it costs an adapter.

"""


# A row as bench.h has it, and the day on which it was measured.
def read_rows(path):
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]


def verdict(row):
    """Goal and verdict as the table says them. Where the quartiles lie on both sides of the goal a median on the good one is luck, as is one on the
    other: such a row decides nothing. Nor does a time on an emulated machine, which has no goal therefore."""
    value, low, high, goal = row[3], row[4], row[5], row[8]
    if goal == "-":
        return "", ""
    relation, limit = goal.split()
    said = goal.replace("<=", "at most").replace(">=", "at least")
    try:
        ends = [float(end) for end in ((value, value) if low == "-" else (low, high))]
    except ValueError:
        return said, "not measured"
    reached = [end <= float(limit) if relation == "<=" else end >= float(limit) for end in ends]
    return said, "reached" if all(reached) else "open" if any(reached) else "**missed**"


def number(text):
    value = float(text)
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.3g}"


def cell(row):
    value, low, high, unit = row[3], row[4], row[5], row[7]
    try:
        text = number(value)
    except ValueError:
        return value
    if low != "-":
        text += f" ({number(low)} to {number(high)})"
    return text if unit == "ratio" else f"{text} {unit}"


def pictures(rows):
    """{file name: SVG} of all figures."""
    made = {}
    for figure, title in TITLES.items():
        mine = [r for r in rows if r[0] == figure]
        for suffix, draw in (("", plots.dots), ("-fault", plots.curves)):
            svg = draw(f"{figure}: {title}", mine, lambda row: verdict(row)[1])
            if svg:
                made[f"{figure.lower()}{suffix}.svg"] = svg
    return made


def days(rows):
    found = sorted({r[9] for r in rows})
    return f"Measured on {found[0]}" + (f" to {found[-1]}" if len(found) > 1 else "") + "."


def section(figure, rows, notes):
    mine = [r for r in rows if r[0] == figure]
    if not mine:
        return f"## {figure}: {TITLES[figure]}\n\nNot measured yet: its program is newer than the last run of all figures.\n\n"
    out = [f"## {figure}: {TITLES[figure]}\n", days(mine) + "\n"]
    out += [f"![{figure}: the rows of the table below as a picture](benchmarks/{name})\n"
            for name in pictures(mine)]
    out += ["| where | what | measured | rounds | goal | |", "|---|---|---|---|---|---|"]
    for row in mine:
        goal, reached = verdict(row)
        out.append(f"| {row[1]} | {row[2]} | {cell(row)} | {row[6]} | {goal} | {reached} |")
    return "\n".join(out) + "\n\n" + notes.get(figure, "").strip() + "\n\n"


def read_notes():
    parts = re.split(r"^## (P\d+)\n", (here / "notes.md").read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def document(rows, machine):
    notes = read_notes()
    out = HEAD + "| the machine | |\n|---|---|\n"
    out += "".join(f"| {key} | {value} |\n" for key, value in machine) + "\n"
    goals = [(r, verdict(r)[1]) for r in rows if r[8] != "-"]
    said = [v for _, v in goals]
    out += f"Goals: of {len(goals)} rows with a goal {said.count('reached')} reach it, {said.count('**missed**')} miss it, {said.count('open')} are open."
    missing = [r[0] for r in rows if r[2] == "the whole figure"]
    out += f" No numbers from the last run: {', '.join(missing)}.\n\n" if missing else "\n\n"
    return (out + "".join(section(f, rows, notes) for f in TITLES)).rstrip() + "\n"


# What the README shows: figure, part of where, part of what, and how it is said there.
SHOWN = [
    ("P1", "memfd, 1024 MiB", "pinned / rdmaregd", "time to pin 1 GiB of fresh memory / to register it through rdmaregd"),
    ("P10", "memfd, WRITE", "rdmaregd / plain pinned", "bandwidth of steady RDMA WRITEs, region / pinned memory"),
    ("P2", "xfs, READ", "rdmaregd: median of first / median of warm", "the first READ of a page of an XFS file after registration / a later one"),
    ("P2", "xfs, READ", "plain odp: median", "the same with plain on-demand paging"),
    ("P10", "xfs, pwrite of 4", "watched", "write(2) calls per second by others, on a registered XFS file / on another"),
    ("P8", "core, 524288", "memory", "memory of a region in the daemon's core, of 524288"),
]


def paragraph(rows):
    shown = [(said, row) for figure, where, what, said in SHOWN for row in rows
             if row[0] == figure and where in row[1] and what in row[2]]
    lines = "".join(f"| {said} | {cell(row)} | {', '.join(filter(None, verdict(row)))} |\n" for said, row in shown)
    return f"""{BEGIN}Measured in the lab, but for the last row: medians and quartiles. The lab's machine is emulated and
its adapter is soft-RoCE, so no absolute time says anything about hardware. All figures, which goals
were missed and why, and what is not measured yet: [docs/benchmarks.md](docs/benchmarks.md).

| what | ratio, if no unit is given | goal |
|---|---|---|
{lines}{END}"""


def with_paragraph(readme, rows):
    begin, end = readme.index(BEGIN), readme.index(END) + len(END)
    return readme[:begin] + paragraph(rows) + readme[end:]


def merge(run):
    """Rows and machine of the tree after a run, or None where they do not go together."""
    rows, machine = read_rows(run / "rows.tsv"), (run / "machine").read_text(encoding="utf-8")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows = [[*r, today] for r in rows]
    measured = {r[0] for r in rows}
    if measured < set(TITLES):
        if not (here / "machine").exists() or (here / "machine").read_text(encoding="utf-8") != machine:
            return None
        rows += [r for r in read_rows(here / "rows.tsv") if r[0] not in measured]
    return rows, machine


def main():
    if "--take" in sys.argv:
        run = pathlib.Path(sys.argv[sys.argv.index("--take") + 1])
        taken = merge(run)
        if taken is None:
            rows = [[*r, "this run"] for r in read_rows(run / "rows.tsv")]
            print(document(rows, read_rows(run / "machine")))
            print("docs/benchmarks.md is of another machine and stays as it is: it takes a run of all figures")
            return
        (here / "rows.tsv").write_text("".join("\t".join(r) + "\n" for r in taken[0]), encoding="utf-8")
        (here / "machine").write_text(taken[1], encoding="utf-8")
    rows, machine = read_rows(here / "rows.tsv"), read_rows(here / "machine")
    readme = (top / "README.md").read_text(encoding="utf-8")
    wanted = {top / "docs" / "benchmarks.md": document(rows, machine), top / "README.md": with_paragraph(readme, rows)}
    shown = top / "docs" / "benchmarks"
    wanted |= {shown / name: svg for name, svg in pictures(rows).items()}
    for path in shown.glob("*"):
        if path not in wanted:
            if "--check" in sys.argv:
                sys.exit(f"{path.relative_to(top)}: there are no rows for it; run tests/bench/table.py")
            path.unlink()
    shown.mkdir(exist_ok=True)
    for path, text in wanted.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(top)} is not what tests/bench says: run tests/bench/table.py")
    if "--check" not in sys.argv:
        print("written: docs/benchmarks.md, its pictures in docs/benchmarks/, and its paragraph in README.md")


if __name__ == "__main__":
    main()
