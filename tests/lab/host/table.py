#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
table.py [--check] - makes docs/arbitration-table.md from the facts in tests/lab/table/*.tsv; --check: only say whether it differs.
table.py --add SERIES FILESYSTEM - takes what the guest's table.sh prints, and puts each row into tests/lab/table/SERIES.tsv as soon
    as it comes, with kernel and day, in the place of an older one. Where the guest says that these were all, older rows that did
    not come again go. Lines that are no rows (programs' complaints share the guest's line) are passed on.
table.py --filesystems - prints their names.

A row: filesystem, operation, by whom, what was asked for, mode, notice, waits, result, kernel, day.
"""
import datetime
import fcntl
import os
import pathlib
import sys
import textwrap

top = pathlib.Path(__file__).resolve().parents[3]
target = top / "docs" / "arbitration-table.md"
filesystems = {
    "xfs": "XFS",
    "xfsdax": "XFS, `dax=always`",
    "ext4": "ext4",
    "ext4dax": "ext4, `dax=always`",
    "btrfs": "btrfs",
    "zoned": "btrfs on a disk of zones (null_blk)",
    "f2fs": "f2fs",
    "tmpfs": "tmpfs, memfd",
    "exchange": "XFS made with `-i exchange=1`",
    "nfs": "NFS 4.2 (a client on the same machine; the server has it on ext4)",
}
head = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# What happens when somebody takes blocks of a registered file

Generated: `./run table` runs each cell in the lab (two hours) and writes this file, with the day
and the kernel of each row; `./run table 6.12 ext4 punch` runs only some. `./run test` runs a part
of them again and compares. Do not edit it.

A region of 4 MiB with a grace of 0.4 s is registered; its holder is asked and stays silent; another
process, which is root's or an ordinary user's, does the operation. On kernels whose soft-RoCE has
no on-demand paging (before 6.15) the keeper runs without an adapter; module, filesystem and
arbitration are the real ones.

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

Operations whose names do not say all:

* **old-punch**: punch through a descriptor that was open before the registration.
* **reflink-from**, **dedupe-from**: the file's blocks are shared with another file; **-into**: it
  gets blocks of another one.
* **uring-**: by io_uring, in a worker of the ring; **-32**: by a 32-bit program.
* **swapext**: extents exchanged as xfs_fsr(8) does it. **rebuild**: online repair of the file's
  extent map (XFS_IOC_SCRUB_METADATA with both flags for repair; Debian's kernels have it from 7.x
  on).
* **loop-**: by a loop device whose image the file is; **target-**: by an initiator of nvmet,
  **lio-**: of LIO, whose backing file it is. Only root can do these.
* **cache-cull**: cachefiles unlinks the file, told to by the daemon of a cache in its folder
  (cachefilesd(8) does that when room is short). The file is an ordinary one here; those of a cache
  are root's, and nobody has a reason to register one.
* **f2fs-**: ioctls of f2fs. Blocks that defragmentation and an atomic write move are no loss: peers
  reach the pages, as elsewhere with a page cache. **f2fs-move** gives blocks to another file and
  leaves a hole; **f2fs-trim** discards them and leaves zeros, which is a write. Garbage collection
  of a segment that is wholly in use ends with EAGAIN. A file with blocks cannot be pinned (EFBIG;
  `F2FS_IOC_SET_PIN_FILE` takes an empty one).
* **relocate**: btrfs moves all data (`btrfs balance start -d`), as it does when it reclaims zones.
* **overlay-truncate**: ftruncate(2) through an overlay whose upper file it is.
* **swapon**: the kernel swaps to the file.
* **nfs-**: by an NFS client, while this kernel's NFS server exports the file's folder; **smb-**: by
  an SMB 3.1.1 client of its SMB server (ksmbd with ksmbd-tools 3.5.3, no leases and oplocks). Where
  the filesystem has no clones, that server copies, which is a write. **smb-old-punch** is a punch
  through a handle that the client had before the registration.
* **server-**: the file is registered where an NFS client has it mounted, and somebody changes it at
  the server. A client keeps what it knows of a file for up to a minute (`acregmax`); until it has
  asked the server again nobody is told, and peers reach what it has cached.

Not tried:

* **cachefiles** for EROFS on demand, which is not in Debian's kernels (6.1 and 6.12: `#
  CONFIG_CACHEFILES_ONDEMAND is not set`; 7.3: no such line; from the `.config` of their header
  packages).
* **Zones of XFS**: mkfs.xfs 6.13, which Debian 13 has, knows no `-r zoned=1` (it prints its usage).

LIO's initiator (tcm_loop) reads no page on provisioning, so it discards by WRITE SAME with UNMAP,
which fails (EREMOTEIO) unless the backend has `emulate_tpws` set besides `emulate_tpu`.

`auto`, `pre-content` and `hold` are what the region asked for (option `arbitration`; policy
`hold`); in brackets the mode that it got. `by`: who does the operation, `user` is an ordinary one;
`anybody`: root and an ordinary user were tried, with the same result. Kernels without pre-content
events (before 6.14) have no such column: it would be that of `auto`; and `hold`, which can refuse
nobody there, was tried with root only. A row that is missing on a kernel was not tried there.
"""


def describe(row, works):
    """works: the same operation does, if nobody refuses it."""
    _, operation, _, asked, mode, notice, waits, result = row[:8]
    if result == "ETXTBSY":
        text = "refused"
    elif result != "ok" and asked == "hold" and works and operation.startswith(("nfs-", "smb-")):
        text = f"refused, the client says {result}"
    elif result in ("EOPNOTSUPP", "EINVAL", "ENOTTY", "EXDEV", "ENOSYS"):
        return "not there"
    elif result != "ok":
        text = f"fails: {result}"
    elif operation == "relocate" and notice == "none":
        text = "passes"  # it takes long by itself
    elif waits == "yes":
        text = "told before, waits" if notice == "before" else "waits, not told"
    elif notice == "none" and operation.startswith("server-"):
        text = "not told within 9 s"
    elif notice == "none":
        text = "passes"
    else:
        text = f"told {notice}"
    return f"{text} ({mode})"


def read(path):
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


def change(path, add=(), keep=lambda row: True):
    """Others may change the file at the same time."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        rows = {tuple(r[:4]): r for r in read(path) if keep(r)} | {tuple(r[:4]): r for r in add}
        new = path.with_suffix(".new")
        new.write_text("".join("\t".join(r) + "\n" for r in rows.values()))
        new.replace(path)
    finally:
        os.close(folder)


def add(path, fs):
    seen, kernel = set(), None
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    for line in sys.stdin:
        line = line.replace("\r", "").rstrip("\n")
        row = line.split("\t")
        if len(row) == 8 and row[0] == fs and kernel:
            seen.add(tuple(row[:4]))
            change(path, add=[row + [kernel, day]])
        elif line == "# whole":
            change(path, keep=lambda r: r[0] != fs or tuple(r[:4]) in seen)
        elif line.startswith("# ") and not kernel:
            kernel = line[2:]
        else:
            print(line, file=sys.stderr, flush=True)
    if not seen:
        sys.exit(f"{fs}: no row")
    print(f"{len(seen)} rows")


def days(rows):
    """When rows were measured, the most of them first, and the operations of the others."""
    by = {}
    for r in rows:
        by.setdefault((r[9], r[8]), {})[r[1]] = None
    counts = {when: sum((r[9], r[8]) == when for r in rows) for when in by}
    most, *others = sorted(by, key=lambda when: -counts[when])
    out = f"Measured on {most[0]}, Linux {most[1]}."
    for when in sorted(others):
        kernel = "" if when[1] == most[1] else f" (Linux {when[1]})"
        out += f" On {when[0]}{kernel}: {', '.join(by[when])}."
    return "\n".join(textwrap.wrap(out, 100, break_on_hyphens=False))


def section(path):
    rows = read(path)
    out = [f"\n## Linux {path.stem}\n"]
    for fs, title in filesystems.items():
        mine = [r for r in rows if r[0] == fs]
        if not mine:
            continue
        asked = list(dict.fromkeys(r[3] for r in mine))
        out += [f"\n### {title}\n", days(mine), ""]
        out += [f"| operation | by | {' | '.join(asked)} |", "|---|---" + "|---" * len(asked) + "|"]
        for operation in dict.fromkeys(r[1] for r in mine):
            by = {}
            these = [r for r in mine if r[1] == operation]
            works = any(r[3] == "auto" and r[7] == "ok" for r in these)
            for r in these:
                by.setdefault(r[2], {})[r[3]] = describe(r, works)
            if "user" in by and by["user"].items() <= by.get("root", {}).items():
                by = {"anybody": by["root"]}
            for who, cells in by.items():
                out.append(f"| {operation} | {who} | {' | '.join(cells.get(a, 'not tried') for a in asked)} |")
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:2] == ["--filesystems"]:
        print(*filesystems)
        return
    if sys.argv[1:2] == ["--add"]:
        add(top / "tests/lab/table" / f"{sys.argv[2]}.tsv", sys.argv[3])
        return
    paths = sorted((top / "tests/lab/table").glob("*.tsv"), key=lambda p: [-int(n) for n in p.stem.split(".")])
    text = head + "".join(section(p) for p in paths)
    if "--check" not in sys.argv:
        target.write_text(text)
    elif not target.exists() or target.read_text() != text:
        sys.exit("docs/arbitration-table.md is not what tests/lab/table says: run tests/lab/host/table.py, or ./run table")


main()
