#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# prometheus.py RULES - Debian's Prometheus scrapes rdmaregd, in the world that test-documents.c made, in both ways of docs/metrics.md:
# through a TCP socket that is passed on to the daemon's, and from node_exporter, which reads the file that rdmareg-metrics.service writes. It
# asks the former for OpenMetrics, takes every metric with its type, has the same series from both, and evaluates every alert without an error.
#
# Skipped (77) where Prometheus or node_exporter is not installed.
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

WORLD = pathlib.Path(os.environ["RDMAREG_WORLD"])
RULES = pathlib.Path(sys.argv[1])
SERVICE = pathlib.Path(__file__).resolve().parents[2] / "systemd/rdmareg-metrics.service.in"
PATIENCE = 120
GENERIC = ("gauge", "counter", "histogram")


class PassOn(socketserver.StreamRequestHandler):
    """What systemd-socket-proxyd does."""
    def handle(self):
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(WORLD / "run/metrics"))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.rfile.readline()
            inner.sendall(head)
            while data := inner.recv(65536):
                self.wfile.write(data)


def start(name, *arguments):
    with open(WORLD / f"{name}.log", "w", encoding="utf-8") as log:
        return subprocess.Popen([name, *arguments, "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log)


def listening(name):
    """The port that it chose, as it says."""
    found = re.search(r'Listening on" address=127\.0\.0\.1:(\d+)', (WORLD / f"{name}.log").read_text(encoding="utf-8"))
    return int(found.group(1)) if found else None


def ask(path, **query):
    connection = http.client.HTTPConnection("127.0.0.1", listening("prometheus"), timeout=PATIENCE)
    connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
    return json.loads(connection.getresponse().read())["data"]


def until(what, condition, pause=threading.Event()):
    begin = time.monotonic()
    while True:
        try:
            if found := condition():
                return found
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            pass  # it does not listen yet, or is not ready
        if time.monotonic() - begin > PATIENCE:
            sys.exit(f"not in time: {what}\n" + "".join(log.read_text(encoding="utf-8") for log in WORLD.glob("*.log")))
        pause.wait(0.05)


def write_for_node_exporter():
    """As rdmareg-metrics.service does it, at another place. Returns the place: node_exporter would look at that of the service."""
    command = re.search(r"^ExecStart=@bindir@/rdmaregctl (.*) (/.*)/(.*)$", SERVICE.read_text(encoding="utf-8"), re.M)
    said = subprocess.run(["prometheus-node-exporter", "--help"], check=True, capture_output=True, text=True)
    assert f'--collector.textfile.directory="{command.group(2)}"' in said.stdout + said.stderr
    folder = WORLD / "textfile"
    folder.mkdir()
    subprocess.run([os.environ["RDMAREGCTL"], *command.group(1).split(), folder / command.group(3), *SOCKET], check=True)
    return folder


def kinds_of(job):
    return {what["metric"]: what["type"] for what in ask("targets/metadata", match_target=f'{{job="{job}"}}') if what["metric"].startswith("rdmareg_")}


def series_of(job):
    """Without what a scrape adds to each."""
    found = [result["metric"] for result in ask("query", query=f'{{__name__=~"rdmareg_.*",job="{job}"}}')["result"]]
    return {tuple(sorted((name, value) for name, value in one.items() if name not in ("job", "instance"))) for one in found}


def evaluated():
    rules = ask("rules")["groups"][0]["rules"]
    return rules if all(rule["health"] != "unknown" for rule in rules) else None


if not shutil.which("prometheus") or not shutil.which("prometheus-node-exporter"):
    os._exit(77)
SOCKET = ["--socket", str(WORLD / "run/metrics")]
proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), PassOn)
proxy.daemon_threads = True
threading.Thread(target=proxy.serve_forever, daemon=True).start()
started = [start("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                 f"--collector.textfile.directory={write_for_node_exporter()}")]
try:
    until("node_exporter listens", lambda: listening("prometheus-node-exporter"))
    config = WORLD / "prometheus.yml"
    config.write_text(f"""
global: {{scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 3s}}
rule_files: ["{RULES}"]
scrape_configs:
  - job_name: socket
    static_configs: [{{targets: ["127.0.0.1:{proxy.server_address[1]}"]}}]
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{listening('prometheus-node-exporter')}"]}}]
""", encoding="utf-8")
    started.append(start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={WORLD}/prometheus"))
    until("scrapes", lambda: len(ask("query", query="rdmareg_build_info")["result"]) == 2)
    kinds = until("what the metrics are", lambda: kinds_of("socket"))
    # as OpenMetrics names them: with the text format it would be rdmareg_revocations_total
    assert kinds["rdmareg_revocations"] == "counter", kinds
    assert kinds["rdmareg_fence_seconds"] == "histogram" and kinds["rdmareg_regions"] == "gauge", kinds
    assert all(kind in GENERIC for kind in kinds.values()), kinds
    page = subprocess.run([os.environ["RDMAREGCTL"], "metrics", "--openmetrics", *SOCKET], check=True, capture_output=True, text=True).stdout
    assert {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")} == set(kinds)
    until("scrapes without an error", lambda: all(t["health"] == "up" and not t["lastError"] for t in ask("targets")["activeTargets"]))
    # by way of node_exporter as well
    assert ask("query", query="node_textfile_scrape_error")["result"][0]["value"][1] == "0"
    until("the same series in both ways", lambda: series_of("node") == series_of("socket"))
    kinds = until("what the metrics of node_exporter are", lambda: kinds_of("node"))
    assert kinds["rdmareg_revocations_total"] == "counter" and kinds["rdmareg_fence_seconds"] == "histogram", kinds
    rules = until("alerts that were evaluated", evaluated)
    assert len(rules) == RULES.read_text(encoding="utf-8").count("- alert:")
    for rule in rules:
        assert rule["health"] == "ok", rule
finally:
    for process in started:
        process.kill()
        process.wait()
    proxy.shutdown()
