# SPDX-License-Identifier: GPL-2.0-or-later
#
# commands.py - the commands that README.md, docs/ and the manual pages show, and where each is tried.
#
# A block of a document says what it is: "console" has commands after "$ " (an ordinary user's) or "# " (root's), each with the output that
# it prints, if that is shown; "sh" is a piece of shell. tests/bus/commands.py runs every command on the host and compares the output, but
# those of ELSEWHERE: "lab" are run by the lab's scenario 95, the others are not run, for the reason that stands there. BOTH are run there,
# too, where no keeper is played. The rest are examples in "c" and "python" (check-manual, tests/bus/readme.py), "ini" (settings), and
# "text": drawings, messages.
#
#   commands.py --lab OUT    write the lab's commands, a line each: where it stands, "#" for root's, else "$", and the command
import pathlib
import re
import sys

import tree

# Documents need not have been written when they are named here.
BOOTS = "it boots a virtual machine, or removes what such tests have built; the lab's tests boot the same way"
BUILDS = "it builds or installs for the machine it is called on; tests/lab/host/product.sh does the same for the lab, check-install for a folder"
SCREENS = "tests/bus/screens.py takes these screens, and compares them"
# (document, what the command looks like, "lab" or why it is not run)
ELSEWHERE = [
    ("README.md", r"\./run (?:demo|test)\b", BOOTS),
    ("README.md", r"apt install ", BUILDS),
    ("README.md", r"rdmaregctl selftest ", "lab"),
    ("docs/adapters.md", r"meson setup ", BUILDS),
    ("docs/adapters.md", r"\./run ", "it takes an adapter; the test hardware-kit plays one, and the lab's scenario 87 runs it on soft-RoCE"),
    ("docs/adapters.md", r"rdmaregctl (?:register .* --rails |get )", "it takes two adapters; the test client-rails plays them"),
    ("docs/dax.md", r"rdmaregctl register /dev/dax", "lab"),
    ("docs/dax.md", r"rdmaregctl dax-", "lab"),
    ("docs/dax.md", r"\./run lab --bare ", BOOTS),
    ("docs/install.md", r"", "it changes the machine it is called on; ./run package does the same in clean trees and in the lab"),
    ("docs/kernel-module.md", r"make -C ", BUILDS),
    ("docs/kernel-module.md", r"(?:lsmod|cat /proc/locks|grep \. /sys/class/misc/rdmareg|echo 1 >/sys/kernel/tracing)", "lab"),
    ("docs/lab.md", r"\./run (?:lab|test|clean)", BOOTS),
    ("docs/metrics.md", r"systemctl ", "lab"),
    ("docs/proofs.md", r"\./run sim ", "its seed is what a violation prints; the suite sim runs the simulator"),
    ("docs/proofs.md", r"\./run explore ", "the suite core explores the smaller setups"),
    ("docs/proofs.md", r"\./run torture ", BOOTS),
    ("docs/proofs.md", r"\./run fuzz ", "it builds with clang, and takes a minute for each target; the suite fuzz replays the corpora"),
    ("docs/screens.md", r"", SCREENS),
    ("docs/slurm.md", r"", "it takes a cluster: 95-slurm submits such jobs, and ./run slurm documents runs those of this page"),
    ("docs/troubleshooting.md", r"(?:journalctl|systemctl|rdma) ", "lab"),
    ("docs/troubleshooting.md", r"rdmaregctl doctor\b", "it tells what is wrong with the machine it is called on; the test bus-doctor plays one"),
    ("docs/troubleshooting.md", r"rdmaregctl selftest\b", "lab"),
]
BOTH = ["docs/schedulers.md"]
KINDS = ("console", "sh", "c", "python", "ini", "text")
# scdoc has no word for what a block is
PAGES = {"man/rdmaregctl.1.scd": "console", "man/librdmareg.3.scd": "c", "man/rdmaregd.conf.5.scd": "ini"}
COMMAND = re.compile(r"^[$#] (.*(?:\\\n.*)*\n)((?:(?![$#] ).*\n)*)", re.M)
UNMARKED = re.compile(r"^(?:[$#] )?(?:rdmaregctl|\./run|systemctl|journalctl|make|meson|ninja|apt|modprobe|rdma|daxctl|ndctl|cat|grep|echo) ", re.M)


def documents():
    return [pathlib.Path("README.md"), pathlib.Path("CONTRIBUTING.md"), *tree.files("docs", ".md"), *tree.files("man", ".scd")]


def blocks(document):
    """[(line, kind, text)] of a document; kind is "" where it is not said."""
    text = tree.read(document)
    return [(tree.line_of(text, m.start()), m.group(1) or PAGES.get(str(document), ""), m.group(2))
            for m in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]


def commands(document):
    """[(line, of root, command, output)] of a document's blocks."""
    found = []
    for line, kind, text in blocks(document):
        if kind == "console":
            found += [(line + 1 + text.count("\n", 0, m.start()), m.group(0)[0] == "#", m.group(1), m.group(2)) for m in COMMAND.finditer(text)]
        elif kind == "sh":
            found.append((line + 1, True, text, ""))
    return found


def elsewhere(document, command):
    """The row of ELSEWHERE that this command belongs to; None: it is run here."""
    return next((row for row in ELSEWHERE if row[0] == str(document) and re.match(row[1], command)), None)


def of_lab():
    """[(document, line, of root, command)]"""
    return [(document, line, of_root, command) for document in documents() for line, of_root, command, _ in commands(document)
            if str(document) in BOTH or (row := elsewhere(document, command)) and row[2] == "lab"]


if __name__ == "__main__" and sys.argv[1:2] == ["--lab"]:
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        for document, line, of_root, command in of_lab():
            assert command.count("\n") == 1, "the lab runs one line"
            out.write(f"{document}:{line}\t{'#' if of_root else '$'}\t{command}")
