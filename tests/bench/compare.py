#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""compare.py OLD NEW DIR | --check - what differs between two revisions, beyond the noise: the end of ./run bench --compare.

DIR has old.1, new.1, old.2, new.2, ...: rows of runs (bench.h), each pair measured right after each other. OLD and NEW are what the two sides are
called in the table.

How it is decided. For each row the pairs give ratios new / old. If the two sides are alike, each ratio is as likely above 1 as below, by as much:
Wilcoxon's signed-rank test says exactly, from all sign patterns, how rare what was seen would be then. It supposes nothing about how the noise is
distributed, and a mood of the machine that lasts longer than a pair hits both sides. Since many rows are tested, Benjamini and Hochberg's rule picks
those that differ: among the rows said to differ a tenth is expected to be there by chance, whatever their number. A row can only differ if there are
enough pairs for it: with n pairs nothing is rarer than 2 in 2^n. Less than a hundredth is no difference, however sure it is: bytes have no noise.

Which way is good, a row's goal says; a row without one can differ, but is neither better nor worse.

Exit status: 0 if no row is worse, 1 if one is, or failed on the new side alone; 2 if nothing can be said, because there were too few pairs.
--check: only tests the above, on numbers that are made."""
import math
import pathlib
import random
import statistics
import sys

import numpy
import scipy.stats

SHARE_BY_CHANCE = 0.1
LEAST = 1.01


def rarity(ratios):
    """How likely ratios so far from 1 are, on both sides together, if the sign of each logarithm is a coin's."""
    logs = [math.log(r) for r in ratios if r != 1]
    return float(scipy.stats.wilcoxon(logs, method="exact").pvalue) if logs else 1.0


def chosen(rarities):
    """Which of them differ: the indices, by Benjamini and Hochberg."""
    order = sorted(range(len(rarities)), key=lambda i: rarities[i])
    last = max((k for k, i in enumerate(order, 1) if rarities[i] <= SHARE_BY_CHANCE * k / len(order)), default=0)
    return set(order[:last])


def read(folder):
    """{(figure, where, what): [{side: value}, ...]}, a dictionary for each pair; {key: goal}"""
    rows, goals, pairs = {}, {}, 0
    while (folder / f"new.{pairs + 1}" / "rows.tsv").exists() and (folder / f"old.{pairs + 1}" / "rows.tsv").exists():
        pairs += 1
        for side in ("old", "new"):
            for line in (folder / f"{side}.{pairs}" / "rows.tsv").read_text(encoding="utf-8").splitlines():
                field = line.split("\t")
                mine = rows.setdefault(tuple(field[:3]), [])
                mine.extend({} for _ in range(pairs - len(mine)))
                mine[pairs - 1][side] = field[3]
                goals[tuple(field[:3])] = field[8]
    return rows, goals, pairs


def numbers(pairs):
    """[(old, new)] of those pairs in which both sides have a number above 0."""
    found = []
    for pair in pairs:
        try:
            both = float(pair["old"]), float(pair["new"])
        except (KeyError, ValueError):
            continue
        if min(both) > 0:
            found.append(both)
    return found


def word_of(goal, ratio):
    if goal == "-":
        return "differs"
    return "better" if (ratio < 1) == goal.startswith("<=") else "WORSE"


def judge(rows, goals):
    """[(key, old median, new median, ratios, p, word)] of rows that have numbers, and {key: what else is to be said}."""
    judged, said = [], {}
    for key, pairs in rows.items():
        both = numbers(pairs)
        failed = {side: sum(pair.get(side) in (None, "failed") for pair in pairs) for side in ("old", "new")}
        if failed["new"] > failed["old"]:
            said[key] = "FAILED on the new side"
        elif failed["old"] > failed["new"]:
            said[key] = "only on the new side, or it failed on the old one"
        if both:
            ratios = [new / old for old, new in both]
            judged.append((key, statistics.median(o for o, _ in both), statistics.median(n for _, n in both), ratios, rarity(ratios)))
        elif key not in said:
            said[key] = "no numbers: " + ", ".join(sorted({str(v) for pair in pairs for v in pair.values()}))
    differ = chosen([j[4] for j in judged])
    differ = {i for i in differ if max(m := statistics.median(judged[i][3]), 1 / m) >= LEAST}
    return [(*j, word_of(goals[j[0]], statistics.median(j[3])) if i in differ else "") for i, j in enumerate(judged)], said


