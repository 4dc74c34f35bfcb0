#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# pages.py - makes manual pages of the contracts, so that nothing is said twice:
#
#   pages.py bus NAMES XML...       org.rdmareg.Registry1(5), of the D-Bus interfaces and the errors in proto/names.h
#   pages.py header HEADER          rdmareg-PART(3), of one public header
#   pages.py functions HEADER       the functions that it declares, each of which is a name of that page
#
# The text of a page is the comments as they stand there. In a comment, a blank line ends a paragraph, "@name: text" describes an argument,
# and indented lines with a name, its type in parentheses, two spaces and a text are a list.
import pathlib
import re
import sys
import xml.dom.minidom

TYPE = r" \([a-z{}()]+\)"
ITEM = re.compile(rf" +((?:\w+{TYPE}(?:, \w+{TYPE})*)(?= )|[A-Za-z][\w-]*(?:, [A-Za-z][\w-]*)*(?=  )) +(\S.*)$")
ARGUMENT = re.compile(r"((?:@\w+)(?:, @\w+)*): ?(.*)$")
CHANGED = {"true": "changes are signalled", "const": "never changes", "false": "changes are not signalled", "invalidates": "changes are signalled without the value"}
OBJECTS = {"Manager": "/org/rdmareg/Registry1", "Region": "/org/rdmareg/Registry1/region/ID", "Session": "/org/rdmareg/Registry1/session/UID_NAME",
           "Job": "/org/rdmareg/Registry1/job/ID"}


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return "\\&" + text if text.startswith((".", "'")) else text


def text_of(comment):
    """Roff of a comment, whose lines begin at the same column."""
    out, listed = [], False
    paragraph = True

    def end_list():
        nonlocal listed
        if listed:
            out.append(".RE")
        listed = False

    for line in comment:
        argument, item = ARGUMENT.match(line), ITEM.match(line)
        if not line.strip():
            end_list()
            paragraph = True
        elif argument:
            end_list()
            out += [".TP", "\\fI" + escape(argument[1].replace("@", "")) + "\\fR", escape(argument[2]) or "\\&"]
            paragraph = False
        elif item:
            if not listed:
                out.append(".RS")
            listed = True
            out += [".TP", "\\fB" + escape(item[1]) + "\\fR", escape(item[2])]
            paragraph = False
        else:
            if paragraph or (listed and not line.startswith(" ")):
                end_list()
                out.append(".PP")
            paragraph = False
            out.append(escape(line.strip()))
    end_list()
    return out


def without_name(comment, name):
    """Below a heading: the comment's first words are the same."""
    rest = comment[0].removeprefix(name + ":").strip() if comment else ""
    return [rest, *comment[1:]] if rest else comment[1:]


def dedent(lines):
    lines = [line.rstrip() for line in lines]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line]
    first = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    least = min(indents + ([first] if first else [])) if indents or first else 0
    return [line[least:] if n or first else line for n, line in enumerate(lines)]


def title(name, section, what):
    return [f'.TH "{name}" "{section}" "" "rdmaregd" "{what}"', ".nh", ".ad l"]


# ---- D-Bus ----

def arguments(member, direction):
    return ", ".join(f"\\fI{escape(a.getAttribute('type'))}\\fR {escape(a.getAttribute('name'))}" for a in member.getElementsByTagName("arg")
                     if a.getAttribute("direction") == direction or not a.getAttribute("direction"))


def head_of(member):
    name = member.getAttribute("name")
    if member.tagName == "method":
        out = arguments(member, "out")
        return f"\\fB{name}\\fR({arguments(member, 'in')})" + (f" \\(-> ({out})" if out else "")
    if member.tagName == "signal":
        return f"signal \\fB{name}\\fR({arguments(member, 'out')})"
    emits = next((a.getAttribute("value") for a in member.getElementsByTagName("annotation")
                  if a.getAttribute("name") == "org.freedesktop.DBus.Property.EmitsChangedSignal"), "true")
    access = {"read": "read\\-only", "readwrite": "writable"}[member.getAttribute("access")]
    return f"property \\fB{name}\\fR (\\fI{escape(member.getAttribute('type'))}\\fR): {access}, {CHANGED[emits]}"


def interface_page(interface):
    name = interface.getAttribute("name")
    out = [f'.SH "INTERFACE {name}"']
    short = name.rsplit(".", 1)[1]
    if short in OBJECTS:
        out += [f"Object: \\fB{escape(OBJECTS[short])}\\fR"]
    waiting = []
    comment = []
    for node in [*interface.childNodes, None]:
        if node is not None and node.nodeType == node.ELEMENT_NODE and node.tagName in ("method", "signal", "property"):
            waiting.append(node)
            continue
        if node is not None and node.nodeType != node.COMMENT_NODE:
            continue
        # one comment may be of a group
        for member in waiting:
            out += [f'.SS "{head_of(member)}"'] if member is waiting[0] else [".br", f"\\fB{head_of(member)}\\fR"]
        if waiting:
            out += text_of(without_name(comment, waiting[0].getAttribute("name")))
        waiting = []
        if node is not None:
            comment = dedent(node.data.split("\n"))
            comment[0] = comment[0].strip()
    return out


