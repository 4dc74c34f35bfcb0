#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
survival.py - who is harmed, how, and what may be lost by that: the one description, of which the cells that ./run survival
    plays and docs/survival.md are made.

survival.py --cells [WORD...]   a line for each cell: its number, ACTOR HARM STATE, and whether regions and the peer are each
    kept or lost. Words: an actor, a harm, a state (of each kind those named), a number or FIRST-LAST, --sample N [--seed SEED].
    Without words those that have not been played with success.
survival.py --add FILE          takes what the guest prints for the cells in FILE, and puts each row into tests/lab/survival.tsv
    as soon as it comes, in the place of an older one. Fails if one lost what it may not, or did not come.
survival.py [--check]           make docs/survival.md; --check: only say whether it differs.

A row: actor, harm, state, seconds, "ok" or what was lost, kernel, day.
"""
import argparse
import datetime
import pathlib
import random
import re
import sys
import textwrap

top = pathlib.Path(__file__).resolve().parents[3]
target = top / "docs" / "survival.md"
played = top / "tests" / "lab" / "survival.tsv"

STATES = {
    "idle": "nothing goes on but the load",
    "registering": "other regions are being registered",
    "exporting": "tickets are being made",
    "asked": "a truncate waits for a peer that does not answer",
    "fenced": "the region is fenced, for an administrator",
    "giving-back": "the grace of such a truncate has ended",
    "settling": "such a truncate has just returned",
    "releasing": "the region is being released",
    "warming": "64 MiB are being prefetched",
    "adopting": "`rdmaregd` was killed, and the next one takes over the keepers",
}

HARMS = {
    "kill": "SIGKILL",
    "stop-1": "SIGSTOP for 1 s",
    "stop-60": "SIGSTOP for 60 s",
    "oom": "the kernel's OOM killer ends it",
    "descriptors": "no more descriptors than it has, for 2 s",
    "memory": "no more address space than it has, for 2 s",
    "lost-1": "all packets between the nodes are lost for 1 s",
    "lost-60": "the same for 60 s",
    "hangs-1": "the disk is suspended (dm-linear) for 1 s",
    "hangs-60": "the same for 60 s",
    "freeze-1": "fsfreeze(8) for 1 s",
    "freeze-60": "the same for 60 s",
    "forward": "the time of day is set an hour forward, and back after 1 s",
    "back": "the time of day is set an hour back, and forward after 1 s",
}

# Actor: what it is, and for each set of harms whether regions and peers' connections have to survive it, and what else may not.
ACTORS = {
    "daemon": ("`rdmaregd`", {
        "kill oom": ("kept", "kept", "calls that were not answered"),
        "stop-1 stop-60 descriptors memory": ("kept", "kept", "calls that were not answered in time"),
    }),
    "keeper": ("`rdmareg-keeper`, which has the module open", {
        "kill oom": ("lost", "lost", "its regions and their peers"),
        "stop-1 descriptors memory": ("kept", "kept", "what is asked for meanwhile may be refused"),
        "stop-60": ("kept", "lost", "peers that give it up meanwhile"),
    }),
    "gate": ("`rdmareg-gate`; the region has pre-content events", {
        "kill": ("kept", "kept", "until there is another one nobody is asked"),
        "stop-1 stop-60": ("kept", "kept", "time, until it is replaced"),
    }),
    "peer": ("the program on the other node", {
        "kill": ("kept", "lost", "its connection"),
        "stop-1": ("kept", "kept", "nothing"),
        "stop-60": ("kept", "lost", "its connection, if it is asked meanwhile or takes no messages"),
    }),
    "holder": ("a program that joined the region", {
        "kill stop-1 stop-60": ("kept", "kept", "nothing"),
    }),
    "bus": ("the system bus", {
        "stop-1": ("kept", "kept", "calls that were not answered in time"),
        "kill": ("kept", "kept", "connections to it, and so regions that are not detached; `rdmaregd` ends and is started again"),
    }),
    "link": ("the network between the nodes", {
        "lost-1": ("kept", "kept", "nothing: adapters send again"),
        "lost-60": ("kept", "lost", "peers whose adapters give up"),
    }),
    "disk": ("what XFS is on", {
        "hangs-1 hangs-60": ("kept", "kept", "calls that need the file may not be answered in time"),
    }),
    "filesystem": ("XFS below the region", {
        "freeze-1 freeze-60": ("kept", "kept", "calls that need the file may not be answered in time"),
    }),
    "clock": ("the time of day", {
        "forward back": ("kept", "kept", "nothing"),
    }),
}

HEAD = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# What each part may lose

Generated: `./run survival` plays cells in the lab and writes this file. Do not edit it.

Each actor is harmed in each of its ways while the product is in each of {states} states: {count} cells.
In each a peer writes rising numbers into a second region of the same keeper, and a program has
joined that. When the harm is over, whatever the cell was:

* every number that was acknowledged to the peer is in the file;
* an operation that waited for the region has returned within a minute;
* the regions are live, or have ended with a reason; which of the two, the table below says;
* a new region can be registered, exported, written by a new peer and released;
* when all are released, `rdmaregctl doctor` finds nothing wrong, and the kernel's log no trouble.

Cells are numbered, actor by actor and harm by harm as below, state by state:
`./run survival daemon kill` plays the daemon, killed in each state; `./run survival 12 20-29` these;
`./run survival --sample 30 --seed 7` thirty of all. Without words it goes on with those that were
not played yet or failed. What came is in `tests/lab/survival.tsv`, each cell as soon as it is over.

Not played: an adapter that goes away (soft-RoCE waits for who has it open), systemd (this boot has
none; scenario 90 restarts and stops units), suspension of the machine, disks that fail (`./run
torture --actors`, [proofs.md](proofs.md)), Slurm's daemons (`./run slurm`).
"""


