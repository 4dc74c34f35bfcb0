# SPDX-License-Identifier: GPL-2.0-or-later
"""plan.py - what the hardware kit is going to do on a machine, step by step, and what it is not and why.

What always holds: making a plan changes nothing. A step that is not run has its reason here, or gets it when an earlier step decides (the
self-test); nothing is left out silently: P5 and the lab's scenarios have their line as well."""
import dataclasses
import json
import os
import pathlib

import machine
import tries
import trust

GIB = 1 << 30
FIGURE_SECONDS = 900
BUILD = "meson setup -Dtests=true build/host && ninja -C build/host"


@dataclasses.dataclass
class Step:
    """@does: to the machine, in a few words. @why_not: why it is not run; empty: it is. @command: of a figure. @place: of a try."""
    name: str
    does: str
    why_not: str = ""
    seconds: int = 300
    commands: tuple = ()
    place: str = ""

    def kind(self):
        return "self-test" if self.name == "selftest" else "figure" if self.name.startswith("P") else "scenario" if self.place else "other"


def missing(programs, options, *names):
    """Which of the programs are not there, and what to do; or ""."""
    absent = [name for name in names if not programs.path(name)]
    if not absent:
        return ""
    return f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there: " + (
        f"build the source tree with `{BUILD}`" if not options.installed else
        "no package has it; leave out --installed, in a source tree that is built" if absent[0].startswith("bench-") else "install the package rdmaregd")


def selftest(programs, options):
    return Step("selftest", "opens the adapter, registers some pages and makes queue pairs, one check after the other, each in at most 45 s",
                missing(programs, options, "rdmareg-selftest"), 900)


def scenarios(programs, options):
    """@options.directory: each is tried for itself."""
    why_not = missing(programs, options, "rdmaregd", "rdmareg-keeper", "rdmaregctl")
    does = {"transfer": "registers a file of 4 MiB, writes and reads it as a peer", "revoke": "keeps a peer out for a moment",
            "silent": "truncates a file under a peer that does not answer", "restart": "kills the kit's own rdmaregd under a peer"}
    return [Step(f"{name} {place}", does[name], why_not, 300, place=place) for place in options.directory for name in tries.ALL]


def figures(programs, options, the_machine, address, given):
    """@given: directories that were named, so that their filesystem may be synced."""
    module = the_machine.module()
    has_module = module == "loaded" or (module == "can be loaded" and options.load_module)
    places, memory = options.directory, machine.memory_bytes("MemAvailable")
    xfs = [place for place in places if machine.filesystem_of(place) == "xfs"]
    no_module = f"it takes rdmareg.ko: {module}" + (
        "; --load-module loads it" if module == "can be loaded" else "; the package rdmareg-dkms builds it")
    quick = ("--quick",) if options.quick else ()
    device, to = options.device or "", address or ""

    def step(name, program, does, *argument_lists, why_not=""):
        return Step(name, does, why_not or missing(programs, options, program), FIGURE_SECONDS,
                    tuple((program, *arguments, *quick) for arguments in argument_lists))

    return [
        step("P8", "bench-p8-registry", "makes half a million regions in memory; no adapter", ()),
        step("P4", "bench-p4-events", "watches pages of its own through rdmareg.ko", (), why_not="" if has_module else no_module),
        step("P2", "bench-p2-first-access", "4 MiB files, 4 KiB at a time", (to, "memfd", *places)),
        step("P6", "bench-p6-truncate", "truncates 4 MiB files of its own", tuple(word for place in xfs for word in (place, "auto")),
             why_not="" if xfs and has_module else no_module if xfs else "none of the directories is on XFS, which asks before it takes blocks"),
        step("P10", "bench-p10-steady", "16 MiB, written for some seconds", ("bandwidth", to), ("write", *places)),
        Step("P5", "", "it makes the faults of soft-RoCE slow with a module of the lab; on an adapter P2 and P3 show what its faults cost"),
        step("P3", "bench-p3-sync", "32 MiB files; syncs their filesystem once a second, with all that others have written",
             tuple((to, *(word for place in given for word in (place, machine.disk_of(place))))),
             why_not="" if given else "it syncs the filesystem: name a directory where that may be (--directory)"),
        step("P1", "bench-p1-acquire", "registers up to 1 GiB, and pins it for a moment", (device, "memfd", *places),
             why_not="" if memory > 3 * GIB or options.quick else "less than 3 GiB of memory are available"),
        step("P9", "bench-p9-populate", "makes 1 GiB of memory", ("4", "4") if options.quick else ("64", "16"),
             why_not="" if memory > 3 * GIB or options.quick else "less than 3 GiB of memory are available"),
    ]


def others():
    return [Step("lab", "", "the lab's scenarios (./run test) need its two nodes, disks and kernels; what an adapter changes of them is tried above"),
            Step("wire", "", "the adapter is its own peer: switches, cables and a second machine take no part")]


def make(programs, options, the_machine, address, given):
    steps = [selftest(programs, options), *scenarios(programs, options), *figures(programs, options, the_machine, address, given), *others()]
    adapter = next((a for a in the_machine.adapters if a.name == options.device), None)
    reason = ("this machine has no RDMA device" if not the_machine.adapters else f"there is no RDMA device {options.device}" if not adapter else
              f"no port of {adapter.name} is up" if not adapter.up else "")
    no_address = "" if address else f"no IPv4 address is known of {options.device}'s network interface: --address names one"
    for step in steps:
        takes_adapter = step.kind() in ("self-test", "scenario") or step.name in ("P1", "P2", "P3", "P6", "P9", "P10")
        if takes_adapter:  # without one, nothing else matters
            step.why_not = reason or step.why_not or ("" if step.kind() == "self-test" else no_address)
        if options.only and step.name.split()[0].lower() not in options.only and not step.why_not:
            step.why_not = "it was not asked for (--only)"
    return steps


def save(steps, path):
    pathlib.Path(path).write_text(json.dumps([dataclasses.asdict(step) for step in steps]), encoding="utf-8")


def load(path):
    return [Step(**{**step, "commands": tuple(map(tuple, step["commands"]))}) for step in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))]


def default_directories():
    return [place for place in (os.path.realpath("/var/tmp"),) if os.access(place, os.W_OK) and not trust.why_not(place)]
