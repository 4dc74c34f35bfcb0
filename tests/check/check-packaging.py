#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-packaging.py BUILD - what can be seen of the packages without building them (./run package does that):
#
#   - each file that "meson install" brings is in exactly one Debian package, and in the RPM spec;
#   - no maintainer script but debhelper's starts or stops anything but the short services of metrics and self-tests, and debhelper
#     knows rdmaregd.service and the timer alone: the keepers below rdmareg.slice outlive every upgrade;
#   - versions, and the stanza of the library's symbols, are those of the product;
#   - DKMS gets all sources of the module;
#   - a call that a unit's filter forbids fails and kills nobody: libraries try calls that a kernel may not have;
#   - the programs of the build are hardened.
import fnmatch
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import tree

BUILD = pathlib.Path(sys.argv[1])
DEBIAN = pathlib.Path("packaging/debian")
SPEC = pathlib.Path("packaging/rpm/rdmaregd.spec")
PLACES = {"bindir": "usr/bin", "libexecdir": "usr/libexec", "libdir": "usr/lib/x86_64-linux-gnu", "sysconfdir": "etc"}
STARTS = re.compile(r"^\s*(?:if |! |&& )*(?:systemctl|deb-systemd-invoke|invoke-rc\.d|service)\s(?!reload dbus|stop 'rdmareg-metrics\.service' 'rdmareg-selftest@\*\.service' 'rdmareg-standing@\*\.service')", re.M)


def braces(pattern):
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def introspect(what):
    return json.loads(subprocess.run(["meson", "introspect", what, BUILD], check=True, capture_output=True, text=True).stdout)


def installed():
    """Where the build's files go, as a Debian package would have them."""
    options = {o["name"]: o["value"] for o in introspect("--buildoptions")}
    prefix = options["prefix"]
    found = {"etc/rdmareg/rdmaregd.conf"}  # by a script that leaves an administrator's alone
    for path in introspect("--installed").values():
        path = os.path.relpath(path, prefix) if path.startswith(prefix + "/") else path
        for name, place in PLACES.items():
            if path.startswith(options[name] + "/"):
                path = place + path[len(options[name]):]
                break
        else:
            path = path.lstrip("/") if path.startswith(("/lib/", "/etc/")) else "usr/" + path.removeprefix("/usr/")
        path = path.replace("share/doc/rdmareg", "share/doc/rdmaregd")
        # where Python looks depends on the prefix
        path = re.sub(r"^usr/lib/python3[^/]*/\w+-packages/", "usr/lib/python3/dist-packages/", path)
        # a folder that is installed as a whole
        found |= {f"{path}/{p.relative_to('docs')}" for p in tree.files("docs") if p.name != "meson.build"} if path == "usr/share/doc/rdmaregd" else {path}
    return sorted(path for path in found if "/rdmareg/tests/" not in path)


def patterns(path):
    for number, line in enumerate(tree.read(path).splitlines(), 1):
        if line and not line.startswith("#"):
            for pattern in braces(line.split()[0]):
                yield number, pattern


def covers(pattern, path):
    """As dh_install: a pattern names files, and folders with all that is in them; * stays within a name."""
    want, have = pattern.split("/"), path.split("/")
    return len(want) <= len(have) and all(fnmatch.fnmatchcase(h, w) for w, h in zip(want, have))


def check_lists():
    lists = [p for p in tree.files(DEBIAN) if p.suffix == ".install" or p.name == "not-installed"]
    brought = installed()
    for path in brought:
        homes = [p.name for p in lists if any(covers(pattern, path) for _, pattern in patterns(p))]
        if len(homes) != 1:
            tree.problem(DEBIAN, 1, f"/{path} is in {homes or 'no package'}; the *.install files say where what is installed goes")
    spec = tree.read(SPEC).partition("\n%files")[2]
    for path in brought:
        if not any(covers(pattern, path) for pattern in spec_patterns(spec)):
            tree.problem(SPEC, 1, f"/{path} is in no %files")


def spec_patterns(spec):
    macros = {"_bindir": "usr/bin", "_libexecdir": "usr/libexec", "_libdir": "usr/lib/x86_64-linux-gnu", "_includedir": "usr/include",
              "_datadir": "usr/share", "_mandir": "usr/share/man", "_sysconfdir": "etc", "_unitdir": "usr/lib/systemd/system",
              "_udevrulesdir": "usr/lib/udev/rules.d", "_sysusersdir": "usr/lib/sysusers.d", "_tmpfilesdir": "usr/lib/tmpfiles.d",
              "_modulesloaddir": "usr/lib/modules-load.d", "_usrsrc": "usr/src", "_docdir": "usr/share/doc", "_prefix": "usr",
              "_pkgdocdir": "usr/share/doc/rdmaregd", "version": "*", "name": "rdmaregd"}
    for line in spec.splitlines():
        line = re.sub(r"^(%\w+(\([^)]*\))?\s+)*", "", line).strip()
        line = re.sub(r"%\{(\w+)\}", lambda match: macros.get(match[1], match[0]), line)
        if line.startswith(("usr", "etc", "/")):
            pattern = line.strip("/")
            yield pattern
            yield pattern.replace("usr/lib/", "lib/", 1)


