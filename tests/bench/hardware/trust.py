# SPDX-License-Identifier: GPL-2.0-or-later
"""trust.py - where the hardware kit may write as root: only where nobody else can lead it astray.

Whoever may write to a directory, or owns one, can rename what is in it, and put a link to any file of the machine in its place. So what always
holds: nothing is made below a directory that belongs to somebody else, or that others may write to (unless it is sticky, as /tmp is, where
nobody renames what another one has). Trusted are root, the user who runs the kit, and whoever owns the kit: root runs what that one wrote."""
import os
import stat

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def why_not(place):
    """Why nothing may be made in @place, in words; "": it may. It is an absolute path whose links were resolved, and that alone is used later on:
    who owns the directory of a link can turn it. All of its parents are looked at, from the top."""
    owners, path = {0, os.geteuid(), os.stat(__file__).st_uid}, "/"
    fd = os.open(path, OPEN)
    try:
        for part in ("", *filter(None, place.split("/"))):
            if part:
                path = os.path.join(path, part)
                inner = os.open(part, OPEN, dir_fd=fd)
                os.close(fd)
                fd = inner
            found = os.fstat(fd)
            if found.st_uid not in owners:
                return f"{path} belongs to user {found.st_uid}, who could put links in the place of what is made below it; name a directory of root's"
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
                return f"others may write to {path}, and put links in the place of what is made below it; name a directory that only root may write to"
    except OSError as e:
        return f"{os.path.join(path, part)}: {e.strerror}"
    finally:
        os.close(fd)
    return ""


def create(path, mode=0o600):
    """A new file for writing; never through a link, and never one that is there."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode), "wb")
