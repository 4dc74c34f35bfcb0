#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-lint.py TOOL BUILD-FOLDER - what a linter says about the tree. It fails on anything that the linter's list does not excuse:
#
#   codespell   each text; .codespellrc has the words that are right
#   cppcheck    daemon/ and client/; cppcheck-suppressions has what it is told to leave, and why
#   mypy        the Python module, strictly, as the build has it (-Dpython)
#   reuse       licence and copyright of each file: the header, or .reuse/dep5
#   shellcheck  each script, warnings and errors; .shellcheckrc has what it is told to leave, and why
#
# The tools are those of Debian 12 and 13 (tests/packages): a finding that only one of them has still counts, and what a list excuses
# is known to both. Where a tool is not installed the test is skipped, and says so; `./run` installs all.
import glob
import pathlib
import shutil
import subprocess
import sys

import tree

SKIPPED = 77
# The list macros are needed, other headers of the system only cost time.
LISTS = "/usr/include/*/sys/queue.h"
HERE = pathlib.Path(__file__).resolve().parent


def scripts():
    for path in tree.paths():
        text = tree.read(path)
        if text is not None and tree.is_shell(path, text):
            yield path


def codespell(build):
    return ["codespell", *(path for path in tree.paths() if tree.read(path) is not None)]


def cppcheck(build):
    cache = pathlib.Path(build) / "cppcheck"
    cache.mkdir(exist_ok=True)
    sources = [path for folder in ("daemon", "client") for path in tree.files(folder, ".c")]
    return ["cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--enable=warning,portability,performance", "--max-configs=1",
            "--template={file}:{line}: {message} [{id}]", f"--cppcheck-build-dir={cache}",
            f"--suppressions-list={HERE / 'cppcheck-suppressions'}", "-D_GNU_SOURCE", *(f"--include={lists}" for lists in glob.glob(LISTS)),
            f"-I{build}", "-I.", "-Iproto", "-Idaemon", *(f"-Iclient/{part}" for part in ("include", "common", "owner", "peer")), *sources]


def mypy(build):
    return ["mypy", "--strict", "--cache-dir", pathlib.Path(build) / "mypy", pathlib.Path(build) / "client/python/rdmareg"]


def reuse(build):
    return ["reuse", "--root", ".", "lint"]


def shellcheck(build):
    return ["shellcheck", "--severity=warning", "--format=gcc", *scripts()]


tool, build = sys.argv[1:]
if not shutil.which(tool):
    print(f"{tool} is not installed")
    sys.exit(SKIPPED)
command = {"codespell": codespell, "cppcheck": cppcheck, "mypy": mypy, "reuse": reuse, "shellcheck": shellcheck}[tool](build)
status = subprocess.run(command, cwd=tree.ROOT, check=False).returncode
sys.exit(1 if status else 0)
