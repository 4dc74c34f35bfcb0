# SPDX-License-Identifier: LGPL-2.1-or-later
"""The descriptor for what a caller wants registered.

What always holds: rdmaregd is given a descriptor, never a path; the caller's own descriptor is not
closed, and one that was opened here is.
"""
from __future__ import annotations

import asyncio
import fcntl
import os
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, NamedTuple, Optional, Union

from ._errors import InvalidFile, from_system

Source = Union[str, "os.PathLike[str]", int, Any]


class Range(NamedTuple):
    """A descriptor and the part of its file that is meant; length 0: to its end."""
    fd: int
    offset: int
    length: int


def _address(memory: memoryview) -> int:
    from cffi import FFI  # type: ignore[import]
    ffi = FFI()
    return int(ffi.cast("uintptr_t", ffi.from_buffer(memory)))


def _mapping(address: int) -> Optional[tuple[int, int, int, str]]:
    """Of the mapping with this address: device, inode, offset in the file of the address, path."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            words = line.rstrip("\n").split(maxsplit=5)
            start, end = (int(edge, 16) for edge in words[0].split("-"))
            if start <= address < end and int(words[4]):
                major, minor = (int(number, 16) for number in words[3].split(":"))
                return os.makedev(major, minor), int(words[4]), int(words[2], 16) + address - start, words[5] if len(words) > 5 else ""
    return None


def _of_memory(source: Any, asked: str) -> Range:
    """Of a file mapping (mmap, numpy.memmap): a descriptor of this process for the same file. mmap.mmap keeps one."""
    try:
        memory = memoryview(source)
    except TypeError:
        raise InvalidFile(asked, f"{type(source).__name__} is no path, no descriptor, nothing with a fileno(), and no mapping") from None
    found = _mapping(_address(memory)) if memory.nbytes else None
    if not found:
        raise InvalidFile(asked, "this memory is not a mapping of a file: map one, or pass a path or a descriptor")
    device, inode, offset, path = found
    best = -1
    for name in os.listdir("/proc/self/fd"):
        try:
            state = os.stat(int(name))
            # a subvolume of btrfs has another device number here than in /proc/self/maps
            same = state.st_ino == inode and (state.st_dev == device or os.readlink(f"/proc/self/fd/{name}") == path)
            flags = int(next(line.split()[1] for line in open(f"/proc/self/fdinfo/{name}", encoding="ascii") if line.startswith("flags")), 8)
        except (OSError, StopIteration):
            continue
        if same and not flags & os.O_PATH and (best < 0 or flags & os.O_ACCMODE == os.O_RDWR):
            best = int(name)
    if best < 0:
        raise InvalidFile(asked, f"this process has no descriptor of the mapped file {path} any more: pass one")
    return Range(best, offset, memory.nbytes)


def _checked(fd: int, asked: str) -> Range:
    """The bus cuts off who passes what is not open."""
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except (OSError, OverflowError, ValueError):
        raise InvalidFile(asked, f"{fd} is no descriptor that is open") from None
    return Range(fd, 0, 0)


def _close_late(made: Future[int]) -> None:
    if not made.exception():
        os.close(made.result())


async def _open(path: Union[str, "os.PathLike[str]"], flags: int) -> int:
    """In a thread, as a filesystem may take its time. The thread cannot be stopped: what it opens for who has left is closed there."""
    made: Future[int] = Future()

    def work() -> None:
        try:
            made.set_result(os.open(path, flags))
        except BaseException as error:  # pylint: disable=broad-except
            made.set_exception(error)

    try:
        await asyncio.get_running_loop().run_in_executor(None, work)
    except asyncio.CancelledError:
        made.add_done_callback(_close_late)
        raise
    return made.result()


@asynccontextmanager
async def opened(source: Source, access: str, asked: str) -> AsyncIterator[Range]:
    """`source` as a descriptor: a path, a descriptor, something with a fileno(), or the memory of a file mapping."""
    if isinstance(source, bool):
        raise InvalidFile(asked, "a bool is no descriptor")
    if isinstance(source, int):
        yield _checked(source, asked)
    elif isinstance(source, (str, os.PathLike)):
        flags = (os.O_RDWR if access == "rw" else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            fd = await _open(source, flags)
        except OSError as error:
            raise from_system(f"{asked}: opening {os.fspath(source)}", error) from error
        except ValueError as error:
            raise InvalidFile(asked, str(error)) from None
        try:
            yield Range(fd, 0, 0)
        finally:
            os.close(fd)
    elif hasattr(source, "fileno"):
        try:
            fd = int(source.fileno())
        except (OSError, ValueError) as error:  # a file object that is closed, or of no file
            raise InvalidFile(asked, str(error)) from None
        yield _checked(fd, asked)
    else:
        yield _of_memory(source, asked)
