# SPDX-License-Identifier: LGPL-2.1-or-later
"""The peer side, over librdmareg.

What always holds: one thread of its own uses a peer, so that a transfer holds up neither the loop nor
another peer; a buffer is not touched any more when the awaited call has ended, also if that was
cancelled (it then ends when the transfer has).
"""
from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar

from ._errors import Disconnected, InvalidOption, PeerError
from ._events import EventStream, PeerEvent

R = TypeVar("R")


@dataclass(frozen=True)
class PeerInfo:
    """What is known about the connection and the region now: the members of struct rdmareg_peer_info."""
    region: int
    length: int
    valid_length: int
    address: int
    rkey: int
    generation: int
    alignment: int
    path_mtu: int
    grace_msec: int
    access: str
    revocation: int
    device: str
    remote_address: str
    minimum_mtu: int
    durability: str
    acknowledged: bool
    connected: bool
    persists_by_flush: bool
    path_state: str


def _library() -> Any:
    """Loaded when a peer is wanted: programs with regions alone need no RDMA libraries."""
    from . import _library as loaded
    return loaded


def _text(value: Any) -> str:
    return str(_library().ffi.string(value).decode("utf-8", "replace"))


def _memory(buffer: Any, writable: bool, asked: str) -> Any:
    """The bytes of `buffer`, without a copy; it cannot be resized as long as this is there."""
    try:
        return _library().ffi.from_buffer("char[]", buffer, require_writable=writable)
    except (TypeError, ValueError, BufferError) as error:
        raise InvalidOption(asked, f"{type(buffer).__name__} is not contiguous memory{' that can be written to' if writable else ''}: {error}") \
            from None


