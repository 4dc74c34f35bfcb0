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
import signal
import subprocess
import sys
import tempfile
import time

BUILD, PLAYED = sys.argv[1], sys.argv[2:]
KIT = pathlib.Path(__file__).with_name("hardware.py")
MLX5 = {"fw_ver": "16.35.4030", "board_id": "MT_0000000080", "hca_type": "MT4119", "node_guid": "b8ce:f603:0012:3456",
        "ports/1/state": "4: ACTIVE", "ports/1/link_layer": "Ethernet", "ports/1/rate": "100 Gb/sec (4X EDR)", "ports/1/gid_attrs/ndevs/0": "played0"}
FAULT_NO_REFUSAL = "7"


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
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            assert b"rdmareg-kit." not in words, f"left running: {words}"

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
        assert "b8ce:f603" not in text + json.dumps(told), "a GUID is in the report"
        assert os.uname().nodename not in text.split() + json.dumps(told).split('"'), "the machine's name is in the report"
        return {step["step"].split()[0]: step for step in told["steps"]}, told, text


def verdicts(steps):
    return {name: step["verdict"] for name, step in steps.items()}


def without_yes(place):
    text = place.run(status=0)
    assert "Nothing was done." in text and "opens the adapter" in text and "P5" in text
    assert not list(place.root.glob("rdmareg-hardware-*")), "a report without --yes"
    assert "no RDMA device nothing0" in place.run("--device", "nothing0", status=77)


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


def interrupted(place):
    process = place.start("--yes", "--address", "127.0.0.1", "--only", "p8", "--only", "p9", "--out", "early")
    end = time.monotonic() + 60
    while not (place.root / "early/steps.jsonl").exists():
        assert process.poll() is None and time.monotonic() < end, "it does not begin"
        os.sched_yield()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 1
    place.nothing_left()
    steps, told, _ = place.report("early")
    assert told["made"]["ended early"] == "ended by SIGTERM"
    assert steps["P8"]["text"] == "it did not end" and steps["P9"]["text"] == "the run ended before", steps


if os.geteuid() != 0:
    sys.exit(77)  # it makes name spaces, and shows the kit another /sys
with tempfile.TemporaryDirectory(prefix="kit-", dir="/var/tmp") as directory:
    the_place = Place(directory)
    for part in (without_yes, whole, unusable, interrupted):
        print(f"-- {part.__name__}", flush=True)
        part(the_place)
