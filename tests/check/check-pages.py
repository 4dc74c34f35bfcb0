#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-pages.py FOLDER - the manual pages that are made of the contracts (man/pages.py), as the build has them in FOLDER, lose nothing:
#
#   - org.rdmareg.Registry1(5) has each method, signal, property, argument, type and error, whether a change of a property is signalled, and
#     each word of every comment of the interfaces;
#   - each symbol that the library exports has a page of its name, which is a link to one that has its prototype; each structure and
#     enumeration is on one, and each word of every comment that stands at the edge of a header.
import collections
import pathlib
import re
import sys
import xml.dom.minidom

import tree

FOLDER = pathlib.Path(sys.argv[1])
CHANGED = {"true": "changes are signalled", "const": "never changes", "false": "changes are not signalled"}
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
SOURCE = "man/pages.py"


def plain(page):
    """What a reader of the page sees, without requests and fonts."""
    text = re.sub(r"\\f[BIR]", "", (FOLDER / page).read_text(encoding="utf-8"))
    for code, letter in ((r"\(->", "->"), (r"\(ti", "~"), (r"\(ha", "^"), (r"\-", "-"), (r"\&", ""), (r"\e", "\\")):
        text = text.replace(code, letter)
    return re.sub(r"^\.(?:SS|SH|TP|PP|nf|fi|RS|RE|br)\b ?", "", text, flags=re.M)


def words(text):
    return re.findall(r"[\w.]*\w", text)


def check_words(page, path, comment):
    # of one comment no word is lost, and the order is kept: it is looked for as a subsequence
    have = iter(words(page))
    for word in words(re.sub(r"^\s*\*", "", comment, flags=re.M)):
        if word not in have:
            tree.problem(path, 1, f"the manual page lacks \"{word}\" of \"{' '.join(comment.split())[:60]}...\"")
            return


def check_bus():
    page = plain("org.rdmareg.Registry1.5")
    for path in tree.files("proto", ".xml"):
        document = xml.dom.minidom.parseString(tree.read(path))
        nodes = [*document.childNodes, *(n for i in document.getElementsByTagName("interface") for n in i.childNodes)]
        for comment in (n.data for n in nodes if n.nodeType == n.COMMENT_NODE and "SPDX" not in n.data):
            check_words(page, path, re.sub(r"^\s*\w+:\s", "", comment))
        for interface in document.getElementsByTagName("interface"):
            part = page.partition(f'INTERFACE {interface.getAttribute("name")}"')[2].partition('"INTERFACE ')[0]
            for kind in ("method", "signal", "property"):
                for member in interface.getElementsByTagName(kind):
                    check_member(path, part, kind, member)
    for name in re.findall(r'RDMAREG_ERROR_PREFIX[ \t\\\n]+"(\w+)"', tree.read("proto/names.h")):
        if not re.search(rf"^{name}$", page.partition("\nERRORS\n")[2], re.M):
            tree.problem("proto/names.h", 1, f"org.rdmareg.Registry1(5) has no error {name}")


def check_member(path, part, kind, member):
    name = member.getAttribute("name")
    arguments = {d: ", ".join(f"{a.getAttribute('type')} {a.getAttribute('name')}" for a in member.getElementsByTagName("arg")
                              if (a.getAttribute("direction") or "out") == d) for d in ("in", "out")}
    if kind == "method":
        wanted = f"{name}({arguments['in']})" + (f" -> ({arguments['out']})" if arguments["out"] else "")
    elif kind == "signal":
        wanted = f"signal {name}({arguments['out']})"
    else:
        emits = {a.getAttribute("name"): a.getAttribute("value") for a in member.getElementsByTagName("annotation")}.get(EMITS, "true")
        wanted = f"property {name} ({member.getAttribute('type')}): read-only, {CHANGED[emits]}"
    if len(re.findall(rf'^"?{re.escape(wanted)}"?$', part, re.M)) != 1:
        tree.problem(path, 1, f"org.rdmareg.Registry1(5) does not have once: {wanted}")


def check_library():
    headers = tree.files("client/include", ".h")
    pages = {}
    for name in re.findall(r"^\s+(\w+);", tree.read("client/librdmareg.sym"), re.M):
        link = FOLDER / f"{name}.3"
        target = re.fullmatch(r"\.so man3/([\w-]+\.3)\n", link.read_text(encoding="utf-8")) if link.exists() else None
        if not target:
            tree.problem("client/librdmareg.sym", 1, f"{name}(3) is not there, or no link")
            continue
        page = pages.setdefault(target[1], plain(target[1]))
        if not re.search(rf'^[^\n"]*\b{name}\([^)]', page, re.M) or not re.search(rf'^"(?:.*\W)?{name}\(\)', page, re.M):
            tree.problem(SOURCE, 1, f"{target[1]} has no prototype of {name}() below a heading")
        if name not in page.partition("NAME\n")[2].partition("\n")[0]:
            tree.problem(SOURCE, 1, f"{target[1]} does not name {name}: man -k does not find it")
    for header in headers:
        text = tree.read(header)
        page = plain(("rdmareg-errors" if header.stem == "rdmareg" else header.stem) + ".3")
        for kind in re.findall(r"^((?:struct|enum) \w+) \{", text, re.M):
            if f"{kind} {{" not in page:
                tree.problem(header, 1, f"{kind} is on no page")
        for comment in re.findall(r"^/\*((?:[^/]|(?<!\*)/)*)\*/$", text, re.M):
            if "SPDX" not in comment:
                check_words(page, header, re.sub(r"^[\s*]*[\w.-]+(?: -|:)\s", "", comment))


def check_headings():
    """No two pages are called the same; each page has its parts."""
    for name, n in collections.Counter(p.stem for p in FOLDER.glob("*.3")).items():
        if n != 1:
            tree.problem(SOURCE, 1, f"{name}(3) is there {n} times")
    for page in (p for p in FOLDER.glob("*.[35]") if p.name.startswith(("rdmareg-", "org."))):
        for part in ("NAME", "DESCRIPTION", '"?SEE ALSO'):
            if not re.search(rf"^\.SH {part}", page.read_text(encoding="utf-8"), re.M):
                tree.problem(SOURCE, 1, f"{page.name} has no {part}")


check_bus()
check_library()
check_headings()
tree.done("manual pages of the contracts")
