#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# readme.py README C-PROGRAM - run the programs that README.md shows, in the world that test-documents.c made.
#
# The example in C (C-PROGRAM was compiled from it) and the one in Python each have to print a ticket and to acknowledge a revocation before
# its grace is over; the one in C has to say what is wrong with its arguments.
import json
import os
import re
import subprocess
import sys

WORLD = os.environ["RDMAREG_WORLD"]
FILE = os.path.join(WORLD, "model.bin")
MIB = 1 << 20
GRACE_USEC = 10_000_000  # of test-documents.c
CTL = os.environ["RDMAREGCTL"]


def truncate(region):
    """As the kernel tells it of a truncate to 8 MiB, by the keeper without an adapter (fakes/keeper.c)."""
    with open(os.path.join(WORLD, "fake", f"{os.getuid()}-default"), "w", encoding="ascii") as fifo:
        fifo.write(f"break {region} truncate {8 * MIB}\n")


def make_file(size):
    with open(FILE, "wb") as file:
        file.truncate(size)


def start(arguments):
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def end(process):
    process.terminate()
    process.wait()
    process.stdout.close()


def next_event(watch, name):
    for line in watch.stdout:
        event = json.loads(line)
        if event["event"] == name:
            return event
    sys.exit(f"watch ended before {name}")


def try_program(arguments):
    """It prints a ticket, and does not keep a truncate waiting."""
    make_file(64 * MIB)
    program = start([*arguments, FILE])
    ticket = program.stdout.readline()
    print(f"{arguments[-1]}: {ticket}", end="", flush=True)
    region = re.fullmatch(r"rdmareg://[\d.]+:\d+/(\d+)\?[0-9a-f]{32}\n", ticket).group(1)
    watch = start([CTL, "watch", region, "--json"])
    next_event(watch, "present")
    truncate(region)
    asked = next_event(watch, "revocation-requested")
    settled = next_event(watch, "revocation-settled")
    if settled["boottime_usec"] - asked["boottime_usec"] >= GRACE_USEC:
        sys.exit(f"{arguments[-1]} did not acknowledge: the truncate waited for the whole grace")
    end(watch)
    end(program)


def try_wrong_arguments(program):
    """It says what is the matter with them."""
    for arguments, said in [([], "usage"), ([os.path.join(WORLD, "nothing")], "No such file or directory")]:
        run = subprocess.run([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        print(f"{program} {arguments}: {run.returncode} {run.stderr}", end="", flush=True)
        if not run.returncode or said not in run.stderr:
            sys.exit(f"the program in C does not say \"{said}\" of its arguments {arguments}")


def python():
    """An interpreter with the modules that the example imports: not every python3 is Debian's."""
    for path in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([path, "-c", "import dbus, gi"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return path
    sys.exit("no Python here has the modules dbus and gi: install python3-dbus and python3-gi")


with open(sys.argv[1], encoding="utf-8") as page:
    text = page.read()
script = os.path.join(WORLD, "example.py")
with open(script, "w", encoding="utf-8") as out:
    out.write(re.search(r"^```python\n(.*?)^```$", text, re.M | re.S).group(1))
try_wrong_arguments(sys.argv[2])
try_program([sys.argv[2]])
try_program([python(), script])
