#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# commands.py - run the commands that the documents show, in the world that test-documents.c made.
#
# Each command that is not for elsewhere (tests/check/commands.py) has to succeed, and to print what the document shows below it, but for
# numbers, times, tickets and what is in brackets; of `watch` the lines of revocations. In place of the document's region, files and mount
# points there are those of the world. get and put have the keeper's end played (fakes/peer.c), lvcreate does nothing. Commands of root are
# run by root only, and evict only where a filesystem may be mounted.
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "check"))
import commands  # pylint: disable=wrong-import-position

WORLD = pathlib.Path(os.environ["RDMAREG_WORLD"])
DATA = WORLD / "data"
FILE = DATA / "model.bin"
MIB = 1 << 20
UNIT = r"(?:us|ms|s|min|h|[KMGT])?"
CTL, PLAYED = os.environ["RDMAREGCTL"], os.environ["RDMAREGCTL_PLAYED"]
MOUNTED = "RDMAREG_WORLD_MOUNTED" in os.environ
# what documents call it: what it is here
NAMES = [(r"/mnt/data\b|/data\b", str(DATA)), (r"/backup\b", f"{WORLD}/backup"), (r"--duration 30s", "--duration 1s"),
         (r"\balice\b", "nobody")]
MASKS = [(r"rdmareg://\S+", r"rdmareg://[\d.]+:\d+/\d+\?[0-9a-f]{32}"), (r"\([^)]*\)", r"\(.*\)"), (r"(?<=\) )in /\S*", r"in /\S*"),
         (r"\d+(?:\.\d+)?" + UNIT + r"(?!\w)", r"\d+(?:\.\d+)?" + UNIT), (r"\s+", r"\s+")]


def translate(text, region):
    """With the world's names in place of the document's."""
    for pattern, name in NAMES:
        text = re.sub(pattern, name, text)
    return re.sub(r"(?<= )7\b", region, text)


def pattern(line):
    """A regular expression for what may stand in the place of this line."""
    whole = re.compile(re.escape(str(FILE)) + "|" + "|".join(f"(?P<m{n}>{mask})" for n, (mask, _) in enumerate(MASKS)))
    out, at = "", 0
    for match in whole.finditer(line):
        out += re.escape(line[at:match.start()])
        out += re.escape(str(FILE)) if match.lastgroup is None else MASKS[int(match.lastgroup[1:])][1]
        at = match.end()
    return r"\s*" + out + re.escape(line[at:]) + r"\s*"


