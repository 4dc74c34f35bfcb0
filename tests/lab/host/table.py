#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py [--check] - makes docs/arbitration-table.md from the facts in tests/lab/table/*.tsv; --check: only say whether it differs."""
import pathlib
import sys

top = pathlib.Path(__file__).resolve().parents[3]
target = top / "docs" / "arbitration-table.md"
filesystems = {
    "xfs": "XFS",
    "xfsdax": "XFS, `dax=always`",
    "ext4": "ext4",
    "ext4dax": "ext4, `dax=always`",
    "btrfs": "btrfs",
    "tmpfs": "tmpfs, memfd",
    "exchange": "XFS made with `-i exchange=1`",
}
head = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# What happens when somebody takes blocks of a registered file

Generated: `./run table` runs each cell in the lab (about a quarter of an hour) and writes this
file; `./run test` runs a part of them again and compares. Do not edit it.

A region of 4 MiB with a grace of 0.4 s is registered; its holder is asked and stays silent; another
process does the operation. On kernels whose soft-RoCE has no on-demand paging (before 6.15) the
keeper runs without an adapter; module, filesystem and arbitration are the real ones.

* **told before, waits**: holders are told before blocks are taken, and the operation waits for
  them, not longer than the deadline.
* **told after**: the operation goes on at once; holders learn afterwards what became of it: the new
  length, that blocks were taken (`Bypasses`), or that the file is no longer at its path
  (`PathState`).
* **passes**: it goes on at once, and there is nothing to tell: no block of the region was taken, or
  (tmpfs) peers simply reach what the file has now.
* **fails**: with that error, which is the operation's own.
* **refused**: the operation fails with `ETXTBSY`.
* **not there**: the filesystem does not have the operation.

The last rows are operations from the kernel's own side, and by ways that few programs go: extents
exchanged as xfs_fsr(8) does (swapext), a loop device whose image the file is, an overlay above it,
a 32-bit program.

`auto`, `pre-content` and `hold` are what the region asked for (option `arbitration`; policy
`hold`); in brackets the mode that it got.
"""


def describe(row):
    _, _, asked, mode, notice, waits, result = row
    if result == "ETXTBSY":
        text = "refused"
    elif result in ("EOPNOTSUPP", "EINVAL", "ENOTTY", "EXDEV", "ENOSYS"):
        return "not there"
    elif result != "ok":
        text = f"fails: {result}"
    elif waits == "yes":
        text = "told before, waits" if notice == "before" else "waits, not told"
    elif notice == "none":
        text = "passes"
    else:
        text = f"told {notice}"
    return f"{text} ({mode})"


def section(path):
    lines = path.read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    out = [f"\n## Linux {lines[0].lstrip('# ')}\n"]
    for fs, title in filesystems.items():
        mine = [r for r in rows if r[0] == fs]
        if not mine:
            continue
        out += [f"\n### {title}\n", "| operation | auto | pre-content | hold |", "|---|---|---|---|"]
        for operation in dict.fromkeys(r[1] for r in mine):
            cells = {r[2]: describe(r) for r in mine if r[1] == operation}
            out.append(f"| {operation} | {cells['auto']} | {cells['pre-content']} | {cells['hold']} |")
    return "\n".join(out) + "\n"


paths = sorted((top / "tests/lab/table").glob("*.tsv"), key=lambda p: [-int(n) for n in p.stem.split(".")])
text = head + "".join(section(p) for p in paths)
if "--check" not in sys.argv:
    target.write_text(text)
elif not target.exists() or target.read_text() != text:
    sys.exit("docs/arbitration-table.md is not what tests/lab/table says: run tests/lab/host/table.py, or ./run table")
