#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# manual-examples.py - the examples of man/librdmareg.3.scd are C that compiles as it stands there, without a warning.
#
#   manual-examples.py CC...       compile each of them, to nothing
#   manual-examples.py --program   print the one that is a program, which test-client-manual runs
#
# The one that has a main() is compiled alone. The others are the inside of a function: they get one, whose arguments are what the page
# says there is already, and the headers that it names.
import os
import re
import subprocess
import sys
import tempfile

import tree

PAGE = "man/librdmareg.3.scd"
HEAD = "#include <err.h>\n#include <rdmareg.h>\n"
FUNCTION = ("void example(struct rdmareg *c, struct rdmareg_region *region, const char *ticket, const void *data, size_t length,\n"
            "\t     uint64_t id);\n"
            "void example(struct rdmareg *c, struct rdmareg_region *region, const char *ticket, const void *data, size_t length,\n"
            "\t     uint64_t id)\n"
            "{{\n(void)c, (void)region, (void)ticket, (void)data, (void)length, (void)id;\n{{\n{}}}\n}}\n")

text = tree.read(PAGE)
blocks = [(tree.line_of(text, m.start()), m.group(1)) for m in re.finditer(r"^```\n(.*?)^```", text, re.M | re.S)]
programs = [body for _, body in blocks if "int main(" in body]
if sys.argv[1:] == ["--program"]:
    print(programs[0])
    sys.exit(0)
if len(programs) != 1 or len(blocks) < 4:
    tree.problem(PAGE, 1, "has no example that is a program, or more than one, or too few others")
with tempfile.TemporaryDirectory() as folder:
    source = os.path.join(folder, "example.c")
    for line, body in blocks:
        with open(source, "w", encoding="utf-8") as file:
            file.write(body if body in programs else HEAD + FUNCTION.format(body))
        run = subprocess.run([*sys.argv[1:], "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", tree.ROOT / "client/include", "-c", source,
                              "-o", os.path.join(folder, "example.o")], capture_output=True, text=True, check=False)
        if run.returncode:
            tree.problem(PAGE, line, "the example does not compile:\n" + run.stderr)
tree.done(f"{len(blocks)} examples of the manual page compiled")