def bus_page(names, files):
    errors = re.findall(r'define RDMAREG_ERROR_\w+\s*\\?\s*RDMAREG_ERROR_PREFIX[ \t\\\n]+"(\w+)"(?:\s*/\* (.*?) \*/)?', names, re.S)
    out = title("org.rdmareg.Registry1", "5", "D-Bus interfaces of rdmaregd")
    out += [".SH NAME", "org.rdmareg.Registry1 \\- the D\\-Bus interfaces of rdmaregd", ".SH DESCRIPTION"]
    interfaces = []
    for path in files:
        document = xml.dom.minidom.parse(path)
        description = [n.data for n in document.childNodes if n.nodeType == n.COMMENT_NODE and "SPDX" not in n.data]
        interfaces += document.getElementsByTagName("interface")
        for text in description:
            out += text_of(dedent(text.split("\n")))
    out += [".PP", "The interfaces as XML, for generators of code, are in \\fI/usr/share/dbus\\-1/interfaces\\fR."]
    for interface in interfaces:
        out += interface_page(interface)
    out += [".SH ERRORS", "All begin with \\fBorg.rdmareg.Registry1.Error.\\fR; which method gives which, and why, is said there."]
    for name, what in errors:
        out += [".TP", f"\\fB{name}\\fR", escape(" ".join(what.split())) or "\\&"]
    out += [".SH EXAMPLES", ".nf", "busctl call org.rdmareg.Registry1 /org/rdmareg/Registry1 org.rdmareg.Registry1.Manager \\e",
            "    ListRegions 'a{sv}' 1 limit u 16", "busctl introspect org.rdmareg.Registry1 /org/rdmareg/Registry1", ".fi",
            ".SH SEE ALSO", "\\fBrdmaregd\\fR(8), \\fBrdmaregctl\\fR(1), \\fBlibrdmareg\\fR(3)"]
    return out


# ---- headers ----

DECLARED = re.compile(r"^(?!typedef|#|\s|/|\}|(?:struct|enum) \w+ \{)[\w\s\*]*?\b(\w+)\s*\([^;{]*\)[^;{]*;", re.M)


def functions_of(text):
    return DECLARED.findall(re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S))


def part_of(path):
    stem = pathlib.Path(path).stem
    return "rdmareg-errors" if stem == "rdmareg" else stem


def pieces(text):
    """The comments at the left edge, each with the declarations after it."""
    for match in re.finditer(r"^/\*(.*?)\*/\n(.*?)(?=^/\*|\Z)", text, re.M | re.S):
        lines = [re.sub(r"^ \* ?|^ \*?$", "", line) for line in match[1].split("\n")]
        code = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", match[2], flags=re.M | re.S)
        yield dedent(lines), re.sub(r"^#(?:ifndef|endif|error|include|define RDMAREG\w*_H\b).*\n", "", code, flags=re.M).strip("\n")


def header_page(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    part, names = part_of(path), functions_of(text)
    (opening, code), *rest = list(pieces(text))[1:]  # behind the licence
    opening[0] = re.sub(r"^\S+ - ", "", opening[0])
    what = re.split(r"[.:;] |[.:;]$", " ".join(opening).removeprefix("owner side: ").removeprefix("peer side: "))[0]
    rest = [([], code), *rest]
    out = title(part, "3", "librdmareg")
    out += [".SH NAME", escape(", ".join(names or [part])) + " \\- " + escape(what), ".SH SYNOPSIS", "\\fB#include <rdmareg.h>\\fR"]
    out += [".SH DESCRIPTION", *text_of(opening)]
    for comment, code in rest:
        named = functions_of(code + "\n")
        kinds = re.findall(r"^((?:struct|enum) \w+) \{", code, re.M)
        heading = ", ".join([*(f"{name}()" for name in named), *kinds])
        if heading:
            out.append(f'.SS "{escape(heading)}"')
        elif code or comment:
            out.append(".PP")
        if code.strip():
            out += [".nf", *(escape(line.replace("\t", "    ")) for line in code.split("\n")), ".fi"]
        out += text_of(without_name(comment, named[0] if len(named) == 1 else "") if comment else [])
    out += [".SH SEE ALSO", "\\fBlibrdmareg\\fR(3), \\fBrdmaregd\\fR(8)"]
    return out


def main():
    what, *rest = sys.argv[1:]
    if what == "bus":
        page = bus_page(pathlib.Path(rest[0]).read_text(encoding="utf-8"), rest[1:])
    elif what == "header":
        page = header_page(rest[0])
    else:
        page = functions_of(pathlib.Path(rest[0]).read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