class Peer:
    """A connection to a region. Made by Peer.connect(), for `async with`.

    `on_revocation`: what transfers do when the region's host asks for blocks back: "yield" (the default): acknowledge, wait, go on;
    "return": fail with EAGAIN, and the program acknowledges (events(), acknowledge()); "ignore" is for tests.
    """

    def __init__(self, handle: Any, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = handle
        self._thread = thread
        self._loop = loop
        self._streams: list[EventStream[PeerEvent]] = []
        self._fd = int(_library().lib.rdmareg_peer_get_fd(handle))
        self._watch()

    @classmethod
    async def connect(cls, ticket: str, *, access: str = "r", on_revocation: str = "yield", source_address: Optional[str] = None,
                      connect_timeout_usec: int = 0, io_timeout_usec: int = 0, settle_timeout_usec: int = 0, buffer_bytes: int = 0) -> Peer:
        """Connect to the region of a ticket. What is 0 or None has librdmareg's default. PeerError: errno as in rdmareg-peer.h."""
        asked = "connecting to a region"  # without the ticket: whoever reads it has the access
        library = _library()
        ffi, lib = library.ffi, library.lib
        ways = {"return": lib.RDMAREG_ON_REVOCATION_RETURN, "yield": lib.RDMAREG_ON_REVOCATION_YIELD, "ignore": lib.RDMAREG_ON_REVOCATION_IGNORE}
        rights = {"r": lib.RDMAREG_ACCESS_READ, "rw": lib.RDMAREG_ACCESS_READ_WRITE}
        if access not in rights or on_revocation not in ways:
            raise InvalidOption(asked, f"access is one of {', '.join(rights)}; on_revocation is one of {', '.join(ways)}")
        if "\0" in ticket or "\0" in (source_address or ""):
            raise InvalidOption(asked, "there is a zero byte in the ticket or the address")
        address = ffi.new("char[]", source_address.encode()) if source_address else ffi.NULL
        try:
            options = ffi.new("struct rdmareg_peer_options *", {
                "size": ffi.sizeof("struct rdmareg_peer_options"), "source_address": address, "on_revocation": ways[on_revocation],
                "connect_timeout_usec": connect_timeout_usec, "io_timeout_usec": io_timeout_usec, "settle_timeout_usec": settle_timeout_usec,
                "buffer_bytes": buffer_bytes})
        except (OverflowError, TypeError) as error:
            raise InvalidOption(asked, str(error)) from None
        thread = ThreadPoolExecutor(1, "rdmareg-peer")

        def begin() -> Any:
            made = ffi.new("struct rdmareg_peer **")
            _check(lib.rdmareg_peer_connect(ticket.encode(), rights[access], options, made), asked)
            return ffi.gc(made[0], lib.rdmareg_peer_close)

        loop = asyncio.get_running_loop()
        try:
            handle = await _finish(loop.run_in_executor(thread, begin))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(handle, thread, loop)

    async def close(self) -> None:
        """End the connection. What waits in this peer's thread is done before."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        self._loop.remove_reader(self._fd)
        await _finish(self._loop.run_in_executor(self._thread, _library().ffi.release, handle))
        self._thread.shutdown(wait=False)
        for stream in self._streams:
            stream.close()

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.close()

    async def run(self, work: Callable[[Any], R], asked: str) -> R:
        """Used by this module alone: `work` in the peer's thread."""
        handle = self._handle
        if handle is None:
            raise Disconnected(asked, "this peer is closed")

        def body() -> R:
            result = work(handle)
            self._take(handle)
            return result
        try:
            return await _finish(self._loop.run_in_executor(self._thread, body))
        except PeerError:
            if self._handle is not None:
                await _finish(self._loop.run_in_executor(self._thread, self._take, handle))
            raise

    # transfers

    async def read_into(self, buffer: Any, offset: int = 0) -> int:
        """Fill `buffer` (bytearray, array, numpy array, ...) with what the region has from `offset` on; its length is returned."""
        return await self._transfer(_library().lib.rdmareg_peer_read, buffer, True, offset, "reading from a region")

    async def write_from(self, buffer: Any, offset: int = 0) -> int:
        """Write all of `buffer` into the region, from `offset` on; returns its length. It is in the adapter then: flush(), persist()."""
        return await self._transfer(_library().lib.rdmareg_peer_write, buffer, False, offset, "writing to a region")

    async def _transfer(self, call: Any, buffer: Any, writable: bool, offset: int, asked: str) -> int:
        memory = _memory(buffer, writable, asked)
        total, begin = len(memory), _number(offset)
        try:
            return await self.run(
                lambda p: _loop(lambda done: int(call(p, memory + done, total - done, begin + done)), total, asked), asked)
        finally:
            _library().ffi.release(memory)

    async def pin(self, buffer: Any, *, writable: bool = True) -> PinnedBuffer:
        """Register memory with the adapter, so that transfers need no copy. It is pinned until PinnedBuffer.free()."""
        asked = "registering a buffer"
        memory = _memory(buffer, writable, asked)

        def work(handle: Any) -> Any:
            made: Any = _library().ffi.new("struct rdmareg_buffer **")
            _check(_library().lib.rdmareg_peer_register_buffer(handle, memory, len(memory), writable, made), asked)
            return made[0]
        return PinnedBuffer(self, await self.run(work, asked), memory)

    async def flush(self, offset: int = 0) -> None:
        """Every byte that this peer wrote before is then in the region's memory. It is not durable: persist()."""
        await self.run(lambda p: _check(_library().lib.rdmareg_peer_flush(p, _number(offset)), "flushing"), "flushing")

    async def persist(self, offset: int = 0, length: int = 0) -> None:
        """Every byte of the range that this peer wrote before then survives a power cut over there. Length 0: to the valid end."""
        def work(handle: Any) -> int:
            until = _number(length) or max(_info(handle).valid_length - _number(offset), 0)
            return _check(_library().lib.rdmareg_peer_persist(handle, _number(offset), until), "persisting")
        await self.run(work, "persisting")

    # state and events

    async def info(self) -> PeerInfo:
        """What is known now; asks nobody."""
        return await self.run(_info, "peer information")

    async def acknowledge(self, revocation: int) -> None:
        """With on_revocation="return": nothing of this program is in flight, and nothing is started until it is settled."""
        await self.run(lambda p: _check(_library().lib.rdmareg_peer_acknowledge(p, _number(revocation)), "acknowledging"), "acknowledging")

    def events(self) -> EventStream[PeerEvent]:
        """Events from now on. Ends with the connection, after "disconnected"."""
        made: EventStream[PeerEvent] = EventStream(None, lambda e: isinstance(e, PeerEvent) and e.kind == "disconnected")
        self._streams.append(made)
        if self._handle is None:
            made.close()
        return made

    def _watch(self) -> None:
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        """Something came while nothing is transferred, or a transfer is about to take it."""
        self._loop.remove_reader(self._fd)  # until it was taken: the thread may be busy
        handle = self._handle

        def dispatch() -> bool:
            _library().lib.rdmareg_peer_dispatch(handle)
            return self._take(handle)

        def done(task: asyncio.Future[bool]) -> None:
            if self._handle is not None and not task.cancelled() and not task.exception() and task.result():
                self._watch()
        self._loop.run_in_executor(self._thread, dispatch).add_done_callback(done)

    def _take(self, handle: Any) -> bool:
        """In the peer's thread: hand events to the loop. False: the connection has ended."""
        library = _library()
        ffi, lib = library.ffi, library.lib
        connected = True
        while True:
            e = ffi.new("struct rdmareg_peer_event *", {"size": ffi.sizeof("struct rdmareg_peer_event")})
            if lib.rdmareg_peer_next_event(handle, e) <= 0:
                return connected
            event = PeerEvent(
                library.EVENTS[e.type], e.error, e.revocation.id, _text(lib.rdmareg_cause_name(e.revocation.cause)),
                e.revocation.deadline_usec, _text(lib.rdmareg_outcome_name(e.outcome)), e.generation, e.valid_length,
                _text(lib.rdmareg_path_state_name(e.path_state)), e.offset, e.length)
            connected = connected and event.kind != "disconnected"
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: PeerEvent) -> None:
        for stream in self._streams:
            stream.put(event)


