#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-kit.py - the hardware kit on a machine without an adapter: one is played, an mlx5 by what sysfs says (below), whose self-test is
# rdmareg-selftest over verbs that are played, with a keeper that needs none. So peers and the figures that open the device fail here, and
# what matters is that this is told, that everything else is measured, that nothing is left, whichever way the kit ends, and that nobody else
# leads it to other files. No step has a bound in time: what does not end is ended by meson.
#
#   test-kit.py BUILD NAME=PATH...     programs that are played
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

import machine

BUILD, PLAYED = sys.argv[1], sys.argv[2:]
KIT = pathlib.Path(__file__).with_name("hardware.py")
MLX5 = {"fw_ver": "16.35.4030", "board_id": "MT_0000000080", "hca_type": "MT4119", "node_guid": "b8ce:f603:0012:3456",
        "ports/1/state": "4: ACTIVE", "ports/1/link_layer": "Ethernet", "ports/1/rate": "100 Gb/sec (4X EDR)", "ports/1/gid_attrs/ndevs/0": "played0"}
FAULT_NO_REFUSAL = "7"
HOST = os.uname().nodename
PRIVATE = ["10.1.2.3", "fe80::bace:f6ff:fe12:3456", "2001:db8:0:1:2:3:4:5", "::ffff:192.0.2.7", "b8:ce:f6:12:34:56", "b8ce:f603:0012:3456", "0xb8cef60300123456",
           "b8cef60300123456", "fe80:0000:0000:0000:bace:f6ff:fe12:3456", "rdmareg://10.1.2.3:7,[2001:db8::9]:7/4?0123456789abcdef0123456789abcdef",
           "fedcba9876543210fedcba9876543210", f"{HOST}.example.net"]
PUBLIC = "mlx5_core 0000:81:00.0: 16.35.4030 at 17:26:55, 4.5000000000000001 of 100 GB, rdmareg-keeper"
# What nothing in an archive may look like, whoever wrote it there.
SECRET = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|rdmareg://|\b\w{4}(?::\w{4}){3}\b|\b\w\w(?::\w\w){5}\b|fe80:|2001:db8:|cef60300|[0-9a-f]{32}\b|"
                    rf"(?<![\w.-]){re.escape(HOST)}(?![\w-])", re.I)


def make_sysfs(root):
    device = root / "infiniband/fake0"
    for name, text in MLX5.items():
        (device / name).parent.mkdir(parents=True, exist_ok=True)
        (device / name).write_text(text + "\n", encoding="ascii")
    pci, driver = root / "pci/0000:81:00.0", root / "drivers/mlx5_core"
    pci.mkdir(parents=True)
    driver.mkdir(parents=True)
    (pci / "vendor").write_text("0x15b3\n", encoding="ascii")
    (pci / "driver").symlink_to("../../drivers/mlx5_core")
    (device / "device").symlink_to("../../pci/0000:81:00.0")
    (root / "net/played0").mkdir(parents=True)
    (root / "net/played0/mtu").write_text("9000\n", encoding="ascii")