def report(old, new, judged, said, pairs):
    lines = [f"old: {old}", f"new: {new}", f"{pairs} pairs of runs, one side after the other, the order changing from pair to pair", ""]
    widest = max([len(": ".join(j[0])) for j in judged] + [len(": ".join(key)) for key in said] + [3])
    lines.append(f"{'row':{widest}}  {'old':>9}  {'new':>9}  new / old (quartiles)             p")
    for key, before, after, ratios, p, word in judged:
        low, half, high = numpy.quantile(ratios, (0.25, 0.5, 0.75))
        middle = f"{half:.3g} ({low:.3g} to {high:.3g})"
        lines.append(f"{': '.join(key):{widest}}  {before:9.4g}  {after:9.4g}  {middle:30}  {p:.4f}  {word}".rstrip())
    lines += [f"{': '.join(key):{widest}}  {what}" for key, what in said.items()]
    count = [sum(j[5] == word for j in judged) for word in ("better", "WORSE", "differs", "")]
    lines += ["", f"{count[0]} better, {count[1]} worse, {count[2]} differ without a goal, {count[3]} do not differ beyond their noise"]
    return "\n".join(lines)


def too_few(pairs, rows):
    """Whether even a row that differs in each pair could not be told."""
    return not rows or 2 / 2 ** pairs > SHARE_BY_CHANCE / rows


def check():
    """The rules on numbers whose answer is known."""
    assert abs(rarity([1.1] * 8) - 2 / 256) < 1e-12
    assert abs(rarity([1.1, 1.2, 1.3, 0.95]) - 4 / 16) < 1e-12  # ranks 2, 3, 4 against 1
    assert rarity([1.0, 1.0]) == 1 and rarity([1.1, 1 / 1.1]) == 1
    assert chosen([0.001, 0.9, 0.04]) == {0, 2} and not chosen([0.2, 0.9])
    source, chance, found, trials = random.Random(1), 0.0, 0, 100
    for _ in range(trials):  # pairs of trees that are alike in 30 rows, and differ in two
        alike = [rarity([math.exp(source.gauss(0, 0.1)) for _ in range(12)]) for _ in range(30)]
        unlike = [rarity([1.2 * math.exp(source.gauss(0, 0.1)) for _ in range(12)]) for _ in range(2)]
        differ = chosen(alike + unlike)
        chance += len(differ & set(range(30))) / max(1, len(differ)) / trials
        found += len(differ - set(range(30)))
    assert chance <= 1.5 * SHARE_BY_CHANCE and found >= 1.7 * trials, (chance, found)
    goals = {("P1", "a", "b"): "<= 2", ("P1", "a", "c"): ">= 2", ("P1", "a", "d"): "-", ("P1", "a", "e"): "-"}
    rows = {key: [{"old": "2", "new": "3"}] * 12 for key in goals}
    goals["P1", "a", "f"] = "<= 2"
    rows["P1", "a", "f"] = [{"old": "2000", "new": "2001"}] * 12
    rows["P1", "a", "e"] = [{"old": "2", "new": "failed"}] * 12
    judged, said = judge(rows, goals)
    assert [j[5] for j in judged] == ["WORSE", "better", "differs", ""] and list(said) == [("P1", "a", "e")]
    assert too_few(4, 3) and not too_few(12, 50)
    print(f"{found} of {2 * trials} rows that differ were found; {chance:.3f} of those said to differ do not")


def main():
    if sys.argv[1:] == ["--check"]:
        check()
        return 0
    old, new, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    rows, goals, pairs = read(folder)
    judged, said = judge(rows, goals)
    print(report(old, new, judged, said, pairs))
    if any(j[5] == "WORSE" for j in judged) or any(what.startswith("FAILED") for what in said.values()):
        return 1
    if too_few(pairs, len(judged)):
        print(f"{pairs} pairs are too few to tell a difference in {len(judged)} rows: measure fewer rows, or more pairs")
        return 2
    return 0


sys.exit(main())
