# SPDX-License-Identifier: GPL-2.0-or-later
"""machine.py - what a machine is, for the hardware kit: kernel, rdma-core, module, RDMA adapters and what they say of themselves.

What always holds: it only reads, from sysfs, /proc and programs that print; what cannot be read is left out. Nothing is told that names the
machine or its place in a network: no host name, no address, no GUID, no serial number."""
import json
import os
import pathlib
import re
import shutil
import subprocess

NODE = os.uname().nodename
# What names a machine, by kind. Lengths and forms are those of the whole word: times, PCI addresses, versions and numbers stay.
PRIVATE = re.compile(
    r"""(?P<ticket>rdmareg://[^\s"'<>]+ | (?<!\w)[0-9a-f]{32}(?!\w))
    | (?P<guid>(?<![\w:])(?:[0-9a-f]{4}:){3,7}[0-9a-f]{4}(?![\w:]) | (?<!\w)0x[0-9a-f]{16}(?!\w) | (?<!\w)(?=\d*[a-f])[0-9a-f]{16}(?!\w))
    | (?P<address>(?<![\w:])(?:[0-9a-f]{2}:){5,}[0-9a-f]{2}(?!\w)
        | (?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?!\w)
        | (?<![\w:])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*(?:\.\d{1,3}){0,3})?(?!\w)
        | (?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d))"""
    + rf"| (?P<host>(?<![\w.-])(?:{re.escape(NODE)}|{re.escape(NODE.split('.')[0])})(?:\.[a-z][\w-]*)*(?![\w-]))", re.I | re.X)


