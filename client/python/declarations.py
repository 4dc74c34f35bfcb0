#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# declarations.py SONAME HEADER... - prints the module's _library: what the peer side of the Python module declares of librdmareg, taken from
# the public headers, so that no declaration is kept twice. The structures begin with their size, so a newer library understands them.
import re
import sys

PAGE = '''# SPDX-License-Identifier: LGPL-2.1-or-later
"""librdmareg as its headers declare it. Made by client/python/declarations.py."""
from typing import Any

from cffi import FFI  # type: ignore[import]

ffi: Any = FFI()
ffi.cdef("""
{declarations}
""")
lib: Any = ffi.dlopen("{soname}")
EVENTS = {{number: name.removeprefix("RDMAREG_PEER_EVENT_").lower().replace("_", "-")
          for number, name in ffi.typeof("enum rdmareg_peer_event_type").elements.items()}}
'''


def declarations(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", text, flags=re.S | re.M)
    text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*\n", "", text, flags=re.M)
    return re.sub(r"[ \t]+$", "", re.sub(r"\n\s*\n+", "\n", text), flags=re.M).strip()


print(PAGE.format(soname=sys.argv[1], declarations="\n".join(declarations(path) for path in sys.argv[2:])), end="")