class PinnedBuffer:
    """Memory that a peer's adapter can access itself. Ends with its peer; the memory is held until then, or until free()."""

    def __init__(self, peer: Peer, handle: Any, memory: Any) -> None:
        self._peer = peer
        self._handle = handle
        self._memory: Any = memory

    async def read(self, offset: int = 0, *, start: int = 0, length: Optional[int] = None) -> int:
        """Read from the region's `offset` into this memory, `length` bytes from `start` on; default: to its end."""
        return await self._move(_library().lib.rdmareg_peer_read_buffer, offset, start, length, "reading from a region")

    async def write(self, offset: int = 0, *, start: int = 0, length: Optional[int] = None) -> int:
        """The other way."""
        return await self._move(_library().lib.rdmareg_peer_write_buffer, offset, start, length, "writing to a region")

    async def free(self) -> None:
        """Unpin it."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        try:
            await self._peer.run(lambda _: bool(_library().lib.rdmareg_buffer_free(handle)), "freeing a buffer")
        except Disconnected:
            pass  # the peer's end freed it
        _library().ffi.release(self._memory)

    async def __aenter__(self) -> PinnedBuffer:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.free()

    async def _move(self, call: Any, offset: int, start: int, length: Optional[int], asked: str) -> int:
        if self._handle is None:
            raise Disconnected(asked, "this buffer was freed")
        handle, size = self._handle, len(self._memory)
        if not 0 <= start <= size or not 0 <= (length or 0) <= size - start:
            raise InvalidOption(asked, f"the buffer has {size} bytes: start {start} and length {length} are not inside")
        total = size - start if length is None else length

        def work(_: Any) -> int:
            return _loop(lambda done: int(call(handle, start + done, total - done, _number(offset) + done)), total, asked)
        return await self._peer.run(work, asked)


def _number(value: int) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise InvalidOption("a number of bytes", f"{value!r} is not between 0 and 2^64")
    return value


def _check(result: int, asked: str) -> int:
    if result < 0:
        raise PeerError(asked, _text(_library().lib.rdmareg_last_error()), number=-result)
    return result


def _loop(step: Callable[[int], int], total: int, asked: str) -> int:
    done = 0
    while done < total:
        try:
            done += _check(step(done), asked)
        except PeerError as error:
            error.transferred = done
            raise
    return done


def _info(handle: Any) -> PeerInfo:
    library = _library()
    ffi, lib = library.ffi, library.lib
    i = ffi.new("struct rdmareg_peer_info *", {"size": ffi.sizeof("struct rdmareg_peer_info")})
    _check(lib.rdmareg_peer_get_info(handle, i), "peer information")
    return PeerInfo(i.region, i.length, i.valid_length, i.address, i.rkey, i.generation, i.alignment, i.path_mtu, i.grace_msec,
                    _text(lib.rdmareg_access_name(i.access)), i.revocation.id, _text(i.device), _text(i.remote_address), i.minimum_mtu,
                    _text(lib.rdmareg_durability_name(i.durability)), bool(i.acknowledged), bool(i.connected), bool(i.persists_by_flush),
                    _text(lib.rdmareg_path_state_name(i.path_state)))


async def _finish(work: asyncio.Future[R]) -> R:
    """Wait for it in any case: what it uses may be taken away afterwards. Then be cancelled, if that was asked."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # pylint: disable=broad-except
            break
    if cancelled:
        if not work.cancelled():
            work.exception()
        raise asyncio.CancelledError
    return work.result()
