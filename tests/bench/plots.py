# SPDX-License-Identifier: GPL-2.0-or-later
"""plots.py - the pictures of docs/benchmarks.md: SVG made of rows, for table.py.

Two kinds. Dots: one line for each row of a figure, with its median, its quartiles, and the side of its goal that is good. Curves: rows whose
subject ends in ", F <number>" (what a fault costs more, in packets), over F.

What always holds: the same rows give the same bytes, whatever the machine, so that table.py --check can compare; nothing is in a picture that
is not in a row, and colour never says anything that a shape does not say, too. (That is why no plotting program is used: the same picture
differs between its releases.)"""
import math
import re
from xml.sax.saxutils import escape

MADE = "made by tests/bench/table.py of tests/bench/rows.tsv"
WIDTH, LABELS, RIGHT, LINE = 1000, 500, 20, 15
COLOURS = {"reached": "#18794e", "**missed**": "#c2410c", "open": "#a16207", "": "#475569"}
SERIES = ("#18794e", "#c2410c", "#1d4ed8", "#7e22ce", "#475569", "#a16207")
OF_FAULT = re.compile(r"^(.*), F (\d+)$")
STYLE = ("text{font:11px 'DejaVu Sans',Verdana,sans-serif;fill:#1f2937}.b{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
         ".g{stroke:#e5e7eb}.one{stroke:#6b7280;stroke-dasharray:4 3}")


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def can_be_drawn(row):
    """Only what is above 0 has a place on a logarithmic axis."""
    return is_number(row[3]) and float(row[3]) > 0


def span(row):
    """Lowest and highest of what a row's mark covers."""
    value = float(row[3])
    low, high = (float(q) if is_number(q) else value for q in row[4:6])
    return max(low, value / 1000), high


def goal_of(row):
    if row[8] == "-":
        return None
    relation, limit = row[8].split()
    return relation, float(limit)


def bounds(rows):
    """Of a logarithmic axis that shows all marks and goals."""
    ends = [x for row in rows for x in span(row)]
    ends += [goal_of(row)[1] for row in rows if goal_of(row) and goal_of(row)[1] > 0]
    return min(ends) / 1.08, max(ends) * 1.08


def multiples(step, low, high):
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def ticks(low, high):
    """Round numbers of the axis: as many as there is room for. Even steps where the axis is short, else 1, 2, 5 or 1 of each decade."""
    powers = [10.0 ** e for e in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)]
    choices = [multiples(step * power, low, high) for power in powers for step in (1, 2, 5)] if high / low < 6 else []
    choices += [[m * power for power in powers for m in steps if low <= m * power <= high] for steps in ((1, 2, 5), (1,))]
    return next((c for c in choices if len(c) <= 9), choices[-1])


def scale(low, high, start, end):
    return lambda value: start + (end - start) * math.log(value / low) / math.log(high / low)