def harms_of(actor):
    return [(harm, *may) for harms, may in ACTORS[actor][1].items() for harm in harms.split()]


def matrix():
    """Each cell: number, actor, harm, state, whether regions, whether peers are kept."""
    each = [(actor, harm, state, region, peer) for actor in ACTORS
            for harm, region, peer, _ in harms_of(actor) for state in STATES]
    return [(n, *cell) for n, cell in enumerate(each, 1)]


def rows():
    """{(actor, harm, state): row} of the cells that there are."""
    lines = played.read_text().splitlines() if played.exists() else []
    known = {cell[1:4] for cell in matrix()}
    return {tuple(r[:3]): r for r in (line.split("\t") for line in lines) if tuple(r[:3]) in known}


def chosen(words):
    parser = argparse.ArgumentParser(prog="survival", add_help=False)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*")
    options = parser.parse_intermixed_args(words)
    numbers, names = set(), set()
    for word in options.words:
        if found := re.fullmatch(r"(\d+)(?:-(\d+))?", word):
            numbers |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
        elif word in ACTORS or word in HARMS or word in STATES:
            names.add(word)
        else:
            parser.error(f"no actor, harm or state is called {word}; see docs/survival.md")
    cells = matrix()
    if words:
        cells = [c for c in cells if (not numbers or c[0] in numbers) and
                 all(not names & set(kind) or name in names for name, kind in zip(c[1:4], (ACTORS, HARMS, STATES)))]
    else:
        known = rows()
        # what failed comes last: it may end the guest
        left = [c for c in cells if known.get(c[1:4], [""] * 5)[4] != "ok"]
        cells = sorted(left, key=lambda c: c[1:4] in known)
    if options.sample is not None and options.sample < len(cells):
        cells = sorted(random.Random(options.seed).sample(cells, options.sample))
    if not cells:
        sys.exit("survival: there is no such cell left to play")
    return cells


def add(path):
    wanted = [tuple(line.split()[1:4]) for line in pathlib.Path(path).read_text().splitlines()]
    kernel, came, bad = "", 0, 0
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    for line in sys.stdin:
        line = line.replace("\r", "").rstrip("\n")
        word, *row = line.split("\t")
        if word == "kernel":
            kernel = row[0]
        elif word == "cell" and len(row) == 6:
            number, actor, harm, state, seconds, result = row
            came += 1
            bad += result != "ok"
            print(f"{number:>4} {actor:<10} {harm:<11} {state:<11} {seconds:>4} s  {result}", flush=True)
            known = rows() | {(actor, harm, state): [actor, harm, state, seconds, result, kernel, day]}
            new = played.with_suffix(".new")
            new.write_text("".join("\t".join(known[c[1:4]]) + "\n" for c in matrix() if c[1:4] in known))
            new.replace(played)
        else:
            print(line, flush=True)
    print(f"{came} cells of {len(wanted)} were played; {bad} lost what they may not")
    if came < len(wanted):
        print(f"the guest ended in: {' '.join(wanted[came])}")
    return 1 if bad or came < len(wanted) else 0


def results():
    known = rows()
    good = sum(r[4] == "ok" for r in known.values())
    days = sorted({r[6] for r in known.values()})
    kernels = sorted({r[5] for r in known.values()})
    out = f"Of {len(matrix())} cells {len(known)} were played, {good} as they have to be"
    out += f", on Linux {', '.join(kernels)} ({', '.join(days)})." if known else "."
    out = "\n".join(textwrap.wrap(out + " *ok*: it was; blank: not played.", 100)) + "\n"
    out += f"\n| actor | harm | {' | '.join(STATES)} |\n|---|---{'|---' * len(STATES)}|\n"
    for actor in ACTORS:
        for harm, *_ in harms_of(actor):
            of = [known.get((actor, harm, state)) for state in STATES]
            out += f"| {actor} | {harm} | {' | '.join('' if not r else 'ok' if r[4] == 'ok' else '**no**' for r in of)} |\n"
    wrong = [r for r in known.values() if r[4] != "ok"]
    if wrong:
        out += "\n| cell | what was lost |\n|---|---|\n"
        out += "".join(f"| {' '.join(r[:3])} | {r[4]} |\n" for r in wrong)
    return out


def document():
    out = HEAD.format(states=len(STATES), count=len(matrix()))
    out += "\n## Who, and what may be lost\n\n| actor | harm | regions | peers' connections | what may be lost |\n|---|---|---|---|---|\n"
    for actor, (title, all_of) in ACTORS.items():
        for harms, (region, peer, lost) in all_of.items():
            out += f"| {actor}: {title} | {', '.join(harms.split())} | {region} | {peer} | {lost} |\n"
    out += "\n*lost*: it may be, a region with a reason; *kept*: it has to be there.\n"
    for title, names in (("Harms", HARMS), ("States", STATES)):
        out += f"\n## {title}\n\n| {title.lower()[:-1]} | what |\n|---|---|\n"
        out += "".join(f"| {name} | {what} |\n" for name, what in names.items())
    return out + "\n## What was played\n\n" + results()


def main():
    if sys.argv[1:2] == ["--cells"]:
        for cell in chosen(sys.argv[2:]):
            print(*cell)
    elif sys.argv[1:2] == ["--add"]:
        sys.exit(add(sys.argv[2]))
    elif "--check" not in sys.argv:
        target.write_text(document())
    elif not target.exists() or target.read_text() != document():
        sys.exit("docs/survival.md is not what tests/lab/host/survival.py and tests/lab/survival.tsv say: run survival.py")


main()
