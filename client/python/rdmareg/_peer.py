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
from ._events import Event, EventStream, PeerEvent

R = TypeVar("R")
C = TypeVar("C", bound="_Connection")


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


class _Connection:
    """What a peer and rails have in common. `_prefix` is that of the library's functions for them."""
    _prefix = ""

    def __init__(self, handle: Any, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = handle
        self._thread = thread
        self._loop = loop
        self._streams: list[EventStream[PeerEvent]] = []
        self._fd = int(self._function("get_fd")(handle))
        self._watch()

    @classmethod
    def _function(cls, name: str) -> Any:
        return getattr(_library().lib, cls._prefix + name)

    @classmethod
    async def _connect(cls, made: Any, call: Callable[[Any], int], asked: str) -> tuple[Any, ThreadPoolExecutor, asyncio.AbstractEventLoop]:
        """`call` fills `made`, in the thread that is the connection's from now on."""
        thread = ThreadPoolExecutor(1, "rdmareg-peer")

        def begin() -> Any:
            _check(call(made), asked)
            return _library().ffi.gc(made[0], cls._function("close"))

        loop = asyncio.get_running_loop()
        try:
            handle = await _finish(loop.run_in_executor(thread, begin))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return handle, thread, loop

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

    async def __aenter__(self: C) -> C:
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
        return await self._transfer(self._function("read"), buffer, True, offset, "reading from a region")

    async def write_from(self, buffer: Any, offset: int = 0) -> int:
        """Write all of `buffer` into the region, from `offset` on; returns its length. It is in the adapter then: flush(), persist()."""
        return await self._transfer(self._function("write"), buffer, False, offset, "writing to a region")

    async def _transfer(self, call: Any, buffer: Any, writable: bool, offset: int, asked: str) -> int:
        memory = _memory(buffer, writable, asked)
        total, begin = len(memory), _number(offset)
        try:
            return await self.run(
                lambda p: _loop(lambda done: int(call(p, memory + done, total - done, begin + done)), total, asked), asked)
        finally:
            _library().ffi.release(memory)

    async def flush(self, offset: int = 0) -> None:
        """Every byte that this peer wrote before is then in the region's memory. It is not durable: persist()."""
        await self.run(lambda p: _check(self._function("flush")(p, _number(offset)), "flushing"), "flushing")

    async def persist(self, offset: int = 0, length: int = 0) -> None:
        """Every byte of the range that this peer wrote before then survives a power cut over there. Length 0: to the valid end."""
        def work(handle: Any) -> int:
            until = _number(length) or max(self._valid_length(handle) - _number(offset), 0)
            return _check(self._function("persist")(handle, _number(offset), until), "persisting")
        await self.run(work, "persisting")

    # events

    def events(self) -> EventStream[PeerEvent]:
        """Events from now on. Ends with the connection, after "disconnected"."""
        made: EventStream[PeerEvent] = EventStream(None, self._is_end)
        self._streams.append(made)
        if self._handle is None:
            made.close()
        return made

    def _is_end(self, event: Event) -> bool:
        """Of rails one that breaks is no end."""
        return isinstance(event, PeerEvent) and event.kind == "disconnected"

    def _valid_length(self, handle: Any) -> int:
        return _info(lambda i: int(_library().lib.rdmareg_peer_get_info(handle, i))).valid_length

    def _watch(self) -> None:
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        """Something came while nothing is transferred, or a transfer is about to take it."""
        self._loop.remove_reader(self._fd)  # until it was taken: the thread may be busy
        handle = self._handle

        def dispatch() -> bool:
            self._function("dispatch")(handle)
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
            if self._function("next_event")(handle, e) <= 0:
                return connected
            event = PeerEvent(
                library.EVENTS[e.type], e.error, e.revocation.id, _text(lib.rdmareg_cause_name(e.revocation.cause)),
                e.revocation.deadline_usec, _text(lib.rdmareg_outcome_name(e.outcome)), e.generation, e.valid_length,
                _text(lib.rdmareg_path_state_name(e.path_state)), e.offset, e.length, e.rail)
            connected = connected and not self._is_end(event)
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: PeerEvent) -> None:
        for stream in self._streams:
            stream.put(event)


