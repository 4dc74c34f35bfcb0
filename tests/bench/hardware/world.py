# SPDX-License-Identifier: GPL-2.0-or-later
"""world.py - a message bus and an rdmaregd of the hardware kit's own, and its way to start programs.

What always holds: nothing here is the machine's: bus, runtime directory, records, findings and keepers are the kit's, below one directory, so
that an rdmaregd that is in service does not notice. Every program has a deadline and is killed with all that it started when that is over; one
that cannot be killed is left behind and told. The kit's processes are in a process id name space of their own and end with it. Files are for
root alone (hardware.py has the umask), but for what the keepers need, which have other user ids."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={0}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="root"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""
# The user ids are not those of an rdmaregd in service, whose processes are not to be seen from the kit's name space.
SETTINGS = """[keepers]
spawn = direct
keeper_uids = 65520-65533
listen_address = {1}
quirks_directory = {0}/quirks
"""


class Failed(Exception):
    """Something did not hold; the text says what."""


class TimeUp(Failed):
    """A program did not end in its time."""


class Programs:
    """Where the programs are: in a build, or installed. NAME: path, or None if it is not there."""
    LIBEXEC = {"rdmaregd": "daemon/arbiter", "rdmareg-keeper": "daemon/keeper", "rdmareg-gate": "daemon/gate", "rdmareg-selftest": "daemon/selftest"}

    def __init__(self, build, libexec, bindir, replaced):
        self.build, self.libexec, self.bindir, self.replaced = build, libexec, bindir, replaced

    def path(self, name):
        if name in self.replaced:
            places = [pathlib.Path(self.replaced[name])]
        elif self.build:
            folder = self.LIBEXEC.get(name) or ("client/ctl" if name == "rdmaregctl" else "tests/bench")
            places = [self.build / folder / name]
        else:
            places = [self.bindir / name, self.libexec / name, self.libexec / "tests" / name]
        return next((str(place) for place in places if os.access(place, os.X_OK)), None)


class World:
    """@place: a directory of the kit's own, on a filesystem that programs may be started from. @end: time.monotonic() when all has to be over."""
    def __init__(self, programs, place, logs, end):
        self.programs, self.place, self.logs, self.end = programs, pathlib.Path(place), pathlib.Path(logs), end
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.place}/bus", "RDMAREG_BENCH_PEER": "", "LC_ALL": "C.UTF-8"}
        self.running, self.writers, self.bus, self.daemon = [], [], None, None

    def start(self, name, *arguments, log=None, output=None, errors=None, stdin=subprocess.DEVNULL):
        """In the background, in a session of its own."""
        path = self.programs.path(name) or shutil.which(name)
        if not path:
            raise Failed(f"there is no program {name}")
        with open(self.logs / f"{log or name}.log", "ab") as told:
            process = subprocess.Popen([path, *map(str, arguments)], stdin=stdin, stdout=output or told, stderr=errors or told, env=self.environment,
                                       start_new_session=True)
        self.running.append(process)
        return process

    def finish(self, process, seconds):
        """Its exit status."""
        try:
            return process.wait(max(1.0, min(seconds, self.end - time.monotonic())))
        except subprocess.TimeoutExpired:
            left = "" if self.kill(process) else "; it cannot be killed, and is left behind"
            raise TimeUp(f"{os.path.basename(process.args[0])} takes longer than {seconds:.0f} s{left}") from None
        finally:
            if process in self.running:
                self.running.remove(process)

    @staticmethod
    def kill(process):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
            try:
                process.wait(5)
                return True
            except subprocess.TimeoutExpired:
                pass
        return False

    def run(self, name, *arguments, seconds=60, output=None, log=None):
        return self.finish(self.start(name, *arguments, output=output, log=log), seconds)

    def ctl(self, *arguments, seconds=60):
        """rdmaregctl, which has to succeed: what it prints as JSON."""
        path = self.place / "said"
        with open(path, "wb") as output:
            status = self.run("rdmaregctl", "--json", *arguments, seconds=seconds, output=output)
        if status:
            raise Failed(f"rdmaregctl {arguments[0]} ends with {status}: {self.last_line('rdmaregctl')}")
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if text.strip() else None

    def last_line(self, log):
        lines = (self.logs / f"{log}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it says nothing"

    def until(self, what, condition, seconds=60):
        """Polls, with a bound."""
        end = min(time.monotonic() + seconds, self.end)
        while not condition():
            if time.monotonic() >= end:
                raise Failed(f"not within {seconds} s: {what}")
            self.passes(0.05)

    def passes(self, seconds):
        """Some time, or until daemon or bus end."""
        try:
            (self.daemon or self.bus).wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def quirks(self):
        """The directory that the self-test writes its findings to, and keepers read."""
        path = self.place / "quirks"
        path.mkdir(exist_ok=True)
        path.chmod(0o711)
        return path

    def begin(self, address):
        """The keepers run under ids of their own, so their program must be where anybody may start it."""
        keeper = self.place / "rdmareg-keeper"
        shutil.copy(self.programs.path("rdmareg-keeper"), keeper)
        keeper.chmod(0o711)
        (self.place / "bus.conf").write_text(BUS.format(self.place), encoding="utf-8")
        (self.place / "rdmaregd.conf").write_text(SETTINGS.format(self.place, address), encoding="utf-8")
        self.quirks()
        self.bus = self.start("dbus-daemon", f"--config-file={self.place}/bus.conf", "--nofork", "--nopidfile", "--nosyslog")
        self.until("the message bus is there", (self.place / "bus").exists)
        self.start_daemon()

    def start_daemon(self):
        gate = self.programs.path("rdmareg-gate")
        # a keeper that wrote to a file could wait for the storage of that file
        log = self.start("cat", log="rdmaregd", stdin=subprocess.PIPE)
        self.daemon = self.start("rdmaregd", "--config", self.place / "rdmaregd.conf", "--bus-address", f"unix:path={self.place}/bus", "--runtime-dir",
                                 self.place / "r", "--state-dir", self.place / "state", "--keeper", self.place / "rdmareg-keeper", *(["--gate", gate] if gate else []), output=log.stdin, errors=log.stdin)
        log.stdin.close()
        self.writers.append(log)
        self.until("rdmaregd answers", self.answers)

    def answers(self):
        if self.daemon.poll() is not None:
            raise Failed(f"rdmaregd ends with {self.daemon.returncode}: {self.last_line('rdmaregd')}")
        return self.run("rdmaregctl", "list", log="start") == 0

    def end_daemon(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        self.finish(self.daemon, 20)

    def tidy(self):
        """After a step: its peers and regions are gone, whatever became of it."""
        for process in [p for p in self.running if p not in (self.daemon, self.bus, *self.writers)]:
            self.kill(process)
            self.running.remove(process)
        if self.daemon and self.daemon.poll() is None:
            try:
                for region in self.ctl("list") or []:
                    self.ctl("release", region["id"])
            except Exception as e:  # pylint: disable=broad-exception-caught # whatever the list said
                print(f"         tidying up: {type(e).__name__}: {e}", flush=True)

    def end_all(self):
        """What is left is ended with the name space."""
        for process in reversed(self.running):
            self.kill(process)
        self.running.clear()
