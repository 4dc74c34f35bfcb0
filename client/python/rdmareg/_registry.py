# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection to rdmaregd, over D-Bus.

What always holds: signals count only if the bus says that rdmaregd sent them; a descriptor that
somebody sends is closed; a call ends with an answer, an exception, or the end of the connection.
"""
from __future__ import annotations

import asyncio
import os
import select
from types import TracebackType
from typing import Any, AsyncIterator, Mapping, Optional, Sequence
from weakref import WeakSet

from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.signature import get_signature_tree

from . import _events as events
from ._errors import Disconnected, Error, InvalidOption, NoSuchSession, NotAnswered, NotRunning, NotSupported, from_bus
from ._events import Event, EventStream
from ._files import Source, opened
from ._region import INTERFACE as REGION
from ._region import RAILS_MAX, Region
from ._session import INTERFACE as SESSION
from ._session import Session, limits

NAME = "org.rdmareg.Registry1"
PATH = "/org/rdmareg/Registry1"
MANAGER = NAME + ".Manager"
BUS = "org.freedesktop.DBus"
STANDARD_BUS = "unix:path=/run/dbus/system_bus_socket"
# of each option of the interfaces; the names mean the same everywhere
OPTIONS = {
    "policy": "s", "grace_usec": "t", "detached": "b", "session": "s", "warm": "b", "warm_mode": "s", "arbitration": "s", "name": "s",
    "uid": "u", "access": "s", "expires_usec": "t", "uses": "u", "write": "b", "offset": "t", "length": "t", "for_usec": "t",
    "limit_usec": "t", "state": "s", "after": "t", "limit": "u", "region": "t", "file": "s", "follow": "b", "atomic": "b", "standing": "b",
    "waiting": "b", "due": "b", "MaxRegions": "u", "MaxBytes": "t", "MaxPeers": "u", "MaxTickets": "u", "MaxMemory": "t", "Device": "s", "GraceUSec": "t", "LimitUSec": "t",
    "Uid": "u", "State": "s", "After": "o", "Limit": "u",
}
# those that take as long as the work does
WORK = {"RegisterRegion", "RegisterRegions", "Prefetch", "Configure", "Release", "ReleaseWithin", "Revoke", "Restore", "Sync", "Evict",
        "Reload", "EnforceLimits", "ReplaceKeeper", "CreateDaxDevice", "DestroyDaxDevice", "CreateSession"}


def plain(value: Any) -> Any:
    """Without D-Bus's variants."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def check_text(value: Any) -> None:
    """The same for text: it has to be UTF-8, and without zeroes."""
    if isinstance(value, Variant):
        check_text(value.value)
    elif isinstance(value, str):
        if b"\0" in value.encode():
            raise ValueError(f"{value!r} has a zero in it")
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            check_text(item)


def variants(options: Mapping[str, Any], asked: str) -> dict[str, Variant]:
    """As a{sv}; what is None is left out."""
    made = {}
    for name, value in options.items():
        if value is None:
            continue
        if name not in OPTIONS:
            raise InvalidOption(asked, f"{name} is no option of rdmaregd's interfaces")
        try:
            made[name] = Variant(OPTIONS[name], value)
        except Exception:
            raise InvalidOption(asked, f"{name} cannot be {value!r}: it is of the D-Bus type {OPTIONS[name]}") from None
    return made


