#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-files.py - what every file must have, whatever it is about:
#
#   - it opens with the licence of its folder (SPDX; the folders' are in .reuse/dep5), whose text is in LICENSES/, and a paragraph that says what it is;
#   - nothing of the machine it was written on, and no note to self, is left in it;
#   - tests wait for events, not for time; their assertions stay when NDEBUG is defined;
#   - shell scripts and XML parse;
#   - no line ends in white space, but of a patch;
#   - what people read (documents, manual pages, contracts, settings, units) has lines of at most 100 columns, except where a line is
#     one thing: a row of a table, a line of a sample, a command, a word. What a program writes is as wide as that makes it.
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import xml.dom.minidom

import tree

# [(pattern, licence)] of .reuse/dep5, which says of each file without a header whose it is; the last match counts.
LICENCES = re.findall(r"^Files: (\S+)\nCopyright: .+\nLicense: (.+)$", (tree.ROOT / ".reuse/dep5").read_text(encoding="utf-8"), re.M)
SOURCES = (".c", ".h", ".sh", ".py")
# Words that mark unfinished work; spelled so that this line is not one.
NOTES = re.compile(r"(?<![-.])\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
COLUMNS = 100
PROSE = (("docs", ".md"), ("man", ".scd"), ("proto", ".xml"), ("configs", ".conf"), ("systemd", ""))
PROSE_FILES = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/lab/README.md"}
POLLS = {"tests/bus/harness.c"}  # the one bounded poll, for what another process does
SLEEP = re.compile(r"\b(?:u|nano|clock_nano)?sleep\s*\(")


def licence_of(path):
    return [licence for pattern, licence in LICENCES if fnmatch.fnmatchcase(str(path), pattern)][-1]


def check_opening(path, text):
    lines = text.splitlines()
    if path.suffix not in SOURCES:
        return
    start, paragraph = 0, re.compile(r"/\*")
    if path.suffix not in (".c", ".h"):  # after #!, "# shellcheck" and the like
        start = next((n for n, line in enumerate(lines[:6]) if "SPDX" in line), 0)
        paragraph = re.compile(r'#( |$)|"""')
    first = lines[start] if len(lines) > start else ""
    match = re.search(r"SPDX-License-" + r"Identifier: (.*?)(?: \*/)?$", first)
    if not match:
        tree.problem(path, start + 1, "does not open with an SPDX-License-Identifier line")
        return
    for text_of in match.group(1).split(" WITH "):
        if not (tree.ROOT / "LICENSES" / f"{text_of}.txt").is_file():
            tree.problem(path, start + 1, f"LICENSES has no text of {text_of}")
    if match.group(1) != licence_of(path):
        tree.problem(path, start + 1, f"is {match.group(1)}, its folder is {licence_of(path)}")
    if len(lines) <= start + 1 or not paragraph.match(lines[start + 1]):
        tree.problem(path, start + 2, "no paragraph after the licence that says what this file is")


def machine_words():
    """What betrays this machine: the tree's own folder, the user's, and package mirrors other than Debian's own."""
    words = {str(tree.ROOT)} if len(tree.ROOT.parts) > 2 and not str(tree.ROOT).startswith("/usr/") else set()
    home = os.environ.get("HOME", "")
    if home.startswith("/home/"):
        words.add(home + "/")
    places = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt").glob("*/*"), pathlib.Path("/etc/pip.conf"),
              pathlib.Path(home or "/nonexistent") / ".npmrc"]
    for place in places:
        try:
            settings = place.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        words.update(host for host in re.findall(r"\bhttps?://(?:[^/\s\"']*@)?([^/\s\"':;]+)", settings)
                     if not host.endswith((".debian.org", "localhost", "127.0.0.1")) and "." in host)
    return words


def check_words(path, text, words):
    for match in NOTES.finditer(text):
        tree.problem(path, tree.line_of(text, match.start()), f'"{match.group(0)}": finish it, or file an issue')
    for word in words:
        position = text.find(word)
        if position >= 0:
            tree.problem(path, tree.line_of(text, position), "names a place of the machine it was written on")


def check_parses(path, text):
    if tree.is_shell(path, text):
        shell = "bash" if "bash" in text.splitlines()[0] or path.suffix == ".sh" else "sh"
        tried = subprocess.run([shell, "-n", tree.ROOT / path], capture_output=True, text=True, check=False)
        if tried.returncode:
            tree.problem(path, 1, tried.stderr.strip())
    elif path.suffix in (".xml", ".conf") and text.lstrip().startswith(("<?xml", "<!DOCTYPE", "<busconfig", "<node")):
        try:
            xml.dom.minidom.parseString(text)
        except Exception as error:  # expat's own error class is not worth importing
            tree.problem(path, 1, f"not well-formed XML: {error}")
        if shutil.which("xmllint"):
            tried = subprocess.run(["xmllint", "--nonet", "--noout", tree.ROOT / path], capture_output=True, text=True, check=False)
            if tried.returncode:
                tree.problem(path, 1, tried.stderr.strip())


def is_prose(path):
    return str(path) in PROSE_FILES or any(path.parts[0] == folder and path.name.endswith(suffix) for folder, suffix in PROSE
                                           if path.name != "meson.build")


def check_width(path, text):
    if not is_prose(path) or re.search(r"^(Generated:|Made by) `", text[:400], re.M):
        return
    sample = made = False
    for number, line in enumerate(text.split("\n"), 1):
        sample ^= line.lstrip().startswith("```")
        made = line.startswith("<!-- made by") or (made and not line.startswith("<!-- end"))
        if len(line.expandtabs(8)) <= COLUMNS or sample or made:
            continue
        if path.suffix == ".md" and line.startswith("|") or path.suffix == ".scd" and re.match(r"[|:\]\[]", line):
            continue
        if path.parts[0] in ("proto", "systemd") and re.match(r"\s*(<|[A-Z]\w+=|[A-Z]+[=!]=)", line) and not line.lstrip().startswith("<!--"):
            continue  # markup, a setting, a rule
        if " " in line.strip():
            tree.problem(path, number, f"is {len(line.expandtabs(8))} columns wide; {COLUMNS} are allowed")


def check_asserts(path, text, headers):
    """The file, or a header of the tests that it includes, has undefined NDEBUG before <assert.h>."""
    own = re.compile(r"^#undef NDEBUG\n(?:.*\n)*?#include <assert\.h>", re.M)
    included = [headers.get(name.split("/")[-1], "") for name in re.findall(r'^#include "([^"]+)"', text, re.M)]
    if match := re.search(r"\bassert\(", text):
        if not any(own.search(part) for part in (text, *included)):
            tree.problem(path, tree.line_of(text, match.start()), "asserts, and has not undefined NDEBUG before <assert.h>")


words = machine_words()
test_headers = {path.name: tree.read(path) for path in tree.files("tests", ".h")}
checked = 0
for path in tree.paths():
    text = tree.read(path)
    if text is None:
        tree.problem(path, 1, "is not UTF-8 text")
        continue
    if path.parts[0] == "LICENSES":
        continue
    checked += 1
    check_opening(path, text)
    check_words(path, text, words)
    check_parses(path, text)
    check_width(path, text)
    if path.parts[0] == "tests" and path.suffix in (".c", ".h"):
        check_asserts(path, text, test_headers)
    length = text.count("\n")
    if path.parts[0] == "tests" and path.parts[1] != "check" and path.suffix in (".c", ".h", ".py") and str(path) not in POLLS:
        for match in SLEEP.finditer(text):
            tree.problem(path, tree.line_of(text, match.start()), "sleeps: wait for the event instead, or step a fake clock")
    if text and not text.endswith("\n"):
        tree.problem(path, length + 1, "does not end with a newline")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() and path.suffix != ".patch":  # an empty line of what is patched is a blank
            tree.problem(path, number, "ends in white space")

tree.done(f"{checked} files looked at")
