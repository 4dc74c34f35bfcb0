#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# generated.py - clients that others' generators make of the installed interfaces work, in the world that test-documents.c made: in C with
# GLib (gdbus-codegen) and in C++ (sdbus-c++-xml2cpp). Each is compiled with warnings as errors, asks for the status, registers a memfd, lists
# it, reads and hears of properties, makes a ticket, meets an error by its name, and releases.
import os
import pathlib
import shutil
import subprocess
import sys

WORLD = pathlib.Path(os.environ["RDMAREG_WORLD"])
PROTO = pathlib.Path(os.environ["RDMAREG_PROTO"])
HERE = pathlib.Path(__file__).parent
PATIENCE = 120
SAYS = "form 1, regions 0\nregion of 4096 bytes, 1 listed, policy yield\nticket rdmareg://\norg.rdmareg.Registry1.Error.InvalidRange\nreleased\n"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORLD, timeout=10 * PATIENCE, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def flags(package):
    return run("pkg-config", "--cflags", "--libs", package).split()


def interface(name):
    return PROTO / f"org.rdmareg.Registry1.{name}.xml"


def in_c():
    run("gdbus-codegen", "--generate-c-code", "registry", "--c-namespace", "Rdmareg", "--interface-prefix", "org.rdmareg.Registry1.",
        *(interface(name) for name in ("Manager", "Region", "Session", "Job")))
    shutil.copy(HERE / "generated-glib.c", WORLD / "glib.c")
    run("cc", "-D_GNU_SOURCE", "-Wall", "-Werror", "-include", "registry.h", "glib.c", "registry.c", "-o", "glib-client", *flags("gio-unix-2.0"))


def in_cxx():
    for name in ("Manager", "Region"):
        run("sdbus-c++-xml2cpp", interface(name), f"--proxy={name.lower()}.h")
    shutil.copy(HERE / "generated-sdbus.cc", WORLD / "client.cc")
    major = run("pkg-config", "--modversion", "sdbus-c++").split(".", maxsplit=1)[0]
    run("c++", "-std=c++20", "-Wall", "-Werror", f"-DSDBUS_MAJOR={major}", "-include", "manager.h", "-include", "region.h", "client.cc", "-o", "sdbus-client", *flags("sdbus-c++"))


def main():
    in_c()
    in_cxx()
    for client in ("glib-client", "sdbus-client"):
        said = run(WORLD / client)
        print(f"{client}:\n{said}", flush=True)
        if said != SAYS:
            sys.exit(f"{client} should say\n{SAYS}")


main()
