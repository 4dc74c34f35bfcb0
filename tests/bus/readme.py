#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# readme.py README C-PROGRAM - run what README.md shows, in the world that test-readme.c made.
#
# The example in C (C-PROGRAM was compiled from it) and the one in Python each have to print a ticket and to acknowledge a revocation before
# its grace is over; the one in C has to say what is wrong with its arguments. Each `$ rdmaregctl` command of a console block has to succeed
# and to print what README.md prints below it, but for numbers, times, tickets and what is in brackets; of `watch` the lines of revocations.
# put is the command with the keeper's end played (fakes/peer.c). What begins with `#` takes root or an adapter, and is not run.
import json
import os
import re
import subprocess
import sys

WORLD = os.environ["RDMAREG_WORLD"]
FILE = os.path.join(WORLD, "model.bin")
MIB = 1 << 20
GRACE_USEC = 10_000_000  # of test-readme.c
UNIT = r"(?:us|ms|s|min|h|[KMGT])?"
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


def pattern(line):
    """A regular expression for what may stand in the place of this line."""
    masks = [(r"rdmareg://\S+", r"rdmareg://[\\d.]+:\\d+/\\d+\\?[0-9a-f]{32}"), (r"\([^)]*\)", r"\\(.*\\)"),
             (r"\d+(?:\.\d+)?" + UNIT + r"(?![\w])", r"\\d+(?:\\.\\d+)?" + UNIT), (r"\s+", r"\\s+")]
    out, at = "", 0
    line = line.replace("/data/model.bin", FILE).strip()
    whole = re.compile(re.escape(FILE) + "|" + "|".join(f"(?P<m{n}>{mask})" for n, (mask, _) in enumerate(masks)))
    for match in whole.finditer(line):
        out += re.escape(line[at:match.start()])
        out += re.escape(FILE) if match.lastgroup is None else masks[int(match.lastgroup[1:])][1].replace("\\\\", "\\")
        at = match.end()
    return r"\s*" + out + re.escape(line[at:]) + r"\s*"


def compare(command, wanted, got):
    if len(wanted) != len(got) or not all(re.fullmatch(pattern(w), g) for w, g in zip(wanted, got)):
        sys.exit(f"README.md shows of {command}:\n" + "\n".join(wanted) + "\n\nand it prints:\n" + "\n".join(got))


def try_watch(command, wanted, region):
    watch = start([CTL, *command.split()[1:]])
    watch.stdout.readline()  # the region is there
    truncate(region)
    told = (line.rstrip("\n") for line in watch.stdout if " revocation-" in line)
    compare(command, wanted, [next(told) for _ in wanted])
    end(watch)


def try_commands(readme):
    region, count = None, 0
    make_file(64 * MIB)
    os.environ["FAKE_PEER"] = "length=64 valid=64 durability=1"
    for block in re.findall(r"^```console\n(.*?)^```$", readme, re.M | re.S):
        for command, output in re.findall(r"^\$ (rdmaregctl .*)\n((?:(?![$#]).*\n)*)", block, re.M):
            wanted = output.splitlines()
            count += 1
            if command.startswith("rdmaregctl watch"):
                try_watch(command, wanted, region)
                continue
            text = re.sub(r"(?<= )7\b", str(region), command).replace("/data/model.bin", FILE).replace("/backup", f"{WORLD}/backup")
            tool = os.environ["RDMAREGCTL_PLAYED"] if " put " in text else CTL
            run = subprocess.run(text.replace("rdmaregctl", f"'{tool}'", 1), shell=True, cwd=WORLD, capture_output=True, text=True,
                                 check=False)
            print(f"{command}: {run.returncode}\n{run.stdout}{run.stderr}", flush=True)
            if run.returncode:
                sys.exit(f"README.md: {command} failed")
            if wanted:
                compare(command, wanted, (run.stdout + run.stderr).splitlines())
            if not region:
                region = re.search(r"^region +(\d+)", run.stdout, re.M).group(1)
    if count < 10:
        sys.exit("README.md shows fewer than ten commands: is this looking for them in the wrong way?")
    subprocess.run([CTL, "release", region], check=True)


with open(sys.argv[1], encoding="utf-8") as page:
    text = page.read()
script = os.path.join(WORLD, "example.py")
with open(script, "w", encoding="utf-8") as out:
    out.write(re.search(r"^```python\n(.*?)^```$", text, re.M | re.S).group(1))
with open(os.path.join(WORLD, "part.bin"), "wb") as part:
    part.truncate(16 * MIB)
try_wrong_arguments(sys.argv[2])
try_program([sys.argv[2]])
try_program([python(), script])
try_commands(text)