def first_line(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace").strip().split("\n")[0]
    except OSError:
        return ""


def printed(*argv):
    """What a program prints, or nothing: it may not be there, fail or take too long."""
    try:
        run = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def version_of_rdma_core():
    return printed("dpkg-query", "-W", "-f", "${Version}", "libibverbs1") or printed("rpm", "-q", "libibverbs") or "unknown"


class Adapter:
    """One RDMA device, by what sysfs says of it and of its first port that is up, or else of the first."""
    def __init__(self, sysfs, name):
        base = sysfs / "class/infiniband" / name
        self.name, self.netdev = name, ""
        device = base / "device"
        self.driver = os.path.basename(os.path.realpath(device / "driver")) if (device / "driver").exists() else "in software"
        self.facts = [("device", name), ("driver", self.driver), ("firmware", first_line(base / "fw_ver") or "none"),
                      ("board", first_line(base / "board_id")), ("type", first_line(base / "hca_type"))]
        identity = [first_line(device / part) for part in ("vendor", "device", "subsystem_vendor", "subsystem_device")]
        self.facts += [("PCI identity", " ".join(filter(None, identity))), ("NUMA node", first_line(device / "numa_node")),
                       ("PCIe link", " x".join(filter(None, (first_line(device / "current_link_speed"), first_line(device / "current_link_width")))))]
        ports = sorted((base / "ports").glob("[0-9]*"), key=lambda port: (not self.is_up(port), port.name))
        self.up = bool(ports) and self.is_up(ports[0])
        for port in ports[:1]:
            self.netdev = first_line(port / "gid_attrs/ndevs/0")
            self.facts += [("port", f"{port.name} of {len(ports)}"), ("state", first_line(port / "state")), ("link", first_line(port / "link_layer")),
                           ("rate", first_line(port / "rate")), ("interface MTU", first_line(sysfs / "class/net" / self.netdev / "mtu") if self.netdev else "")]
        self.facts = [(key, value) for key, value in self.facts if value]

    @staticmethod
    def is_up(port):
        return "ACTIVE" in first_line(port / "state")

    def address(self):
        """An IPv4 address of its network interface; None if there is none, or ip(8) is not there to tell."""
        text = printed("ip", "-json", "-4", "address", "show", "dev", self.netdev) if self.netdev else ""
        found = [a["local"] for link in json.loads(text or "[]") for a in link.get("addr_info", []) if a.get("local")]
        return found[0] if found else None

    def paging(self):
        """[(key, value)]: on-demand paging as ibv_devinfo prints it, by transport."""
        text, facts, transport = printed("ibv_devinfo", "-v", "-d", self.name), [], None
        for line in text.splitlines():
            word = line.strip().rstrip(":")
            if word.endswith("_odp_caps") or word == "general_odp_caps":
                transport = word
                facts.append((transport, ""))
            elif transport and re.fullmatch(r"(?:\w*SUPPORT\w*|NO SUPPORT)", word.strip()):
                facts[-1] = (transport, " ".join(filter(None, (facts[-1][1], word.strip()))))
            else:
                transport = None
        return facts


class Machine:
    """All of it. @sysfs: /sys, but for tests."""
    def __init__(self, sysfs="/sys"):
        self.sysfs = pathlib.Path(sysfs)
        self.adapters = [Adapter(self.sysfs, path.name) for path in sorted((self.sysfs / "class/infiniband").glob("*"))]

    def facts(self):
        release = re.search(r'^PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.M)
        model = re.search(r"^model name.*?: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
        return [(key, value) for key, value in (
            ("kernel", os.uname().release), ("architecture", os.uname().machine), ("system", release.group(1) if release else ""),
            ("tainted", first_line("/proc/sys/kernel/tainted")), ("rdma-core", version_of_rdma_core()),
            ("processors", f"{os.cpu_count()}, {model.group(1) if model else 'unknown'}"), ("memory", f"{memory_bytes('MemTotal') >> 20} MiB"),
            ("virtual", printed("systemd-detect-virt") or "not known to be"), ("module rdmareg", self.module())) if value]

    def module(self):
        if (self.sysfs / "module/rdmareg").is_dir():
            return "loaded"
        return "can be loaded" if printed("modinfo", "-F", "filename", "rdmareg") else "not installed for this kernel"


def memory_bytes(key):
    found = re.search(rf"^{key}:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"), re.M)
    return int(found.group(1)) * 1024 if found else 0


def filesystem_of(place):
    """The type of what is mounted there; the last one where several lie on each other."""
    place, best = os.path.realpath(place) + "/", ("", "unknown")
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        point, kind = line.split(" ")[1:3]
        point = point.replace("\\040", " ").rstrip("/") + "/"
        if place.startswith(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def disk_of(place):
    """The name below /sys/block that the file system writes to; "-" where that is not one disk."""
    number = os.stat(place).st_dev
    path = pathlib.Path(os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"))
    disk = path.parent if (path / "partition").exists() else path
    return disk.name if pathlib.Path("/sys/block", disk.name, "stat").exists() else "-"


class KernelLog:
    """What the kernel says from now on. The descriptor stands behind the last record of now, so that it does not matter how many of them are kept."""
    RECORD = re.compile(r"\d+,\d+,(\d+),[^;]*;(.*)")  # priority, sequence, microseconds, flags; a line that begins with a blank says more of it

    def __init__(self, path="/dev/kmsg", read=os.read):
        self.read, self.fd, self.trouble = read, -1, ""
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self.fd, 0, os.SEEK_END)
        except OSError as e:
            self.trouble = f"the kernel's log cannot be read: {e.strerror}"

    def said(self, words):
        """Lines with one of the words, as dmesg(1) prints them; before them, why some may be missing."""
        lines, record = [], b"-"
        while record and self.fd >= 0:
            try:
                record = self.read(self.fd, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:  # the next read has the oldest record that is left
                self.trouble = "the kernel said more than its log keeps: the oldest lines are missing"
                continue
            except OSError as e:
                self.trouble = f"the kernel's log cannot be read on: {e.strerror}"
                break
            for found in filter(None, map(self.RECORD.match, record.decode("utf-8", errors="replace").splitlines())):
                if any(word in found.group(2) for word in words):
                    lines.append(f"[{int(found.group(1)) / 1e6:12.6f}] {found.group(2)}")
        return [self.trouble, *lines] if self.trouble else lines


def without_names(value):
    """The same, text or what JSON has, with the kind in the place of each name of a machine: [host], [address], [guid], [ticket]."""
    if isinstance(value, str):
        return PRIVATE.sub(lambda found: f"[{found.lastgroup}]", value)
    if isinstance(value, dict):
        return {key: without_names(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_names(part) for part in value]
    return value
