#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# screens.py [--write] - docs/screens.md shows what a terminal of 80 and one of 200 columns shows, in the world that test-documents.c made: a
# region whose holder does not answer is revoked, and was.
#
# A block begins with "stty cols N; rdmaregctl ..." and has the screen below it. It is compared as one text, since lines break elsewhere when
# a number is longer: but for numbers with their units, times, ids and blanks. What is not of this world but of its machine (module, kernel,
# adapters) is left out of `status` on both sides. No line may be wider than the terminal. With --write the document gets what is shown.
# Skipped where it does not run as root, who sees more than others.
import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import termios

PATIENCE = 120
MIB = 1 << 20
CTL = os.environ["RDMAREGCTL"]
WORLD = pathlib.Path(os.environ["RDMAREG_WORLD"])
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/screens.md"
BLOCK = re.compile(r"(?<=^```console\n)# stty cols (\d+); rdmaregctl ([^\n]*)\n(.*?)(?=^```$)", re.M | re.S)
ESCAPES = re.compile(r"\033\[[?0-9;]*[A-Za-z]")
MASKS = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d\.\d+|\d+(?:\.\d+)+[\w+-]*|\d+(?:us|ms|s|min|h|[KMGT])?(?!\w)|\s+")
OF_MACHINE = re.compile(r"^(?:rdmaregd .*|(?:module|pre-content|adapters) .*|! .*)\n(?:  .*\n)*", re.M)


def screen(columns, command):
    """What is on the terminal when the command has ended, or, of top, when the first page is whole."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    with subprocess.Popen([CTL, *command.split()], stdin=its, stdout=its, stderr=its,
                          env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}) as program:
        os.close(its)
        seen, page = b"", None
        while select.select([ours], [], [], PATIENCE)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # it has ended
                break
            if page is None and command == "top" and b"\033[J" in seen:
                page = seen[:seen.index(b"\033[J")]
                page = page[page.rindex(b"\033[H"):]
                os.write(ours, b"q")
    os.close(ours)
    text = ESCAPES.sub("", (seen if page is None else page).decode().replace("\r", "")).replace(str(WORLD / "data"), "/data")
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"


def shape(command, text):
    if command == "status":
        text = OF_MACHINE.sub("", text)
    text = re.sub(r"asked: [^;\n]*\.\.\.", "asked: ...", text)  # where it is cut depends on the numbers before
    text = re.sub(r" in /[^;\s]*", " in /", text)
    return MASKS.sub(lambda m: " " if m.group(0).isspace() else "0", text).strip()


def compare(text, verb):
    """The document with the screens of this verb as they are here."""
    def anew(block):
        columns, command, wanted = int(block.group(1)), block.group(2), block.group(3)
        if command.split()[0] != verb:
            return block.group(0)
        shown = screen(columns, command)
        print(f"# stty cols {columns}; rdmaregctl {command}\n{shown}", flush=True)
        # lines of the history are as long as what they say
        assert verb == "history" or all(len(line) <= columns for line in shown.split("\n")), "a line is wider than the terminal"
        return block.group(0) if shape(command, shown) == shape(command, wanted) else f"# stty cols {columns}; rdmaregctl {command}\n{shown}"
    assert len(re.findall(rf"; rdmaregctl {verb}\b", text)) == 2
    return BLOCK.sub(anew, text)


def main():
    if os.getuid():
        sys.exit(77)  # the document has root's screens
    before = after = DOCUMENT.read_text(encoding="utf-8")
    file = WORLD / "data" / "model.bin"
    with open(file, "wb") as made:
        made.truncate(64 * MIB)
    said = subprocess.run([CTL, "register", file, "--name", "model"], capture_output=True, text=True, check=True).stdout
    region = re.search(r"^region +(\d+)", said, re.M).group(1)
    with subprocess.Popen([CTL, "join", region, "--ignore-revocations"], stdout=subprocess.PIPE, text=True) as holder, \
         subprocess.Popen([CTL, "watch", region], stdout=subprocess.PIPE, text=True) as watch:
        holder.stdout.readline()
        watch.stdout.readline()
        # as the kernel tells it of a truncate to 8 MiB, by the keeper without an adapter (fakes/keeper.c)
        with open(WORLD / "fake" / f"{os.getuid()}-default", "w", encoding="ascii") as fifo:
            fifo.write(f"break {region} truncate {8 * MIB}\n")
        next(line for line in watch.stdout if "revocation-requested" in line)
        after = compare(after, "top")
        next(line for line in watch.stdout if "revocation-settled" in line)
        after = compare(compare(after, "history"), "status")
        holder.terminate()
        watch.terminate()
    subprocess.run([CTL, "release", region], check=True, stdout=subprocess.DEVNULL)
    file.unlink()
    if "--write" in sys.argv:
        DOCUMENT.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit("docs/screens.md shows other screens than these: tests/bus/screens.py --write")


main()
