#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hardware.py - ./run hardware: finds out, on a machine with an RDMA adapter, what this project's lab cannot, and makes a report to send.

Without --yes it says what it would do and what not, and does nothing. With it:

  - the steps (plan.py) run in a process id and mount name space of their own (worker.py), against an rdmaregd of the kit's own, on the adapter's
    own loop-back; an rdmaregd in service, its regions and what it knows of the adapter are left alone;
  - files are made in one directory of the kit's own in each --directory, and removed; nobody else can read them or what is found, or lead the kit
    to other files (trust.py); settings of the machine stay as they are; the kernel module is loaded only with --load-module, and unloaded again;
  - everything ends a minute after --minutes at the latest, and at Ctrl-C and SIGTERM; should this very process be killed, the name space goes with
    it (ends_with_us), and what is left are the directories called rdmareg-kit.*, a loaded module, and a report's directory without an archive.

Exit status: 0 all that was run succeeded, 1 something failed, 2 wrong usage, 77 there is nothing that could be run."""
import argparse
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import plan
import report
import trust
from world import Programs

MARK = "rdmareg-kit."
SCRATCH = os.path.realpath("/tmp")  # short: names of sockets are
PR_SET_PDEATHSIG = 1  # prctl(2)
HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent.parent  # of the tree; in the lab's guest there is none
LOG_WORDS = ("rdma", "mlx", "infiniband", "rxe", "ib_", "rdmareg", "WARNING", "BUG", "Oops", "hung_task", "blocked for more")


def parse():
    p = argparse.ArgumentParser(prog="./run hardware", description=__doc__.split("\n")[0])
    p.add_argument("--yes", action="store_true", help="do it; without, only tell what would be done")
    p.add_argument("--device", help="RDMA device (default: the first with a port that is up)")
    p.add_argument("--address", help="IPv4 address of its network interface (default: its first)")
    p.add_argument("--directory", action="append", default=[], type=os.path.realpath, help="make files there, which others may sync (several; default /var/tmp, not synced)")
    p.add_argument("--out", help="where the report goes (default: ./rdmareg-hardware-DATE); must not exist")
    p.add_argument("--minutes", type=int, default=60, help="no step goes on after that (60); a minute later all has ended")
    p.add_argument("--only", action="append", default=[], type=str.lower, help="only this step: selftest, transfer, P2, ... (several)")
    p.add_argument("--quick", action="store_true", help="few rounds and small sizes: whether it works, no figures")
    p.add_argument("--load-module", action="store_true", help="load rdmareg.ko if it is not loaded, and unload it at the end")
    p.add_argument("--signed-off", default="", metavar="NAME", help="who answers for the report; stands in it")
    p.add_argument("--installed", action="store_true", help="the programs that are installed, not those of build/host")
    p.add_argument("--build", default=str(TOP / "build/host"), help=argparse.SUPPRESS)
    p.add_argument("--libexec", default="/usr/libexec/rdmareg", help=argparse.SUPPRESS)
    p.add_argument("--bindir", default="/usr/bin", help=argparse.SUPPRESS)
    p.add_argument("--sysfs", default="/sys", help=argparse.SUPPRESS)
    p.add_argument("--kernel-log", default="/dev/kmsg", help=argparse.SUPPRESS)
    p.add_argument("--program", action="append", default=[], metavar="NAME=PATH", help=argparse.SUPPRESS)
    options = p.parse_args()
    if options.minutes < 1 or any("=" not in word for word in options.program):
        p.error("--minutes is at least 1")
    why_not = why_not_there(options.directory)
    if why_not:
        p.error(why_not)
    return options


def why_not_there(places):
    """What is wrong with one of the directories, in words, or "". Links to them were followed and are not again: others may turn theirs."""
    for number, place in enumerate(places):
        if not os.path.isdir(place):
            return f"--directory {place}: there is no such directory"
        same = next((other for other in places[:number] if os.path.samefile(place, other)), None)
        if same:
            return f"--directory {place} is the same directory as --directory {same}: name it once"
        if trust.why_not(place):
            return f"--directory {place}: {trust.why_not(place)}"
    return ""


def why_not_report(out):
    """Why a report cannot be made there, in words, or "". No link leads to @out."""
    parent = out.parent
    for path in (out, parent / report.archive_name(out)):
        if os.path.lexists(path):
            return f"{path} exists: name another one with --out, or remove it"
    if not parent.is_dir():
        return f"--out {out}: there is no directory {parent}"
    return trust.why_not(str(parent)) and f"--out {out}: {trust.why_not(str(parent))}"


class Guard:
    """What has to be undone, and is, in whichever way it ends."""
    def __init__(self, options):
        self.options, self.signal, self.loaded, self.places = options, 0, False, {}
        self.scratch = None

    def on_signal(self, number, _frame):
        self.signal = self.signal or number

    def begin(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix=MARK, dir=SCRATCH))
        self.scratch.chmod(0o711)  # keepers have other user ids, and their program is in it
        for number, place in enumerate(self.options.directory, 1):
            # mkdtemp makes a directory of mode 0700; rows call a place by the last part of its name
            made = pathlib.Path(tempfile.mkdtemp(prefix=MARK, dir=place)) / f"{machine.filesystem_of(place).replace('/', '-')}-{number}"
            self.places[place] = str(made)
            made.mkdir()
        if self.options.load_module and not os.path.isdir("/sys/module/rdmareg"):
            self.loaded = subprocess.run(["modprobe", "rdmareg"], check=False).returncode == 0

    def end(self):
        for made in self.places.values():
            shutil.rmtree(pathlib.Path(made).parent, ignore_errors=True)
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
        if self.loaded:
            subprocess.run(["rmmod", "rdmareg"], check=False)

    def left(self):
        """What could not be undone, in words."""
        rest = [str(path) for path in [self.scratch, *(pathlib.Path(made).parent for made in self.places.values())] if path and path.exists()]
        return rest + (["the module rdmareg"] if self.loaded and os.path.isdir("/sys/module/rdmareg") else [])

    def wait(self, process, seconds):
        """Until the worker ends, somebody wants it to, or it is over time. Its name space ends with unshare(1)."""
        end, ended = time.monotonic() + seconds, ""
        while process.poll() is None and not ended:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                ended = f"ended by {signal.Signals(self.signal).name}" if self.signal else "the time was over" if time.monotonic() > end else ""
        if process.poll() is None:
            process.kill()
            process.wait()
        return ended or ("" if process.returncode == 0 else f"the worker ended with {process.returncode}")


def ends_with_us(ours, prctl=ctypes.CDLL(None, use_errno=True).prctl):
    """In unshare(1)'s process, before it is that: be killed when this process dies, whatever of, as its child is when unshare does."""
    if prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    if os.getppid() != ours:
        os._exit(1)  # it was too late


