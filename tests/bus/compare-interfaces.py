#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare one interface in two D-Bus introspection files: members, arguments, types, directions, access, annotations; both ways.

usage: compare-interfaces.py MANUAL SERVED INTERFACE      exit status 1 and one line for each difference
"""
import sys
import xml.etree.ElementTree as tree


def members(path, interface):
    for node in tree.parse(path).getroot().iter("interface"):
        if node.get("name") == interface:
            break
    else:
        sys.exit(f"{path}: no interface {interface}")
    found = {}
    for member in node:
        if member.tag not in ("method", "signal", "property"):
            continue
        default = "in" if member.tag == "method" else "out"
        arguments = [(a.get("name"), a.get("type"), a.get("direction", default)) for a in member.iter("arg")]
        annotations = {a.get("name"): a.get("value") for a in member.iter("annotation")}
        if member.tag == "property":  # the specification's default
            annotations.setdefault("org.freedesktop.DBus.Property.EmitsChangedSignal", "true")
        found[member.tag, member.get("name")] = (member.get("type"), member.get("access"), arguments, annotations)
    return found


def main():
    manual, served = (members(path, sys.argv[3]) for path in sys.argv[1:3])
    differences = 0
    for key in sorted(manual.keys() | served.keys()):
        if manual.get(key) != served.get(key):
            print(f"{sys.argv[3]} {key[0]} {key[1]}:\n  manual {manual.get(key)}\n  served {served.get(key)}", file=sys.stderr)
            differences += 1
    return differences > 0


sys.exit(main())