def check_scripts():
    for path in tree.files(DEBIAN):
        if path.name.split(".")[-1] in ("preinst", "postinst", "prerm", "postrm", "triggers"):
            for match in STARTS.finditer(tree.read(path)):
                tree.problem(path, tree.line_of(tree.read(path), match.start()), "starts or stops something: that is debhelper's")
    rules = tree.read(DEBIAN / "rules")
    if re.findall(r"^\tdh_installsystemd (.*)", rules, re.M) != ["-prdmaregd rdmaregd.service", "-prdmaregd --no-enable rdmareg-metrics.timer"]:
        tree.problem(DEBIAN / "rules", 1, "dh_installsystemd has to be called for the daemon and the timer alone: the slice holds everybody's regions")


def check_versions():
    version = re.search(r"^  version: '(.*)',$", tree.read(pathlib.Path("meson.build")), re.M)[1]
    if not tree.read(DEBIAN / "changelog").startswith(f"rdmaregd ({version}) "):
        tree.problem(DEBIAN / "changelog", 1, f"does not begin with {version}, the version in meson.build")
    if f"\nVersion: {version}\n" not in re.sub(r":\s+", ": ", tree.read(SPEC)):
        tree.problem(SPEC, 1, f"has not Version: {version}, that in meson.build")
    major, minor = version.split(".")[:2]
    stanzas = set(re.findall(r"^(RDMAREG_\S+) \{", tree.read(pathlib.Path("client/librdmareg.sym")), re.M))
    symbols = DEBIAN / "librdmareg0.symbols"
    text = tree.read(symbols)
    if set(re.findall(r"\(symver\)(\S+)", text)) != stanzas:
        tree.problem(symbols, 1, f"has not the stanzas of client/librdmareg.sym, {sorted(stanzas)}")
    if major == "0" and f"librdmareg0 (<< 0.{int(minor) + 1}~)" not in text:
        tree.problem(symbols, 1, "programs have to depend on a library before the next middle number, which may break them")


def check_module():
    listed = tree.read(pathlib.Path("kmod-helper/meson.build"))
    for path in tree.files("kmod-helper"):
        if path.name not in ("meson.build", "dkms.conf.in") and f"'{path.name}'" not in listed:
            tree.problem(path, 1, "is not in kmod-helper/meson.build: DKMS would build without it")


def check_filters():
    for folder in ("systemd", "examples"):
        for path in tree.files(folder):
            unit = tree.read(path)
            if re.search(r"^SystemCallFilter=", unit, re.M) and not re.search(r"^SystemCallErrorNumber=E", unit, re.M):
                tree.problem(path, 1, "has SystemCallFilter= without SystemCallErrorNumber=: the first forbidden call would kill the program")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def options_of():
    return {o["name"]: o["value"] for o in introspect("--buildoptions")}


def begins_marked(name):
    """Does a function of ours begin with endbr64? That the file has some says nothing: the C library's own start files have them."""
    ours = [line.split()[2] for line in output_of("nm", "--defined-only", "--extern-only", name).splitlines() if line.split()[1] == "T"]
    first = next(symbol for symbol in ours if symbol == "main" or symbol.startswith(("rdmareg_", "slurm_spank_")))
    code = output_of("objdump", "-d", "--no-show-raw-insn", f"--disassemble={first}", name)
    return re.search(rf"<{re.escape(first)}>:\n[^\n]*\bendbr64\b", code)


def check_hardening():
    """Of what is installed, in a build whose options are the defaults of meson.build."""
    options = options_of()
    if options["b_sanitize"] != "none" or options["optimization"] not in ("1", "2", "3", "s"):
        return
    for target in introspect("--targets"):
        if not target["installed"] or target["type"] not in ("executable", "shared library", "shared module"):
            continue
        name = pathlib.Path(target["filename"][0])
        if "/tests/" in target["install_filename"][0]:
            continue
        dynamic, segments = output_of("readelf", "-Wd", name), output_of("readelf", "-Wl", name)
        symbols = output_of("nm", "-D", "--undefined-only", name)
        wants = {"PIE": "Flags: NOW PIE" in dynamic or target["type"] != "executable", "NOW": "NOW" in dynamic, "RELRO": "GNU_RELRO" in segments,
                 "no executable stack": re.search(r"GNU_STACK.* RW ", segments), "the stack protector": "__stack_chk_fail" in symbols,
                 "FORTIFY": re.search(r"__\w+_chk@", symbols.replace("__stack_chk_fail", "")),
                 "CET": "x86-64" not in output_of("objdump", "-f", name) or begins_marked(name)}
        for what, there in wants.items():
            if not there:
                tree.problem(pathlib.Path(target["defined_in"]).relative_to(tree.ROOT), 1, f"{name.name} is built without {what}")


def check_plugin():
    """Whoever changes to another release of Slurm builds the plugin anew: that takes Slurm's headers and the library."""
    if options_of()["b_sanitize"] != "none":
        return
    for target in introspect("--targets"):
        if target["name"] != "spank_rdmareg":
            continue
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", output_of("readelf", "-Wd", target["filename"][0])))
        for name in sorted(needed - {"libc.so.6"}):
            if not name.startswith("librdmareg.so."):
                tree.problem(pathlib.Path(target["defined_in"]).relative_to(tree.ROOT), 1, f"the plugin for Slurm is linked to {name}")


check_lists()
check_scripts()
check_versions()
check_module()
check_filters()
check_hardening()
check_plugin()
tree.done("packaging, and the build as it would be installed")
