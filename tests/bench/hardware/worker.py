# SPDX-License-Identifier: GPL-2.0-or-later
"""worker.py OUT SCRATCH - carries out a plan of the hardware kit (OUT/plan.json), in the name space that hardware.py made for it.

What always holds: a line for each step that began or ended is in OUT/steps.jsonl at once, so that what was found is there whatever happens
next; a step that fails or takes too long is told, and the next one is run."""
import json
import os
import pathlib
import sys
import time

import plan
import report
import tries
from world import Failed, Programs, World


class Worker:
    def __init__(self, out, scratch):
        self.out, self.orders = out, json.loads((out / "orders.json").read_text(encoding="utf-8"))
        o = self.orders
        self.programs = Programs(o["build"] and pathlib.Path(o["build"]), pathlib.Path(o["libexec"]), pathlib.Path(o["bindir"]), o["replaced"])
        self.world = World(self.programs, scratch, out / "logs", time.monotonic() + o["seconds"])
        self.steps, self.refused, self.begun = plan.load(out / "plan.json"), "", False

    def tell(self, step, verdict, text):
        with open(self.out / "steps.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step.name, "verdict": verdict, "text": text}) + "\n")
        if verdict != "begun":
            print(f"{verdict:8} {step.name}: {text}".encode(errors="backslashreplace").decode(), flush=True)

    def selftest(self, _step):
        """What it finds is obeyed by the kit's own keepers, and kept nowhere else."""
        with open(self.out / "selftest.json", "wb") as output:
            status = self.world.run("rdmareg-selftest", "--json", "--cache", self.world.quirks(), "--directory", self.orders["directory"][0] if self.orders["directory"] else "-",
                                    "--", self.orders["device"], seconds=900, output=output)
        found = report.read_selftest(self.out)
        if status != 0 or not found:
            reason = found["reason"] if found else f"it ends with {status} and has no findings: {self.world.last_line('rdmareg-selftest')}"
            self.refused = f"the adapter did not pass its self-test: {reason}"
            raise Failed(reason)
        return found["reason"]

    def scenario(self, step):
        place = pathlib.Path(self.orders["places"][step.place])
        return tries.ALL[step.name.split()[0]](self.world, place)

    def figure(self, step):
        """Its rows, also those before it failed."""
        rows = self.out / "rows.tsv"
        before = rows.stat().st_size if rows.exists() else 0
        for program, *arguments in step.commands:
            places = [self.orders["places"].get(word, word) for word in arguments]
            try:
                with open(rows, "ab") as output:
                    status = self.world.run(program, *places, seconds=step.seconds, output=output, log=step.name)
            finally:  # the last row of one that was ended may be half of one
                os.truncate(rows, rows.read_bytes().rfind(b"\n") + 1)
            if status:
                raise Failed(f"{program} ends with {status}: {self.world.last_line(step.name)}")
        return f"{rows.read_bytes()[before:].count(10)} rows"

    def prepare(self, step):
        """With the first step that takes an rdmaregd it is started, and again where it has died."""
        if step.kind() == "self-test" or step.name in ("P4", "P8"):
            return
        try:
            if not self.begun:
                self.begun = True
                self.world.begin(self.orders["address"])
            elif self.world.daemon.poll() is not None:
                self.world.start_daemon()
        except Exception as e:
            self.refused = f"the kit's rdmaregd does not run: {e}"
            raise

    def run(self, step):
        late = "the time for all is over (--minutes)" if time.monotonic() > self.world.end - 5 else ""
        why_not = step.why_not or late or (self.refused if step.name not in ("P4", "P8") else "")
        if why_not:
            self.tell(step, "not run", why_not)
            return
        self.tell(step, "begun", "")
        try:
            self.prepare(step)
            text = {"self-test": self.selftest, "scenario": self.scenario, "figure": self.figure}[step.kind()](step)
            self.tell(step, "ok", text)
        except Failed as e:
            self.tell(step, "failed", str(e))
        except Exception as e:  # pylint: disable=broad-exception-caught # of whatever a program said or the machine did: the next step is run
            self.tell(step, "failed", f"{type(e).__name__}: {e}")
        self.world.tidy()

    def main(self):
        # the first to be ended should memory become short
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        try:
            for step in self.steps:
                self.run(step)
        finally:
            self.world.end_all()


if __name__ == "__main__":
    Worker(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).main()