def picture(height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">\n'
            f"<!-- {MADE} -->\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, classes=""):
    return f'<text x="{x:.1f}" y="{y:.1f}"' + (f' class="{classes}"' if classes else "") + f">{escape(words)}</text>"


def line(x1, y1, x2, y2, how):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {how}/>'


def mark(x, y, verdict, colour=None):
    """A disk; a goal that was missed is a hollow square, one that is open a hollow diamond."""
    colour = colour or COLOURS.get(verdict, COLOURS[""])
    if verdict == "open":
        return f'<path d="M{x - 5:.1f} {y:.1f}l5 -5l5 5l-5 5z" fill="#fff" stroke="{colour}" stroke-width="2"/>'
    if verdict == "**missed**":
        return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="#fff" stroke="{colour}" stroke-width="2"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def legend(y):
    parts, x = [], 10.0
    for verdict, words in (("reached", "goal reached"), ("**missed**", "goal missed"), ("open", "goal open"), ("", "no goal")):
        parts += [mark(x + 5, y - 4, verdict), text(x + 14, y, words)]
        x += 115
    parts += [f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="24" height="12" fill="#dcfce7"/>', text(x + 30, y, "where the goal is"),
              line(x + 160, y - 4, x + 190, y - 4, 'stroke="#475569" stroke-width="2"'), text(x + 196, y, "from quartile to quartile")]
    return parts


def dots_of_unit(unit, rows, verdict, top):
    """The lines of one axis; returns them and where they end."""
    low, high = bounds(rows)
    x = scale(low, high, LABELS, WIDTH - RIGHT)
    groups = {subject: [r for r in rows if r[1] == subject] for subject in dict.fromkeys(row[1] for row in rows)}
    bottom = top + LINE * (len(rows) + sum(len(mine) > 1 for mine in groups.values())) + 6
    parts = [text(10, top - 6, "ratio" if unit == "ratio" else f"unit: {unit}", "b")]
    for tick in ticks(low, high):
        parts += [line(x(tick), top, x(tick), bottom, 'class="g"'), text(x(tick), top - 6, f"{tick:g}", "m")]
    if unit == "ratio" and low < 1 < high:
        parts.append(line(x(1), top, x(1), bottom, 'class="one"'))
    y = float(top)
    for subject, mine in groups.items():
        if len(mine) > 1:
            y += LINE
            parts.append(text(10, y, subject, "b"))
        for row in mine:
            y += LINE
            goal, colour = goal_of(row), COLOURS.get(verdict(row), COLOURS[""])
            if goal and goal[1] > 0:
                ends = (x(low), x(goal[1])) if goal[0] == "<=" else (x(goal[1]), x(high))
                parts.append(f'<rect x="{ends[0]:.1f}" y="{y - 10:.1f}" width="{ends[1] - ends[0]:.1f}" height="12" fill="#dcfce7"/>')
            first, last = span(row)
            parts += [text(22, y, row[2]) if len(mine) > 1 else text(10, y, f"{subject}: {row[2]}"), line(x(first), y - 4, x(last), y - 4, f'stroke="{colour}" stroke-width="2"'),
                      mark(x(float(row[3])), y - 4, verdict(row))]
    return parts, bottom


def dots(title, rows, verdict):
    """The picture of a figure, or None if it has no number that can be drawn. @verdict: of a row: "reached", "**missed**", "open" or something else."""
    rows = [r for r in rows if can_be_drawn(r) and not OF_FAULT.match(r[1])]
    if not rows:
        return None
    parts, y = [text(10, 20, title, "b")] + legend(40), 46
    for unit in dict.fromkeys(row[7] for row in rows):
        more, y = dots_of_unit(unit, [r for r in rows if r[7] == unit], verdict, y + 28)
        parts += more
    return picture(y + 10, title, parts)


def panel(measure, rows, verdict, top):
    """One diagram: a curve for each subject; returns it and where it ends."""
    costs = sorted({int(OF_FAULT.match(r[1])[2]) for r in rows})
    names = list(dict.fromkeys(OF_FAULT.match(r[1])[1] for r in rows))
    low, high = bounds(rows)
    left, right, bottom = 70, 640, top + 210
    y = scale(low, high, bottom, top)
    across = {cost: left + 40 + i * (right - left - 80) / max(1, len(costs) - 1) for i, cost in enumerate(costs)}
    parts = [text(10, top - 10, measure, "b")]
    for tick in ticks(low, high):
        parts += [line(left, y(tick), right, y(tick), 'class="g"'), text(left - 6, y(tick) + 4, f"{tick:g}", "e")]
    if low < 1 < high:
        parts.append(line(left, y(1), right, y(1), 'class="one"'))
    for cost in costs:
        parts.append(text(across[cost], bottom + 16, f"F = {cost}", "m"))
    for i, name in enumerate(names):
        colour, before = SERIES[i % len(SERIES)], None
        shift = (i - (len(names) - 1) / 2) * 5
        for row in sorted((r for r in rows if OF_FAULT.match(r[1])[1] == name), key=lambda r: int(OF_FAULT.match(r[1])[2])):
            at, (first, last), goal = across[int(OF_FAULT.match(row[1])[2])] + shift, span(row), goal_of(row)
            value = y(float(row[3]))
            if before:
                parts.append(line(*before, at, value, f'stroke="{colour}" stroke-width="1.5"'))
            if goal:
                parts.append(line(at - 12, y(goal[1]), at + 12, y(goal[1]), f'stroke="{colour}" stroke-width="3" stroke-dasharray="3 2"'))
            parts += [line(at, y(first), at, y(last), f'stroke="{colour}"'), mark(at, value, verdict(row), colour)]
            before = (at, value)
        parts += [line(right + 14, top + 10 + i * 18, right + 40, top + 10 + i * 18, f'stroke="{colour}" stroke-width="2"'),
                  text(right + 46, top + 14 + i * 18, name)]
    return parts, bottom + 24


def curves(title, rows, verdict):
    """The picture of what a fault's cost does to a figure, or None. A panel for each measure."""
    rows = [r for r in rows if can_be_drawn(r) and OF_FAULT.match(r[1])]
    if not rows:
        return None
    parts, y = [text(10, 20, title, "b"), text(10, 40, "F: how many packets a fault takes longer. Short thick dashes: the goal. Hollow square: missed. Hollow diamond: open.")], 46
    for measure in dict.fromkeys(row[2] for row in rows):
        more, y = panel(measure, [r for r in rows if r[2] == measure], verdict, y + 32)
        parts += more
    return picture(y + 10, title, parts)
