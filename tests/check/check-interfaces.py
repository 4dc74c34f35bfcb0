#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-interfaces.py - what is public is documented where it is declared, and lists of the same thing agree:
#
#   - every D-Bus method, signal and property has a comment before it. One comment may cover a group: then it names each member
#     ("RegionAdded, RegionRemoved: ...");
#   - a comment that names one argument (@fd) names all that a caller has to give;
#   - the errors of proto/names.h are those of the Manager's description;
#   - each line of the log with a number (daemon/util/log-messages.h) is written somewhere, and systemd/rdmareg.catalog has a text for it,
#     and for no other, which names only fields that lines can have;
#   - the module's version is the project's;
#   - every function of client/include/rdmareg.h and its parts has a comment, and is exported by the symbol map, and nothing else is.
import pathlib
import re
import xml.dom.minidom

import tree

MEMBERS = ("method", "signal", "property")


def check_bus_interface(path):
    document = xml.dom.minidom.parseString(tree.read(path))
    for interface in document.getElementsByTagName("interface"):
        comment = ""
        fresh = False
        for node in interface.childNodes:
            if node.nodeType == node.COMMENT_NODE:
                comment, fresh = node.data, True
            elif node.nodeType == node.ELEMENT_NODE and node.tagName in MEMBERS:
                name = node.getAttribute("name")
                if not fresh and not re.search(rf"\b{name}\b\s*[,:]", comment):
                    tree.problem(path, line_of_member(path, name), f"{node.tagName} {name} is not documented")
                if fresh and "@" in comment:
                    check_arguments(path, node, comment)
                fresh = False


def check_arguments(path, member, comment):
    for argument in member.getElementsByTagName("arg"):
        name = argument.getAttribute("name")
        if argument.getAttribute("direction") == "in" and f"@{name}" not in comment:
            tree.problem(path, line_of_member(path, member.getAttribute("name")), f"argument {name} is not documented")


def line_of_member(path, name):
    text = tree.read(path)
    return tree.line_of(text, text.find(f'name="{name}"'))


def check_version():
    module = "kmod-helper/main.c"
    found = re.search(r'MODULE_VERSION\("([^"]*)"\)', tree.read(module))
    project = re.search(r"^\s*version: '([^']*)'", tree.read("meson.build"), re.M).group(1)
    if not found or found.group(1) != project:
        tree.problem(module, 1, f"MODULE_VERSION is not {project}, the version in meson.build")


def check_messages():
    catalog = tree.read("systemd/rdmareg.catalog")
    messages = dict(re.findall(r'X\((\w+), "([0-9a-f]{32})"\)', tree.read("daemon/util/log-messages.h")))
    code = "".join(tree.read(path) for path in tree.files("daemon", ".c"))
    fields = {"REGION"} | set(re.findall(r'add(?:_text)?\(fields, &n, "(\w+)"', tree.read("daemon/util/log.c")))
    described = re.findall(r"^-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: rdmaregd\n", catalog, re.M)
    for name, number in messages.items():
        if f"LOG_MESSAGE_{name}" not in code:
            tree.problem("daemon/util/log-messages.h", 1, f"{name} is written nowhere")
        if described.count(number) != 1:
            tree.problem("systemd/rdmareg.catalog", 1, f"{name} ({number}) has not one text")
    for number in set(re.findall(r"^-- (\w+)", catalog, re.M)) - set(messages.values()):
        tree.problem("systemd/rdmareg.catalog", 1, f"{number} is no message")
    for match in re.finditer(r"@(\w+)@", catalog):
        if match.group(1) not in fields:
            tree.problem("systemd/rdmareg.catalog", tree.line_of(catalog, match.start()), f"no line has a field {match.group(1)}")


def check_errors():
    names = tree.read("proto/names.h")
    manager = tree.read("proto/org.rdmareg.Registry1.Manager.xml")
    defined = set(re.findall(r'RDMAREG_ERROR_PREFIX[ \t\\\n]+"(\w+)"', names))
    match = re.search(r"org\.rdmareg\.Registry1\.Error\.\s*:([^.]*)\.", manager)
    described = set(re.findall(r"\w+", match.group(1))) if match else set()
    for name in sorted(defined ^ described):
        where = "proto/names.h" if name in described else "the Manager's description"
        tree.problem("proto/names.h", 1, f"error {name} is missing from {where}")


def check_library():
    functions = set()
    for header in tree.files("client/include", ".h"):
        if header.name.startswith("rdmareg"):
            functions |= check_header(header)
    for symbols in tree.files("client", ".map", ".sym"):
        exported = set(re.findall(r"^\s+(\w+);", tree.read(symbols), re.M))
        for name in sorted(exported ^ functions):
            tree.problem(symbols, 1, f"{name} is {'declared but not exported' if name in functions else 'exported but not declared'}")


def check_header(header):
    text = tree.read(header)
    lines = text.split("\n")
    functions = set()
    for match in re.finditer(r"^(?!typedef|static|#|\s|/|\}|(?:struct|enum) \w+ \{)[\w\s\*]*?\b(\w+)\s*\([^;{]*\)[^;{]*;", text, re.M):
        functions.add(match.group(1))
        before = tree.line_of(text, match.start()) - 2
        while before >= 0 and lines[before].strip() and not lines[before].rstrip().endswith("*/"):
            before -= 1  # a group of declarations without a blank line between them shares a comment
        if before < 0 or not lines[before].strip():
            tree.problem(header, tree.line_of(text, match.start()), f"{match.group(1)}() is not documented")
    return functions


for path in tree.files("proto", ".xml"):
    check_bus_interface(path)
check_version()
check_errors()
check_messages()
check_library()
tree.done("public interfaces")
