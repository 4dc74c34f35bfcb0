#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-kit.py - the hardware kit on a machine without an adapter: one is played, an mlx5 by what sysfs says (below), whose self-test is
# rdmareg-selftest over verbs that are played, with a keeper that needs none. So peers and the figures that open the device fail here, and
# what matters is that this is told, that everything else is measured, and that nothing is left, whichever way the kit ends.
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
import time

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


def running():
    """Command lines of the processes that were started with a file of the kit's."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return [words for words in found if b"rdmareg-kit." in words]


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
        text = process.communicate(timeout=240)[0]
        print(text)
        assert process.returncode == status, f"{options}: ends with {process.returncode}, and not {status}"
        self.nothing_left()
        return text

    def nothing_left(self):
        """No file of the kit's but the reports, and no process that has one open or was started with one."""
        assert not [*self.data.iterdir()], f"left: {[*self.data.iterdir()]}"
        assert not [*(self.root / "tmp").iterdir()], f"left: {[*(self.root / 'tmp').iterdir()]}"
        assert not running(), f"left running: {running()}"

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
    program = place.root / "prints-names"
    words = "\n".join(f"says: {word}, '{word}' ({word})." for word in PRIVATE)
    program.write_text(f"#!/bin/sh\ncat <<'END'\nP8\t{PRIVATE[0]}\t{HOST}\n{words}\nEND\ncat >&2 <<'END'\n{PUBLIC}\n{words}\npeer {' '.join(PRIVATE)}: gone\nEND\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    place.run("--yes", "--only", "p8", "--program", f"bench-p8-registry={program}", "--out", "private", status=1)
    steps, _, _ = place.report("private")
    assert "gone" in steps["P8"]["text"], steps["P8"]
    assert PUBLIC in (place.root / "private/logs/P8.log").read_text(encoding="utf-8"), "more is taken out than names"


def started(place, out):
    process = place.start("--yes", "--address", "127.0.0.1", "--only", "p8", "--only", "p9", "--out", out)
    end = time.monotonic() + 60
    while not (place.root / out / "steps.jsonl").exists():
        assert process.poll() is None and time.monotonic() < end, "it does not begin"
        os.sched_yield()
    return process


def interrupted(place):
    process = started(place, "early")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
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
    end = time.monotonic() + 60
    while running():
        assert time.monotonic() < end, f"goes on after the kit was killed: {running()}"
        os.sched_yield()
    process.communicate()
    for path in [*place.data.iterdir(), *(place.root / "tmp").iterdir()]:
        shutil.rmtree(path)


if os.geteuid() != 0:
    sys.exit(77)  # it makes name spaces, and shows the kit another /sys
with tempfile.TemporaryDirectory(prefix="kit-", dir="/var/tmp") as directory:
    the_place = Place(directory)
    for part in (without_yes, whole, unusable, private, interrupted, killed):
        print(f"-- {part.__name__}", flush=True)
        part(the_place)