class Peer(_Connection):
    """A connection to a region. Made by Peer.connect(), for `async with`.

    `on_revocation`: what transfers do when the region's host asks for blocks back: "yield" (the default): acknowledge, wait, go on;
    "return": fail with EAGAIN, and the program acknowledges (events(), acknowledge()); "ignore" is for tests.
    """
    _prefix = "rdmareg_peer_"

    @classmethod
    async def connect(cls, ticket: str, *, access: str = "r", on_revocation: str = "yield", source_address: Optional[str] = None,
                      connect_timeout_usec: int = 0, io_timeout_usec: int = 0, settle_timeout_usec: int = 0, buffer_bytes: int = 0) -> Peer:
        """Connect to the region of a ticket. What is 0 or None has librdmareg's default. PeerError: errno as in rdmareg-peer.h.

        Of a list of tickets it uses the first that works.
        """
        asked = "connecting to a region"  # without the ticket: whoever reads it has the access
        options, rights, _address = _options(ticket, access, on_revocation, source_address, connect_timeout_usec, io_timeout_usec,
                                             settle_timeout_usec, buffer_bytes, asked)
        library = _library()
        made = library.ffi.new("struct rdmareg_peer **")
        return cls(*await cls._connect(
            made, lambda to: int(library.lib.rdmareg_peer_connect(ticket.encode(), rights, options, to)), asked))

    async def pin(self, buffer: Any, *, writable: bool = True) -> PinnedBuffer:
        """Register memory with the adapter, so that transfers need no copy. It is pinned until PinnedBuffer.free()."""
        asked = "registering a buffer"
        memory = _memory(buffer, writable, asked)

        def work(handle: Any) -> Any:
            made: Any = _library().ffi.new("struct rdmareg_buffer **")
            _check(_library().lib.rdmareg_peer_register_buffer(handle, memory, len(memory), writable, made), asked)
            return made[0]
        return PinnedBuffer(self, await self.run(work, asked), memory)

    async def info(self) -> PeerInfo:
        """What is known now; asks nobody."""
        return await self.run(lambda p: _info(lambda i: int(_library().lib.rdmareg_peer_get_info(p, i))), "peer information")

    async def acknowledge(self, revocation: int) -> None:
        """With on_revocation="return": nothing of this program is in flight, and nothing is started until it is settled."""
        await self.run(lambda p: _check(_library().lib.rdmareg_peer_acknowledge(p, _number(revocation)), "acknowledging"), "acknowledging")


class Rails(_Connection):
    """Connections to the same bytes by several RDMA devices, which all transfers use. Made by Rails.connect(), for `async with`.

    A transfer goes on when a rail breaks, and that rail is connected to again. Revocations are acknowledged by the library.
    """
    _prefix = "rdmareg_rails_"

    @classmethod
    async def connect(cls, tickets: str, *, access: str = "r", stripe_bytes: int = 0, first_only: bool = False, reconnect: bool = True,
                      source_address: Optional[str] = None, connect_timeout_usec: int = 0, io_timeout_usec: int = 0,
                      settle_timeout_usec: int = 0, buffer_bytes: int = 0) -> Rails:
        """Connect by a list of tickets, as export_rails() makes it. What is 0 or None has librdmareg's default: rdmareg-rails.h.

        `first_only`: use the first that works, and the next one when that breaks. PeerError: none was reached.
        """
        asked = "connecting to a region"
        peer, rights, _address = _options(tickets, access, "yield", source_address, connect_timeout_usec, io_timeout_usec,
                                          settle_timeout_usec, buffer_bytes, asked)
        library = _library()
        try:
            options = library.ffi.new("struct rdmareg_rails_options *", {
                "size": library.ffi.sizeof("struct rdmareg_rails_options"), "peer": peer, "stripe_bytes": stripe_bytes,
                "first_only": bool(first_only), "no_reconnect": not reconnect})
        except (OverflowError, TypeError) as error:
            raise InvalidOption(asked, str(error)) from None
        made = library.ffi.new("struct rdmareg_rails **")
        return cls(*await cls._connect(
            made, lambda to: int(library.lib.rdmareg_rails_connect(tickets.encode(), rights, options, to)), asked))

    async def info(self, rail: Optional[int] = None) -> PeerInfo:
        """What is known of one rail, from 0, or of all together; asks nobody. PeerError: it was not reached, for the reason in the text."""
        asked = "rail information"
        if rail is not None and not 0 <= _number(rail) < 1 << 31:
            raise InvalidOption(asked, f"there is no rail {rail}")
        number = -1 if rail is None else rail
        return await self.run(lambda r: _info(lambda i: int(_library().lib.rdmareg_rails_get_info(r, number, i))), asked)

    def _is_end(self, event: Event) -> bool:
        return False

    def _valid_length(self, handle: Any) -> int:
        return _info(lambda i: int(_library().lib.rdmareg_rails_get_info(handle, -1, i))).valid_length

    async def connected(self) -> int:
        """How many rails are connected now."""
        return await self.run(lambda r: _check(_library().lib.rdmareg_rails_get_info(r, -1, _new_info()), "counting"), "counting")


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


def _options(ticket: str, access: str, on_revocation: str, source_address: Optional[str], connect_timeout_usec: int, io_timeout_usec: int,
             settle_timeout_usec: int, buffer_bytes: int, asked: str) -> tuple[Any, Any, Any]:
    """struct rdmareg_peer_options, the access, and what has to be kept as long as the options are used."""
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
    return options, rights[access], address


def _new_info() -> Any:
    ffi = _library().ffi
    return ffi.new("struct rdmareg_peer_info *", {"size": ffi.sizeof("struct rdmareg_peer_info")})


def _info(call: Callable[[Any], int]) -> PeerInfo:
    lib = _library().lib
    i = _new_info()
    _check(call(i), "peer information")
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
