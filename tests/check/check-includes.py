#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-includes.py - who may include whom. The folders of daemon/ form layers, and adapters do not know each other:
#
#   util      itself
#   core      util, proto/names.h; and no system header that could do I/O or read a clock
#   history   what happened, as an adapter tells it: util, proto/names.h
#   selftest  util
#   bus       an adapter: core, history, util, proto
#   metrics   numbers, their page and its socket: util, proto/names.h
#   gate      a process of its own: util, proto/names.h
#   dax       an adapter that is asked and tells nothing by itself: util
#   keeper    each module (a folder below, or files with a common stem) is an adapter: core, util, selftest, proto.
#             KEEPER_GLUE brings them together and sees them all; KEEPER_SHARED is vocabulary and the threads that they have in common
#   proxy     the daemon's side of keepers: core, util, proto, and of the arbiter the settings
#   arbiter   brings core, history and bus together and sees all but the keeper, and of the self-test what it found out (quirks.h, adapters.h),
#             and of the gate's process what is said between them (gate-channel.h)
#   client    a library of its own, under another licence: proto. Its halves owner/ and peer/ do not know each other; both
#             see include/, the public headers, and common/; ctl/, the command, sees what every program sees
#   kmod-helper   itself and the device's contract
import re
import pathlib

import tree

KEEPER_GLUE = {"main", "keeper", "region"}
KEEPER_SHARED = {"clock", "worker"}

# What each group sees beside itself. A group is a folder, or folder/module inside the keeper.
SEES = {
    "daemon/util": {"proto/hidden-characters.h", "config.h"},
    "daemon/core": {"daemon/util", "proto/names.h"},
    "daemon/history": {"daemon/util", "proto/names.h"},
    "daemon/bus": {"daemon/core", "daemon/history", "daemon/util", "proto", "config.h"},
    "daemon/dax": {"daemon/util", "config.h"},
    "daemon/gate": {"daemon/util", "proto/names.h"},
    "daemon/metrics": {"daemon/util", "proto/names.h", "config.h"},
    "daemon/selftest": {"daemon/util", "config.h"},
    "daemon/keeper": {"daemon/core", "daemon/util", "daemon/selftest", "proto", "config.h"},
    "daemon/proxy": {"daemon/core", "daemon/util", "daemon/selftest/quirks.h", "daemon/arbiter/settings.h", "proto", "config.h"},
    "daemon/arbiter": {"daemon/core", "daemon/history", "daemon/metrics", "daemon/util", "daemon/bus", "daemon/proxy", "daemon/dax", "daemon/selftest/quirks.h", "daemon/selftest/adapters.h", "daemon/gate/gate-channel.h", "proto", "config.h"},
    "client/include": set(),
    "client/common": {"client/include", "proto", "config.h"},
    "client/owner": {"client/common", "client/include", "proto", "config.h"},
    "client/peer": {"client/common", "client/include", "proto", "config.h"},
    "client/ctl": {"client/include", "proto", "config.h"},
    "kmod-helper": {"proto/rdmareg-uapi.h"},
}
IMPURE = re.compile(r"<(stdio|unistd|fcntl|time|poll|signal|pthread|sys/.*|systemd/.*|event2/.*|infiniband/.*|rdma/.*)\.h>")
CLIENT = [pathlib.Path("client") / part for part in ("include", "common", "owner", "peer")]
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', re.M)


def group_of(path):
    """The group a file belongs to, or None if the rules are not about it."""
    for group in SEES:
        if pathlib.Path(group) in path.parents:
            if group == "daemon/keeper":
                below = path.relative_to(group)
                return f"{group}/{below.parts[0] if len(below.parts) > 1 else path.stem.split('-')[0]}"
            return group
    return None


def resolve(path, name):
    """The file of the tree that #include "name" in `path` means; the name itself when it is made by the build."""
    for folder in (path.parent, pathlib.Path("."), pathlib.Path("proto"),
                   pathlib.Path("daemon"), *CLIENT):
        if (tree.ROOT / folder / name).is_file():
            return pathlib.Path((tree.ROOT / folder / name).resolve().relative_to(tree.ROOT))
    return pathlib.Path(name)


def may_see(group, target):
    folder = "/".join(group.split("/")[:2])
    own = group_of(target)
    if own == group:
        return True
    if folder == "daemon/keeper" and own and own.startswith("daemon/keeper/"):
        return group.split("/")[2] in KEEPER_GLUE or own.split("/")[2] in KEEPER_SHARED
    return any(str(target) == seen or pathlib.Path(seen) in target.parents for seen in SEES[folder])


checked = 0
for path in tree.files("", ".c", ".h"):
    group = group_of(path)
    if not group:
        continue
    checked += 1
    text = tree.read(path)
    for match in INCLUDE.finditer(text):
        line = tree.line_of(text, match.start(1) if match.group(1) else match.start(2))
        if match.group(2):
            if group == "daemon/core" and IMPURE.match(match.group(2)):
                tree.problem(path, line, f"core is pure and must not include {match.group(2)}")
        elif not may_see(group, resolve(path, match.group(1))):
            tree.problem(path, line, f"{group} must not include {match.group(1)} (the rules: tests/check/check-includes.py)")

tree.done(f"includes of {checked} files")