class Registry:
    """A private connection to the system bus, for `async with`.

    `address`: of the bus; default: $RDMAREG_BUS_ADDRESS, $DBUS_SYSTEM_BUS_ADDRESS, else the standard one. `interactive`: polkit may ask
    this user for a password, if an agent is there. rdmaregd need not run yet: the first request starts it. When the connection ends,
    so does every region that was registered through it and is not detached.
    """

    def __init__(self, address: Optional[str] = None, *, interactive: bool = False, timeout_usec: int = 25_000_000,
                 work_timeout_usec: int = 600_000_000) -> None:
        self._address = address or os.environ.get("RDMAREG_BUS_ADDRESS") or os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or STANDARD_BUS
        self._interactive = interactive
        self._timeout_usec = timeout_usec
        self._work_timeout_usec = work_timeout_usec
        self._bus: Any = None  # a MessageBus, whose types are not those of every release
        self._gone: Optional[asyncio.Future[Any]] = None
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._sending = asyncio.Lock()
        self._underway: Optional[Message] = None  # dbus-fast has it, and may not have written all of it
        self._owner = ""
        self._ever = False
        self._subscribed = False
        self._streams: WeakSet[EventStream[Any]] = WeakSet()
        self.joined: set[int] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> Registry:
        """Connect. NotRunning: there is no bus. AccessDenied: it does not know this user."""
        if self._bus:
            return self
        try:
            bus: Any = await MessageBus(self._address, negotiate_unix_fd=True).connect()
        except OSError as error:
            raise NotRunning("connecting to the bus", f"{self._address}: {error.strerror or error}") from error
        except Exception as error:
            raise NotRunning("connecting to the bus", f"{self._address}: {error}") from error
        self._bus = bus
        gone: asyncio.Future[Any] = asyncio.ensure_future(bus.wait_for_disconnect())
        gone.add_done_callback(self._end)
        self._gone = gone
        bus.add_message_handler(self._on_message)
        await self.call_object("/org/freedesktop/DBus", BUS, "AddMatch", "s",
                               f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{NAME}'", destination=BUS)
        try:
            self._owner = await self.call_object("/org/freedesktop/DBus", BUS, "GetNameOwner", "s", NAME, destination=BUS)
        except NotRunning:
            pass  # not yet
        self._ever = bool(self._owner)
        return self

    async def close(self) -> None:
        """End the connection, and with it the regions that are not detached."""
        for task in list(self.tasks):
            task.cancel()
        if self._bus:
            self._bus.disconnect()
            assert self._gone
            await asyncio.wait([self._gone])

    async def __aenter__(self) -> Registry:
        return await self.open()

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.close()

    def _end(self, gone: asyncio.Future[Any]) -> None:
        if not gone.cancelled():
            gone.exception()  # how it ended is not of interest
        for stream in list(self._streams):
            stream.close()

    # calls

    async def call_object(self, path: str, interface: str, member: str, signature: str, *arguments: Any, destination: str = NAME,
                          asked: str = "", at_least_usec: int = 0) -> Any:
        """Any method of any object of rdmaregd: its only result, or a list of several. Dictionaries in `arguments` are options.

        `at_least_usec`: how long its answer may take in any case.
        """
        asked = asked or member
        if not self._bus or not self._gone or self._gone.done():
            raise Disconnected(asked, "there is no connection to the bus: use `async with Registry()`, or make a new one")
        body = [variants(argument, asked) if isinstance(argument, dict) else argument for argument in arguments]
        fds = []
        if "h" in signature:  # the one descriptor is the first argument
            fds, body[0] = [body[0]], 0
        try:
            message = Message(destination=destination, path=path, interface=interface, member=member, signature=signature, body=body,
                              flags=MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION if self._interactive else MessageFlag.NONE)
            message.serial = self._bus.next_serial()
            get_signature_tree(signature).verify(body)  # the bus would cut off who sends what does not fit
            check_text(body)
            message.unix_fds = [os.dup(fd) for fd in fds]  # the caller may close his at once when a call is given up
        except Exception as error:
            raise InvalidOption(asked, f"an argument cannot be sent: {error}") from None
        limit_usec = self._work_timeout_usec if member in WORK else self._timeout_usec
        reply = await self._exchange(message, max(limit_usec, at_least_usec), asked)
        if reply.message_type is MessageType.ERROR:
            raise from_bus(asked, str(reply.error_name or ""), str(reply.body[0]) if reply.body else "")
        result = plain(reply.body)
        return result[0] if len(result) == 1 else result or None

    async def _exchange(self, message: Message, limit_usec: int, asked: str) -> Message:
        """Send it, and wait for its answer."""
        assert self._gone
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[message.serial] = answer

        def sent(_: object) -> None:
            for fd in message.unix_fds:
                os.close(fd)

        sending = asyncio.ensure_future(self._send(message))
        sending.add_done_callback(sent)
        try:
            await asyncio.wait([answer, self._gone], timeout=limit_usec / 1e6, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if self._gone.done():
                raise Disconnected(asked, "the connection to the bus ended")
            raise NotAnswered(asked, f"rdmaregd has not answered within {limit_usec} us; what was asked may still be done")
        finally:
            del self._answers[message.serial]
            if message is not self._underway:
                sending.cancel()  # nothing was sent, or all

    async def _send(self, message: Message) -> None:
        """One at a time, and when there is room: dbus-fast sends the newest first, and takes a full socket for the end."""
        assert self._gone
        async with self._sending:
            await self._room()
            self._underway = message
            try:
                await asyncio.wait([self._bus.send(message), self._gone], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._underway = None

    async def _room(self) -> None:
        assert self._bus
        loop = asyncio.get_running_loop()
        poll = select.poll()
        poll.register(self._bus._fd, select.POLLOUT)
        if poll.poll(0):
            return
        fd = os.dup(self._bus._fd)  # dbus-fast waits for its own number
        free = asyncio.Event()
        loop.add_writer(fd, free.set)
        try:
            await free.wait()
        finally:
            loop.remove_writer(fd)
            os.close(fd)

    async def call(self, member: str, signature: str = "", *arguments: Any) -> Any:
        """Any method of the Manager interface, such as Drain: `await registry.call("Drain", "s", "new disks")`."""
        return await self.call_object(PATH, MANAGER, member, signature, *arguments)

    async def register(self, source: Source, *, offset: Optional[int] = None, length: Optional[int] = None, access: str = "r",
                       policy: Optional[str] = None, grace_usec: Optional[int] = None, detached: bool = False,
                       session: Optional[str] = None, warm: bool = True, warm_mode: Optional[str] = None,
                       arbitration: Optional[str] = None, name: Optional[str] = None, uid: Optional[int] = None,
                       standing: bool = False) -> Region:
        """Make a range of a file reachable; the options are those of RegisterRegion.

        `source`: a path, a descriptor, something with a fileno(), an mmap.mmap or a numpy.memmap; a descriptor stays the caller's. Without
        `offset` and `length`: all of the file, or what is mapped of it.
        """
        asked = f"registering {source if isinstance(source, (str, int)) else type(source).__name__}"
        async with opened(source, access, asked) as part:
            number, _, properties = await self.call_object(
                PATH, MANAGER, "RegisterRegion", "httsa{sv}", part.fd, part.offset if offset is None else offset,
                part.length if length is None else length, access,
                {"policy": policy, "grace_usec": grace_usec, "detached": detached, "session": session, "warm": warm, "warm_mode": warm_mode,
                 "arbitration": arbitration, "name": name, "uid": uid, "standing": standing or None}, asked=asked)
        return Region(self, number, properties)

    async def register_rails(self, source: Source, sessions: Sequence[str], **options: Any) -> list[Region]:
        """Make a range of a file reachable over several RDMA devices: a region in each of `sessions`, each of which was created with one.

        All or none. `options`: as of register(). For export_rails().
        """
        asked = "registering a file for several devices"
        if not 1 <= len(sessions) <= RAILS_MAX or len(set(sessions)) < len(sessions) or isinstance(sessions, str):
            raise InvalidOption(asked, f"it takes 1 to {RAILS_MAX} sessions, each once")
        made: list[Region] = []
        try:
            for session in sessions:
                made.append(await self.register(source, session=session, **options))
        except BaseException:
            for region in made:
                try:
                    await region.release()
                except Error:  # it is gone, or ends with this connection
                    pass
            raise
        return made

    async def region(self, number: int) -> Region:
        """A region that exists, by its number."""
        _, properties = await self.call_object(PATH, MANAGER, "GetRegion", "t", number, asked=f"finding region {number}")
        return Region(self, number, properties)

    async def region_by_name(self, name: str, *, session: str = "default", uid: Optional[int] = None) -> Region:
        """The same by what it is called. `uid`: whose; default: this process's effective user."""
        _, properties = await self.call_object(PATH, MANAGER, "GetRegionByName", "uss", os.geteuid() if uid is None else uid, session, name,
                                               asked=f"finding region {name} of session {session}")
        return Region(self, properties["Id"], properties)

    async def regions(self, *, session: Optional[str] = None, state: Optional[str] = None) -> AsyncIterator[Region]:
        """The regions that this user may see, by ascending number. They are asked for a page at a time, so this is no snapshot."""
        after, limit = 0, 256
        while True:
            page = await self.call("ListRegions", "a{sv}", {"session": session, "state": state, "after": after, "limit": limit})
            for number, _, properties in page:
                yield Region(self, number, properties)
            if len(page) < limit:
                return
            after = page[-1][0]

    async def create_session(self, uid: int, name: str, *, max_regions: Optional[int] = None, max_bytes: Optional[int] = None,
                             max_peers: Optional[int] = None, max_tickets: Optional[int] = None, max_memory: Optional[int] = None,
                             device: Optional[str] = None) -> Session:
        """Make a session of a user on purpose, as a batch scheduler does for a job; for root, and who is authorized.

        A limit that is not given is the administrator's; `device`: the RDMA device that its keepers use. Doing it again with the same
        options changes nothing: look at its state.
        """
        options: dict[str, Any] = {**limits(max_regions, max_bytes, max_peers, max_tickets, max_memory), "Device": device}
        await self.call("CreateSession", "usa{sv}", uid, name, options)
        return await self.session(uid, name)

    async def session(self, uid: int, name: str) -> Session:
        """A session that was created."""
        asked = f"finding session {name} of user {uid}"
        path = await self.call_object(PATH, MANAGER, "GetSession", "us", uid, name, asked=asked)
        try:
            properties = await self.call_object(path, "org.freedesktop.DBus.Properties", "GetAll", "s", SESSION, asked=asked)
        except NotSupported:  # the object is gone since
            raise NoSuchSession(asked, "it has ended meanwhile") from None
        return Session(self, path, properties)

    async def sessions(self, *, uid: Optional[int] = None, state: Optional[str] = None) -> AsyncIterator[Session]:
        """The created sessions that this user may see, by ascending uid and name. As with regions() this is no snapshot."""
        after, limit = None, 256
        while True:
            page = await self.call("ListSessions", "a{sv}", {"Uid": uid, "State": state, "After": after, "Limit": limit})
            for path, *_, properties in page:
                yield Session(self, path, properties)
            if len(page) < limit:
                return
            after = page[-1][0]

    async def holders(self, source: Source) -> list[dict[str, Any]]:
        """Who uses regions of this file: dictionaries as of FindHolders."""
        async with opened(source, "r", "finding holders") as part:
            found: list[dict[str, Any]] = await self.call("FindHolders", "h", part.fd)
        return found

    async def history(self, **options: Any) -> list[dict[str, Any]]:
        """What happened, oldest first: as GetHistory gives it, with number, time_usec, region and kind in each dictionary."""
        _, _, found = await self.call("GetHistory", "a{sv}", options)
        return [{"number": number, "time_usec": usec, "region": region, "kind": kind, **more} for number, usec, region, kind, more in found]

    async def status(self) -> dict[str, Any]:
        """What there is, and what needs somebody: as GetStatus gives it."""
        status: dict[str, Any] = await self.call("GetStatus")
        return status

    # events

    async def subscribe(self) -> None:
        """From now on events of every region and session that this user may see."""
        await self.call("Subscribe")
        self._subscribed = True

    def stream(self, wanted: Any = None, last: Any = None) -> EventStream[Event]:
        """Used by this module alone."""
        made: EventStream[Event] = EventStream(wanted, last)
        self._streams.add(made)
        if not self._gone or self._gone.done():
            made.close()
        return made

    def events(self) -> EventStream[Event]:
        """All events of this connection from now on. Ends with it."""
        return self.stream()

    def _tell(self, event: Event) -> None:
        for stream in list(self._streams):
            stream.put(event)

    def _on_message(self, message: Message) -> Optional[bool]:
        for fd in message.unix_fds:  # nothing that is asked for is answered with one
            os.close(fd)
        answer = self._answers.get(message.reply_serial or 0)
        if answer and message.message_type in (MessageType.METHOD_RETURN, MessageType.ERROR):
            if not answer.done():
                answer.set_result(message)
                return True
        if message.message_type is MessageType.SIGNAL:
            self._on_signal(message)
        return None

    def _on_signal(self, message: Message) -> None:
        if message.sender == BUS and message.member == "NameOwnerChanged" and message.body[0] == NAME:
            self._on_owner(message.body[2])
        elif message.sender == self._owner and (event := self._event(message)):
            self._tell(event)

    def _on_owner(self, owner: str) -> None:
        lost, self._owner = self._owner, owner
        if lost:
            self._tell(events.DaemonLost())
        if owner and self._ever:
            task = asyncio.get_running_loop().create_task(self._renew())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        self._ever = self._ever or bool(owner)

    async def _renew(self) -> None:
        """A new rdmaregd does not know who subscribed and joined."""
        left = []
        try:
            if self._subscribed:
                await self.call("Subscribe")
            for number in sorted(self.joined):
                try:
                    await self.call_object(f"{PATH}/region/{number}", REGION, "Join", "")
                except Error:
                    self.joined.discard(number)
                    left.append(number)
        except Error:  # it went again, or refuses: the next call says why
            left = sorted(self.joined)
        self._tell(events.DaemonBack(tuple(left)))

    def _event(self, message: Message) -> Optional[Event]:
        body = plain(message.body)
        path = message.path or ""
        number = int(path.rpartition("/")[2]) if path.startswith(PATH + "/region/") else 0
        if message.interface == "org.freedesktop.DBus.Properties" and number:
            return events.RegionChanged(number, body[1])
        if message.interface == REGION and message.member == "RevocationRequested":
            return events.RevocationRequested(number, *body)
        if message.interface == REGION and message.member == "RevocationSettled":
            return events.RevocationSettled(number, *body)
        if message.interface != MANAGER:
            return None
        if message.member == "RegionRemoved":
            self.joined.discard(body[0])
            return events.RegionRemoved(body[0], body[2], body[3])
        simple: dict[str, Any] = {
            "RegionAdded": lambda: events.RegionAdded(body[0]),
            "SessionAdded": lambda: events.SessionAdded(body[0]),
            "SessionRemoved": lambda: events.SessionRemoved(body[0], body[1]),
            "HistoryAdded": lambda: events.HistoryAdded(body[0]),
            "SignalsLost": lambda: events.EventsLost(body[0]),
        }
        make = simple.get(message.member or "")
        return make() if make else None