def revision():
    text = machine.printed("git", "-C", str(TOP), "rev-parse", "--short=12", "HEAD")
    return text + ("-dirty" if text and machine.printed("git", "-C", str(TOP), "status", "--porcelain", "-uno") else "") or "unknown"


def tell_plan(options, steps, the_machine, address):
    say = print
    say(f"RDMA devices here: {', '.join(a.name for a in the_machine.adapters) or 'none'}. To be tried: {options.device or 'none'}, at {address or 'no address'}.")
    say(f"Files: in a directory of the kit's own in {', '.join(options.directory) or 'no directory'}, and in memory; removed at the end.")
    say(f"Kernel module: {the_machine.module()}{'; loaded, and unloaded at the end' if options.load_module else ''}.")
    say(f"Processes: an rdmaregd and a message bus of the kit's own. At most {options.minutes} minutes, and one to end.\n")
    for step in steps:
        say(f"  {step.name:22} {'not run: ' + step.why_not if step.why_not else step.does}")


def carry_out(options, steps, address):
    """Returns what ended it early, or ""."""
    out = pathlib.Path(options.out)
    out.mkdir()
    (out / "logs").mkdir()
    guard = Guard(options)
    try:
        guard.begin()
        plan.save(steps, out / "plan.json")
        replaced = dict(word.split("=", 1) for word in options.program)
        orders = {"device": options.device, "address": address, "directory": options.directory, "places": guard.places, "seconds": 60 * options.minutes,
                  "build": None if options.installed else options.build, "libexec": options.libexec, "bindir": options.bindir, "replaced": replaced}
        (out / "orders.json").write_text(json.dumps(orders), encoding="utf-8")
        ours = os.getpid()
        process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", sys.executable, "-B",
                                    str(HERE / "worker.py"), str(out.resolve()), str(guard.scratch)], stdin=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=lambda: ends_with_us(ours))
        ended = guard.wait(process, 60 * options.minutes + 60)
    finally:
        guard.end()
    left = guard.left()
    return ended, left