class Document:
    """One document's commands. There is a region that they are about: the last that they registered, or else one of ours."""
    def __init__(self, path):
        self.path, self.region = path, None

    def fail(self, line, what):
        sys.exit(f"{self.path}:{line}: {what}")

    def prepare(self):
        if not self.region or subprocess.run([CTL, "show", self.region], capture_output=True, check=False).returncode:
            said = subprocess.run([CTL, "register", FILE], capture_output=True, text=True, check=True).stdout
            self.region = re.search(r"^region +(\d+)", said, re.M).group(1)

    def compare(self, line, wanted, got):
        if len(wanted) != len(got) or not all(re.fullmatch(pattern(translate(w.strip(), self.region)), g) for w, g in zip(wanted, got)):
            self.fail(line, "shows\n" + "\n".join(wanted) + "\n\nand this is printed:\n" + "\n".join(got))

    def watch(self, line, command, wanted):
        watch = subprocess.Popen([CTL, *command.split()[1:]], stdout=subprocess.PIPE, text=True)
        watch.stdout.readline()  # the region is there
        # as the kernel tells it of a truncate to 8 MiB, by the keeper without an adapter (fakes/keeper.c)
        with open(WORLD / "fake" / f"{os.getuid()}-default", "w", encoding="ascii") as fifo:
            fifo.write(f"break {self.region} truncate {8 * MIB}\n")
        told = (text.rstrip("\n") for text in watch.stdout if " revocation-" in text)
        self.compare(line, wanted, [next(told) for _ in wanted])
        watch.terminate()
        watch.wait()

    def run(self, line, command, wanted):
        registers = " register " in command
        prepare_files()
        if not registers:
            self.prepare()
        elif self.region:
            subprocess.run([CTL, "release", self.region, "--if-exists"], check=True, stdout=subprocess.DEVNULL)
        if command.startswith("rdmaregctl watch"):
            return self.watch(line, command, wanted)
        text = translate(command, self.region or "")
        # the C library's, not ours: a tool, and the arguments for it
        tool = PLAYED if re.match(r"rdmaregctl (?:put|get) ", command) else CTL
        run = subprocess.run(re.sub(r"^rdmaregctl(?= )", f"'{tool}'", text), shell=True, cwd=WORLD, capture_output=True, text=True, check=False)
        print(f"{self.path}:{line}: {command}: {run.returncode}\n{run.stdout}{run.stderr}", flush=True)
        # something needs somebody on a machine without adapters and module, and status says so
        if run.returncode and not (command.startswith("rdmaregctl status") and run.returncode == 5):
            self.fail(line, f"{command} fails: {run.stderr}")
        if registers:
            self.region = re.search(r"^region +(\d+)", run.stdout, re.M).group(1)
        if wanted:
            self.compare(line, wanted, (run.stdout + run.stderr).splitlines())
        return None

    def end(self):
        if self.region:
            subprocess.run([CTL, "release", self.region, "--if-exists"], check=True, stdout=subprocess.DEVNULL)


def prepare_files():
    if MOUNTED and not os.path.ismount(DATA):
        subprocess.run(["mount", "-t", "tmpfs", "documents", DATA], check=True)
    if not FILE.exists():
        with open(FILE, "wb") as file:
            file.truncate(64 * MIB)


def prepare_world():
    for name, size in (("part.bin", 16 * MIB), ("data.bin", MIB)):
        with open(WORLD / name, "wb") as file:
            file.truncate(size)
    (WORLD / "ticket").write_text("rdmareg://10.99.0.1:33632/7?ca82095c6061fd4f46e7efd2511a7f0b\n", encoding="ascii")
    (WORLD / "bin").mkdir()
    (WORLD / "bin" / "lvcreate").write_text("#!/bin/sh\n", encoding="ascii")
    (WORLD / "bin" / "lvcreate").chmod(0o755)
    os.environ["PATH"] = f"{WORLD}/bin:{os.environ['PATH']}"
    os.environ["FAKE_PEER"] = "length=64 valid=64 durability=1"


def try_settings(path):
    """A sample of rdmaregd.conf is one that the daemon accepts."""
    for line, kind, text in commands.blocks(path):
        if kind != "ini" or not text.startswith("# /etc/rdmareg/"):
            continue
        (WORLD / "sample.conf").write_text(text, encoding="utf-8")
        run = subprocess.run([os.environ["RDMAREGD"], "--check-config", "--config", WORLD / "sample.conf"], capture_output=True, text=True, check=False)
        print(f"{path}:{line}: {run.returncode} {run.stdout}{run.stderr}", flush=True)
        if run.returncode:
            sys.exit(f"{path}:{line}: rdmaregd does not accept this")


def main():
    count = 0
    prepare_world()
    for path in commands.documents():
        try_settings(path)
        document = Document(path)
        for line, of_root, command, output in commands.commands(path):
            if commands.elsewhere(path, command) or of_root and os.getuid() or " evict " in command and not MOUNTED:
                continue
            document.run(line, command.strip(), output.splitlines())
            count += 1
        document.end()
    prepare_files()  # an unmount is among the commands, and whoever mounted it first unmounts it
    if count < 18:
        sys.exit(f"the documents show only {count} commands that can be run here: is this looking for them in the wrong way?")


main()
