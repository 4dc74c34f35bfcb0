# SPDX-License-Identifier: GPL-2.0-or-later
"""tries.py - what the hardware kit tries with the real adapter besides the self-test: regions in use, over the adapter's own loop-back.

Each function takes the world and a directory, and returns a sentence, or raises Failed with what did not hold. What always holds: it works on
files of its own in that directory, which the caller removes; what it registered it releases, or its peers and the daemon do when they end."""
import json
import os
import pathlib
import signal
import time

import trust
from world import Failed

MIB = 1 << 20
PEER_SECONDS = 90


def require(holds, what):
    if not holds:
        raise Failed(what)


def new_file(directory, name, size, random=False):
    path = pathlib.Path(directory) / name
    path.unlink(missing_ok=True)
    with trust.create(path) as file:
        file.write(os.urandom(size) if random else bytes(size))
        os.fsync(file.fileno())
    return path


def region_of(world, region):
    return world.ctl("show", region["id"])


def ticket_of(world, region):
    """As rdmaregctl takes it; a command line is everybody's to read."""
    path = world.place / "ticket"
    path.write_text(region["ticket"] + "\n", encoding="ascii")
    return f"@{path}"


def start_peer(world, region, source, *options):
    """A peer that writes until it is stopped; what it says is in the file it returns."""
    said = world.place / f"peer-{region['id']}.json"
    with open(said, "wb") as output:
        peer = world.start("rdmaregctl", "--json", "put", source, ticket_of(world, region), "--repeat", "forever", "--timeline", *options, log="peer", output=output)
    world.until("the peer is connected", lambda: region_of(world, region)["peers"] == 1 or peer.poll() is not None)
    require(peer.poll() is None, f"the peer ends at once: {world.last_line('peer')}")
    return peer, said


def end_peer(world, peer, said):
    """Its summary. It ends at SIGTERM, and says what it did."""
    peer.send_signal(signal.SIGTERM)
    status = world.finish(peer, PEER_SECONDS)
    lines = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    require(lines and lines[-1].get("event") == "summary", f"the peer ends with {status} and says nothing: {world.last_line('peer')}")
    return status, lines[-1]


def transfer(world, directory):
    """Peers put and get; the file has what they put."""
    sent = new_file(world.place, "sent", 4 * MIB, random=True)
    file, got = new_file(directory, "transfer", 4 * MIB), world.place / "got"
    region = world.ctl("register", file, "--export")
    world.ctl("put", sent, ticket_of(world, region))
    require(file.read_bytes() == sent.read_bytes(), "the file does not have what the peer wrote")
    world.ctl("get", ticket_of(world, region), got)
    require(got.read_bytes() == sent.read_bytes(), "the peer does not read what is in the file")
    world.ctl("get", ticket_of(world, region), got, "--offset", "100", "--length", "5000")
    require(got.read_bytes() == sent.read_bytes()[100:5100], "a read from inside a page does not have the file's bytes")
    faults = region_of(world, region).get("faults")
    world.ctl("release", region["id"])
    require(not world.ctl("list"), "the region is still listed after its release")
    counted = "not counted by this adapter" if faults is None else f"{faults} counted"
    return f"{region['arbitration_mode']}; 4 MiB there and back are the same; page faults: {counted}"


def revoke(world, directory):
    """Peers are asked to keep out, and go on over the same connection."""
    source, file = new_file(world.place, "sent", MIB, random=True), new_file(directory, "revoke", MIB)
    region = world.ctl("register", file, "--export")
    peer, said = start_peer(world, region, source)
    start = time.monotonic()
    require(world.run("rdmaregctl", "revoke", region["id"], "--", "true") == 0, f"revoke: {world.last_line('rdmaregctl')}")
    took = time.monotonic() - start
    world.until("the region is live again", lambda: region_of(world, region)["state"] == "live")
    require(region_of(world, region)["peers"] == 1, "the peer was cut off although it acknowledges")
    status, summary = end_peer(world, peer, said)
    require(summary["revocations"] >= 1 and summary["connected"], f"the peer says {summary}")
    world.ctl("release", region["id"])
    return f"acknowledged and lifted within {1000 * took:.0f} ms; the peer went on ({status})"


def silent(world, directory):
    """A peer that never answers loses the region at the deadline, and the truncate ends."""
    source, file = new_file(world.place, "sent", MIB, random=True), new_file(directory, "silent", MIB)
    region = world.ctl("register", file, "--export", "--grace", "500ms")
    peer, _ = start_peer(world, region, source, "--ignore-revocations")
    start = time.monotonic()
    os.truncate(file, MIB // 2)
    took = time.monotonic() - start
    world.until("the region has half the length", lambda: region_of(world, region)["valid_length"] == MIB // 2)
    status = world.finish(peer, PEER_SECONDS)
    require(status != 0, "the peer that ignored the revocation did not notice")
    require(file.stat().st_size == MIB // 2, "the file is not half as long")
    world.ctl("release", region["id"])
    return f"{region['arbitration_mode']}; the truncate took {1000 * took:.0f} ms; the peer was cut off ({status})"


def restart(world, directory):
    """The daemon dies while a peer writes; nobody notices."""
    source, file = new_file(world.place, "sent", MIB, random=True), new_file(directory, "restart", MIB)
    region = world.ctl("register", file, "--export", "--name", "restart")
    peer, said = start_peer(world, region, source)
    world.end_daemon(signal.SIGKILL)
    world.start_daemon()
    require(region_of(world, region)["rkey"] == region["rkey"], "the region is another one after the daemon's death")
    require(peer.poll() is None, f"the peer ended when the daemon did: {world.last_line('peer')}")
    _, summary = end_peer(world, peer, said)
    require(summary["connected"], f"the peer says {summary}")
    world.ctl("release", region["id"])
    return f"{summary['operations']} operations, none failed"


ALL = {"transfer": transfer, "revoke": revoke, "silent": silent, "restart": restart}
