#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-docs.py - what the documents say about the tree is so. In README.md and docs/*.md:
#
#   - `path/file.c:name` names a function, structure, constant or effect that this file has;
#   - `path/file` or `path/` that begins with a folder of the tree exists; so does the target of every relative link;
#   - `./run VERB` is something that run knows;
#   - error names (org.rdmareg.Registry1.Error.X) exist.
#
# And: the keys of configs/rdmaregd.conf are those of man/rdmaregd.conf.5.scd, with the same defaults; every man page is built.
import pathlib
import re

import tree

DOCUMENTS = [pathlib.Path("README.md"), *tree.files("docs", ".md")]
FOLDERS = {p.parts[0] for p in tree.paths() if len(p.parts) > 1}
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.*-]*|[\w-]+\.(?:c|h|md))(?::(\w+)(?:\(\))?)?`")


def defines(text, name):
    """True when `text` defines or declares `name`: not merely when it uses it."""
    return re.search(rf"^[^\s#/*{{}}].*\b{name}\(|^(?:typedef )?(?:struct|enum|union) {name}\b|^\s*#\s*define {name}\b|"
                     rf"^\s+{name}(?:\s*=[^,]*)?,|^(?:function )?{name}\s*\(\)|^\s*def {name}\b", text, re.M) is not None


def check_paths(document, text):
    for match in PATH.finditer(text):
        path, name = match.groups()
        if path.split("/")[0] not in FOLDERS and not name:
            continue
        line = tree.line_of(text, match.start())
        if "*" in path:
            if not list(tree.ROOT.glob(path)):
                tree.problem(document, line, f"{path} matches nothing")
        elif not (tree.ROOT / path).exists():
            tree.problem(document, line, f"{path} does not exist")
        elif name and not defines(tree.read(path), name):
            tree.problem(document, line, f"{path} has no {name}")


def check_links(document, text):
    for match in re.finditer(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (tree.ROOT / document.parent / match.group(1)).exists():
            tree.problem(document, tree.line_of(text, match.start()), f"links to {match.group(1)}, which does not exist")


def check_run(document, text, run):
    for match in re.finditer(r"\./run (\w+)", text):
        if not re.search(rf"\b{match.group(1)}\b", run):
            tree.problem(document, tree.line_of(text, match.start()), f"./run has no {match.group(1)}")


def check_errors(document, text, names):
    for match in re.finditer(r"org\.rdmareg\.Registry1\.Error\.(\w+)", text):
        if f'"{match.group(1)}"' not in names:
            tree.problem(document, tree.line_of(text, match.start()), f"there is no error {match.group(1)}")


def sections(lines, entry):
    """{section: {key: (line, rest)}}, where `entry` recognises a key."""
    found, section = {}, ""
    for number, line in enumerate(lines, 1):
        if match := re.match(r"\s*#?\s*\[(\w+)\]|^## \[(\w+)\]|^# \[(\w+)\]", line):
            section = next(filter(None, match.groups()))
        elif match := entry.match(line):
            found.setdefault(section, {})[match.group(1)] = (number, match.group(2).strip())
    return found


def check_configuration():
    config, page = pathlib.Path("configs/rdmaregd.conf"), pathlib.Path("man/rdmaregd.conf.5.scd")
    if not (tree.ROOT / config).is_file():
        return
    configured = sections(tree.read(config).split("\n"), re.compile(r"#?(\w+)\s*=(.*)$"))
    described = sections(tree.read(page).split("\n"), re.compile(r"\*(\w+)=\*(.*)$"))
    for section in sorted(set(configured) | set(described)):
        ours, theirs = configured.get(section, {}), described.get(section, {})
        for key in sorted(set(ours) ^ set(theirs)):
            tree.problem(page if key in ours else config, 1, f"[{section}] {key} is only in {config if key in ours else page}")
        for key in sorted(set(ours) & set(theirs)):
            default = re.match(r"(?:_\w+_ )?\(default: (.*)\)", theirs[key][1])
            if default and default.group(1) != ours[key][1]:
                tree.problem(page, theirs[key][0], f"[{section}] {key}: default {default.group(1)}, in {config} {ours[key][1]}")


def check_man_pages():
    build = tree.read("man/meson.build")
    for page in tree.files("man", ".scd"):
        if f"'{page.stem}'" not in build:
            tree.problem(page, 1, "is not built: add it to man/meson.build")


run = tree.read("run") if (tree.ROOT / "run").is_file() else ""
names = tree.read("proto/names.h")
for document in DOCUMENTS:
    if (tree.ROOT / document).is_file():
        text = tree.read(document)
        check_paths(document, text)
        check_links(document, text)
        check_run(document, text, run)
        check_errors(document, text, names)
for page in tree.files("man", ".scd"):
    check_errors(page, tree.read(page), names)
check_configuration()
check_man_pages()
tree.done(f"{len(DOCUMENTS)} documents and the manual pages")