def main():
    options = parse()
    the_machine = machine.Machine(options.sysfs)
    given = list(options.directory)
    options.directory = options.directory or plan.default_directories()
    if not options.device:
        options.device = next((a.name for a in sorted(the_machine.adapters, key=lambda a: not a.up)), None)
    adapter = next((a for a in the_machine.adapters if a.name == options.device), None)
    address = options.address or (adapter.address() if adapter else None)
    programs = Programs(None if options.installed else pathlib.Path(options.build), pathlib.Path(options.libexec), pathlib.Path(options.bindir),
                        dict(word.split("=", 1) for word in options.program))
    steps = plan.make(programs, options, the_machine, address, given)
    tell_plan(options, steps, the_machine, address)
    if not adapter or all(step.why_not for step in steps):
        print("\nNothing of this can be run here.")
        return 77
    if not options.yes:
        print("\nNothing was done. With --yes it is done.")
        return 0
    if os.geteuid() != 0:
        print("\n./run hardware --yes needs root: name spaces, and keepers under user ids of their own.", file=sys.stderr)
        return 2
    options.out = options.out or f"rdmareg-hardware-{time.strftime('%Y%m%d-%H%M%S')}"
    out = pathlib.Path(options.out).absolute()
    out = out.parent.resolve() / out.name
    options.out = str(out)
    why_not = why_not_report(out) or trust.why_not(SCRATCH)
    if why_not:
        print(f"\n{why_not}.", file=sys.stderr)
        return 2
    os.umask(0o077)  # there are tickets in it
    print()
    facts, kernel_log, began = the_machine.facts(), machine.KernelLog(options.kernel_log), time.time()
    ended, left = carry_out(options, steps, address)
    log = kernel_log.said(LOG_WORDS)
    made = {"by": f"rdmaregd, revision {revision()}", "programs": "installed" if options.installed else "of a build", "began": time.strftime("%F %T UTC", time.gmtime(began)),
            "took": f"{time.time() - began:.0f} s", "rounds": "few, small sizes: no figures" if options.quick else "as in docs/benchmarks.md",
            "way": "the adapter's own loop-back on one machine", "ended early": ended or "no", "left behind": ", ".join(left) or "nothing"}
    if options.signed_off:
        made["signed off by"] = options.signed_off
    paging = adapter.paging() if adapter else []
    good = report.write(out, steps, made, facts, (adapter.facts if adapter else []) + paging, log)
    print(f"\nThe report: {out}/report.txt")
    try:
        archive, checksum = report.seal(out)
    except OSError as e:
        print(f"There is no archive of it: {e}", file=sys.stderr)
        return 1
    print(f"To send:    {archive}\nSHA-256:    {checksum}")
    return 0 if good and not ended and not left else 1


if __name__ == "__main__":
    sys.exit(main())