def running(root):
    """Command lines of the processes that were started with a file of the kit's, and see the /tmp of this test."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            if b"rdmareg-kit." in words and root.name in (path / "mountinfo").read_text(encoding="utf-8", errors="replace"):
                found.append(words)
        except OSError:
            continue
    return found


class Place:
    """A directory of the test's, where the kit sees the played adapter in /sys/class."""
    def __init__(self, root):
        self.root, self.sysfs, self.data = pathlib.Path(root), pathlib.Path(root) / "class", pathlib.Path(root) / "data"
        self.data.mkdir()
        (self.root / "tmp").mkdir()
        make_sysfs(self.sysfs)

    def start(self, *options, fault=""):
        words = [sys.executable, "-B", KIT, "--build", BUILD, "--directory", self.data, *(w for p in PLAYED for w in ("--program", p)), *options]
        environment = {**os.environ, **({"RDMAREG_PLAYED_FAULT": fault} if fault else {})}
        world = f'mount --bind "{self.sysfs}" /sys/class && mount --bind "{self.root}/tmp" /tmp && exec "$@"'
        return subprocess.Popen(["unshare", "--mount", "sh", "-c", world, "sh", *words], cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *options, status, fault=""):
        process = self.start(*options, fault=fault)
        text = process.communicate()[0]
        print(text)
        assert process.returncode == status, f"{options}: ends with {process.returncode}, and not {status}"
        self.nothing_left()
        return text

    def nothing_left(self):
        """No file of the kit's but the reports, and no process that has one open or was started with one."""
        assert not [*self.data.iterdir()], f"left: {[*self.data.iterdir()]}"
        assert not [*(self.root / "tmp").iterdir()], f"left: {[*(self.root / 'tmp').iterdir()]}"
        assert not running(self.root), f"left running: {running(self.root)}"

    def nothing_private(self, name):
        with tarfile.open(f"{self.root / name}.tar.gz") as tar:
            for part in filter(tarfile.TarInfo.isfile, tar):
                text = tar.extractfile(part).read().decode()
                found = [] if part.name.endswith("/SHA256SUMS") else SECRET.findall(text)
                assert not found, f"{part.name} has {found}"

    def report(self, name):
        out = self.root / name
        subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=out, check=True)
        named = {line.split("  ")[1] for line in (out / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
        there = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
        assert named == there - {"SHA256SUMS"}, f"{named ^ there}"
        listed = subprocess.run(["tar", "-tzf", f"{out}.tar.gz"], capture_output=True, text=True, check=True).stdout
        assert f"{name}/report.txt" in listed
        told = json.loads((out / "report.json").read_text(encoding="utf-8"))
        text = (out / "report.txt").read_text(encoding="utf-8")
        self.nothing_private(name)
        return {step["step"].split()[0]: step for step in told["steps"]}, told, text


def verdicts(steps):
    return {name: step["verdict"] for name, step in steps.items()}


def without_yes(place):
    text = place.run(status=0)
    assert "Nothing was done." in text and "opens the adapter" in text and "P5" in text
    assert not list(place.root.glob("rdmareg-hardware-*")), "a report without --yes"
    text = place.run("--device", "nothing0", "--build", "/nowhere", status=77)
    assert "no RDMA device nothing0" in text and "meson setup -Dtests=true" in text, "the adapter is missing, whatever else is"
    assert "rdmareg-selftest is not there" not in text and ("not installed" not in text or "rdmareg-dkms" in text)


def whole(place):
    place.run("--yes", "--quick", "--address", "127.0.0.1", "--out", "whole", "--signed-off", "A. Tester", status=1)
    steps, told, text = place.report("whole")
    got = verdicts(steps)
    assert got["selftest"] == got["P8"] == got["P9"] == "ok", got
    assert got["P1"] == got["P2"] == got["transfer"] == "failed", got
    assert got["P4"] == got["P5"] == got["P6"] == got["wire"] == got["lab"] == "not run", got
    assert all(step["text"] for step in steps.values())
    for fact in ("mlx5_core", "16.35.4030", "MT4119", "0x15b3", "A. Tester", "it has no quirks", "100 Gb/sec", "9000"):
        assert fact in text, fact
    assert {row[0] for row in told["rows"]} >= {"P8", "P9"} and "p8.svg" in told["pictures"]
    assert told["made"]["left behind"] == "nothing"


def unusable(place):
    place.run("--yes", "--quick", "--address", "127.0.0.1", "--out", "unusable", status=1, fault=FAULT_NO_REFUSAL)
    steps, told, _ = place.report("unusable")
    assert verdicts(steps)["selftest"] == "failed" and not told["selftest"]["usable"]
    for name in ("transfer", "P1", "P2", "P10"):
        assert "did not pass its self-test" in steps[name]["text"], steps[name]


def private(place):
    """A program that prints names, addresses and tickets, as rows, in its log and in the line that is told of its failure."""
    words = "\n".join(f"says: {word}, '{word}' ({word})." for word in PRIVATE)
    program = play(place, "bench-p8-registry", f"cat <<'END'\nP8\t{PRIVATE[0]}\t{HOST}\n{words}\nEND\ncat >&2 <<'END'\n{PUBLIC}\n{words}\npeer {' '.join(PRIVATE)}: gone\nEND\nexit 1")
    place.run("--yes", "--only", "p8", *program, "--out", "private", status=1)
    steps, _, _ = place.report("private")
    assert "gone" in steps["P8"]["text"], steps["P8"]
    assert PUBLIC in (place.root / "private/logs/P8.log").read_text(encoding="utf-8"), "more is taken out than names"


def play(place, name, text):
    """--program for a program of the kit's, in whose place a shell script runs. Its working directory is the reports'."""
    program = place.root / f"played-{name}"
    program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    program.chmod(0o755)
    return ["--program", f"{name}={program}"]


def distrusted(place):
    """Where others could put a link in the way of root nothing is made, nor where something is."""
    theirs, everybodys, groups, sticky = (place.root / name for name in ("theirs", "everybodys", "groups", "sticky"))
    for path, mode in ((theirs, 0o755), (everybodys, 0o777), (groups, 0o775), (sticky, 0o1777)):
        (path / "inner").mkdir(parents=True)
        path.chmod(mode)
    os.chown(theirs, 65534, 65534)
    link = place.root / "link"
    link.symlink_to(theirs / "inner")
    begin = ("--yes", "--quick", "--address", "127.0.0.1", "--only", "p8")
    for path, why in ((theirs, "belongs to user 65534"), (theirs / "inner", "belongs to user 65534"), (link, f"{theirs} belongs to user 65534"),
                      (everybodys, "others may write"), (everybodys / "inner", "others may write"), (groups, "others may write"),
                      (place.data, "is the same directory as"), (place.root / "data/../data", "is the same directory as")):
        assert why in place.run(*begin, "--out", "distrusted", "--directory", path, status=2), path
        assert not [*(theirs / "inner").iterdir(), *(everybodys / "inner").iterdir()] and not (place.root / "distrusted").exists()
    place.run("--directory", sticky, "--directory", sticky / "inner", status=0)

    victim, archive = place.root / "victim", place.root / "taken.tar.gz"
    victim.write_text("as it was", encoding="ascii")
    archive.symlink_to(victim)
    for out, why in (("taken", "taken.tar.gz exists"), ("data", "data exists"), (theirs / "report", "belongs to user 65534"),
                     (everybodys / "report", "others may write"), ("missing/report", "there is no directory")):
        assert why in place.run(*begin, "--out", out, status=2), out
    late = play(place, "bench-p8-registry", f"ln -s {victim} late.tar.gz")
    assert "There is no archive of it" in place.run(*begin, *late, "--out", "late", status=1)
    assert victim.read_text(encoding="ascii") == "as it was" and (place.root / "late/report.txt").exists()

    # who owns the directory of a link turns it while the kit runs
    safe, turned, evil = place.root / "safe", theirs / "turned", theirs / "evil"
    safe.mkdir()
    (evil / "report").mkdir(parents=True)
    (evil / "report/report.txt").symlink_to(victim)
    turned.symlink_to(safe)
    place.run(*begin, *play(place, "bench-p8-registry", f"ln -sfn {evil} {turned}"), "--out", turned / "report", status=0)
    assert turned.resolve() == evil and victim.read_text(encoding="ascii") == "as it was"
    assert (safe / "report/report.txt").exists() and [path.name for path in (evil / "report").iterdir()] == ["report.txt"]


def for_root_alone(place):
    """There are tickets in what the kit has while it runs."""
    program = play(place, "bench-p9-populate", """
        scratch=${DBUS_SYSTEM_BUS_ADDRESS#unix:path=}
        [ -s "${scratch%/bus}/said" ] || exit 2
        find "${scratch%/bus}" -type f -perm /0066 ! -path '*/quirks/*' | grep . && exit 3
        printf 'P9\\there\\twhat\\t1\\t-\\t-\\t1\\tms\\t-\\n'""")
    place.run("--yes", "--quick", "--address", "127.0.0.1", "--only", "transfer", "--only", "p9", *program, "--out", "private-files", status=1)
    assert verdicts(place.report("private-files")[0])["P9"] == "ok"
    for path in [place.root / "private-files", *(place.root / "private-files").rglob("*"), place.root / "private-files.tar.gz"]:
        assert not path.stat().st_mode & 0o077, path


def torn(place):
    """Whatever is in the files that the steps leave, there is a report, and the next step is run."""
    for number, findings in enumerate(('{"device": "fake0", "usab', "[1]", 20000 * "[", '{"device": "fake0", "usable": true, "reason": "", "checks": [7]}')):
        program = play(place, "rdmareg-selftest", f"echo '{findings}'")
        place.run("--yes", "--quick", "--only", "selftest", "--only", "p8", *program, "--out", f"torn-{number}", status=1)
        steps, told, text = place.report(f"torn-{number}")
        assert verdicts(steps)["selftest"] == "failed" and verdicts(steps)["P8"] == "ok" and told["selftest"] is None, steps
        assert told["made"]["ended early"] == "no" and "there are no findings of it" in text
    program = play(place, "bench-p8-registry", """printf '{"step": "P8", "ver' >>torn/steps.jsonl; printf 'P8\\twhole\\tw\\t1\\t-\\t-\\t1\\tms\\t-\\nP8\\tha'""")
    place.run("--yes", "--quick", "--only", "p8", *program, "--out", "torn", status=1)
    steps, told, _ = place.report("torn")
    assert steps["P8"]["text"] == "it did not end" and [row[1] for row in told["rows"]] == ["whole"], told


def kernel_log(place):
    """What the kernel said since the beginning, however much it keeps, and what it forgot is told."""
    kmsg = place.root / "kmsg"
    kmsg.write_text("6,1,1000000,-;rdma: before\n", encoding="ascii")
    program = play(place, "bench-p8-registry", "printf '4,9,2000000,-;rdma: during\\n SUBSYSTEM=rdma\\n6,10,2000001,-;of others\\n' >>kmsg")
    place.run("--yes", "--quick", "--only", "p8", *program, "--kernel-log", kmsg, "--out", "log", status=0)
    assert place.report("log")[1]["kernel_log"] == ["[    2.000000] rdma: during"]
    place.run("--yes", "--quick", "--only", "p8", *program, "--kernel-log", place.root / "nothing", "--out", "no-log", status=0)
    assert "cannot be read" in place.report("no-log")[1]["kernel_log"][0]

    def read(_fd, _size, answers=iter((BrokenPipeError, b"6,500,3000000,c;rdma: after\n", BlockingIOError))):
        answer = next(answers)
        if isinstance(answer, bytes):
            return answer
        raise answer
    said = machine.KernelLog(kmsg, read).said(["rdma"])
    assert len(said) == 2 and "are missing" in said[0] and said[1] == "[    3.000000] rdma: after", said


def started(place, out):
    process = place.start("--yes", "--address", "127.0.0.1", "--only", "p8", "--only", "p9", "--out", out)
    while not (place.root / out / "steps.jsonl").exists():
        assert process.poll() is None, "it does not begin"
        os.sched_yield()
    return process


def interrupted(place):
    process = started(place, "early")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 1
    place.nothing_left()
    steps, told, _ = place.report("early")
    assert told["made"]["ended early"] == "ended by SIGTERM"
    assert steps["P8"]["text"] == "it did not end" and steps["P9"]["text"] == "the run ended before", steps


def killed(place):
    """Nothing can clear up then, but nothing goes on."""
    process = started(place, "killed")
    process.kill()
    process.wait()
    while running(place.root):
        os.sched_yield()
    process.communicate()
    for path in [*place.data.iterdir(), *(place.root / "tmp").iterdir()]:
        shutil.rmtree(path)


if os.geteuid() != 0:
    sys.exit(77)  # it makes name spaces, and shows the kit another /sys
with tempfile.TemporaryDirectory(prefix="kit-", dir="/var/tmp") as directory:
    the_place = Place(directory)
    for part in (without_yes, distrusted, whole, unusable, private, for_root_alone, torn, kernel_log, interrupted, killed):
        print(f"-- {part.__name__}", flush=True)
        part(the_place)
