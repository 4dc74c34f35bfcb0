#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# manual-examples.py - the examples of man/librdmareg.3.scd and README.md are C that compiles as it stands there, without a warning.
#
#   manual-examples.py CC...            compile each of them, to nothing
#   manual-examples.py --program PAGE   print the one that is a program: test-client-manual runs the manual's, test-bus-readme README's
#
# A page has one example with a main(), which is compiled alone. The others are the inside of a function: they get one, whose arguments are
# what the page says there is already, and the headers that it names.
import os
import re
import subprocess
import sys
import tempfile

import tree

# page: how a block of C begins there
PAGES = {"man/librdmareg.3.scd": "", "README.md": "c"}
HEAD = "#include <err.h>\n#include <rdmareg.h>\n"
FUNCTION = ("void example(struct rdmareg *c, struct rdmareg_region *region, const char *ticket, const void *data, size_t length,\n"
            "\t     uint64_t id);\n"
            "void example(struct rdmareg *c, struct rdmareg_region *region, const char *ticket, const void *data, size_t length,\n"
            "\t     uint64_t id)\n"
            "{{\n(void)c, (void)region, (void)ticket, (void)data, (void)length, (void)id;\n{{\n{}}}\n}}\n")



def examples(page):
    """[(line, text)] of the page's blocks of C."""
    text = tree.read(page)
    return [(tree.line_of(text, m.start()), m.group(1)) for m in re.finditer(rf"^```{PAGES[page]}\n(.*?)^```$", text, re.M | re.S)]


def is_program(body):
    return "int main(" in body


if sys.argv[1] == "--program":
    print(next(body for _, body in examples(sys.argv[2]) if is_program(body)))
    sys.exit(0)
count = 0
with tempfile.TemporaryDirectory() as folder:
    source = os.path.join(folder, "example.c")
    for page in PAGES:
        blocks = examples(page)
        count += len(blocks)
        if [is_program(body) for _, body in blocks].count(True) != 1:
            tree.problem(page, 1, "has no example that is a program, or more than one")
        for line, body in blocks:
            with open(source, "w", encoding="utf-8") as file:
                file.write(body if is_program(body) else HEAD + FUNCTION.format(body))
            run = subprocess.run([*sys.argv[1:], "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", tree.ROOT / "client/include", "-c", source,
                                  "-o", os.path.join(folder, "example.o")], capture_output=True, text=True, check=False)
            if run.returncode:
                tree.problem(page, line, "the example does not compile:\n" + run.stderr)
if count < 5:
    tree.problem("tests/check/manual-examples.py", 1, "finds too few examples")
tree.done(f"{count} examples of the manual page and README.md compiled")
