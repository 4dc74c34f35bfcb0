#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# prometheus.py - Debian's Prometheus scrapes rdmaregd, in the world that test-documents.c made, through a TCP socket that is passed on to the
# daemon's, as docs/metrics.md has it. It asks for OpenMetrics, takes every metric with its type, and evaluates every alert without an error.
#
# Skipped (77) where Prometheus is not installed.
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


def listening():
    """The port that it chose, as it says."""
    found = re.search(r'Listening on" address=127\.0\.0\.1:(\d+)', (WORLD / "prometheus.log").read_text(encoding="utf-8"))
    return int(found.group(1)) if found else None


def ask(port, path, **query):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
    return json.loads(connection.getresponse().read())["data"]


def until(what, condition, pause):
    begin = time.monotonic()
    while True:
        try:
            if found := condition():
                return found
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            pass  # it does not listen yet, or is not ready
        if time.monotonic() - begin > PATIENCE:
            sys.exit(f"not in time: {what}\n{(WORLD / 'prometheus.log').read_text()}")
        pause.wait(0.05)


def evaluated(port):
    rules = ask(port, "rules")["groups"][0]["rules"]
    return rules if all(rule["health"] != "unknown" for rule in rules) else None


if not shutil.which("prometheus"):
    os._exit(77)
proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), PassOn)
proxy.daemon_threads = True
threading.Thread(target=proxy.serve_forever, daemon=True).start()
config = WORLD / "prometheus.yml"
config.write_text(f"""
global: {{scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 3s}}
rule_files: ["{RULES}"]
scrape_configs:
  - job_name: rdmareg
    static_configs: [{{targets: ["127.0.0.1:{proxy.server_address[1]}"]}}]
""")
log = open(WORLD / "prometheus.log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
prometheus = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={WORLD}/prometheus",  # pylint: disable=R1732
                               "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log)
pause = threading.Event()
try:
    port = until("a port", listening, pause)
    until("a scrape", lambda: ask(port, "query", query="rdmareg_build_info")["result"], pause)
    metadata = until("what the metrics are", lambda: ask(port, "metadata"), pause)
    kinds = {name: what[0]["type"] for name, what in metadata.items() if name.startswith("rdmareg_")}
    # as OpenMetrics names them: with the text format it would be rdmareg_revocations_total
    assert kinds["rdmareg_revocations"] == "counter", kinds
    assert kinds["rdmareg_fence_seconds"] == "histogram" and kinds["rdmareg_regions"] == "gauge", kinds
    assert all(kind in GENERIC for kind in kinds.values()), kinds
    page = subprocess.run([os.environ["RDMAREGCTL"], "metrics", "--openmetrics", "--socket", str(WORLD / "run/metrics")], check=True,
                          capture_output=True, text=True).stdout
    assert {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")} == set(kinds)
    until("a scrape without an error", lambda: [t for t in ask(port, "targets")["activeTargets"] if t["health"] == "up" and not t["lastError"]], pause)
    rules = until("alerts that were evaluated", lambda: evaluated(port), pause)
    assert len(rules) == RULES.read_text(encoding="utf-8").count("- alert:")
    for rule in rules:
        assert rule["health"] == "ok", rule
finally:
    prometheus.kill()
    prometheus.wait()
    proxy.shutdown()
