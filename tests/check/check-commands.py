#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-commands.py - every block of a document says what it is, so that the commands it shows are run: on the host, in the lab, or nowhere
# with a reason (commands.py). Commands hide in no other block, and what is said of commands that are run elsewhere is said of some.
import re

import commands
import tree

count = 0
for document in commands.documents():
    for line, kind, text in commands.blocks(document):
        if kind not in commands.KINDS:
            tree.problem(document, line, f"a block is one of {', '.join(commands.KINDS)}: '{kind}' is none (see tests/check/commands.py)")
        elif kind == "console" and not re.match(r"[$#] ", text):
            tree.problem(document, line, "a console block begins with a command: $ COMMAND, or # COMMAND for root's")
        elif kind in ("text", "ini") and (match := commands.UNMARKED.search(text)):
            tree.problem(document, line + 1 + text.count("\n", 0, match.start()), "this is a command: make it a console block, so that it is run")
    for line, _, command, output in commands.commands(document):
        count += 1
        row = commands.elsewhere(document, command)
        if row and row[2] != commands.SCREENS and output.strip():
            tree.problem(document, line, "shows an output that nothing compares: only commands run on the host may")
    if re.search(r"\n\n    (?:[$#] )?(?:rdmaregctl|\./run) ", tree.read(document)):
        tree.problem(document, 1, "has commands in an indented block: make it a console block, so that they are run")
for document, pattern, _ in commands.ELSEWHERE:
    if (tree.ROOT / document).exists() and not any(re.match(pattern, command) for _, _, command, _ in commands.commands(document)):
        tree.problem("tests/check/commands.py", 1, f"says where {pattern} of {document} is run, and there is no such command")
if count < 40:
    tree.problem("tests/check/check-commands.py", 1, "finds too few commands")
tree.done(f"{count} commands in the documents")
