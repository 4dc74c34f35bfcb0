# SPDX-License-Identifier: LGPL-2.1-or-later
"""A region, as this program knows it. The methods are those of the D-Bus interface, whose errors are in org.rdmareg.Registry1(5)."""
from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Mapping, Optional, Sequence, Union

from ._errors import Error, InvalidOption, KeeperLost, NoAdapter, NoSuchRegion, NoSuchRevocation
from ._events import Event, EventStream, RegionRemoved, RevocationRequested

if TYPE_CHECKING:
    from ._registry import Registry

INTERFACE = "org.rdmareg.Registry1.Region"
RAILS_MAX = 4  # as in rdmareg-rails.h
OnRevocation = Callable[[RevocationRequested], Union[None, Awaitable[None]]]


@dataclass(frozen=True)
class Revocation:
    """The one in progress; id 0: none. The range is in bytes from the start of the region, the deadline CLOCK_MONOTONIC."""
    id: int = 0
    cause: str = ""
    offset: int = 0
    length: int = 0
    deadline_usec: int = 0


@dataclass(frozen=True)
class RegionInfo:
    """The properties of a region, as they were when they were read. What each means is in org.rdmareg.Registry1(5)."""
    id: int = 0
    state: str = ""
    arbitration_mode: str = ""
    arbitration_reason: str = ""
    refuses: bool = False
    degraded: str = ""
    policy: str = ""
    grace_usec: int = 0
    access: str = ""
    durability: str = ""
    path_state: str = ""
    path_now: str = ""
    bypasses: int = 0
    last_bypass: str = ""
    path: str = ""
    offset: int = 0
    length: int = 0
    valid_length: int = 0
    rkey: int = 0
    generation: int = 0
    address: int = 0
    detached: bool = False
    standing: bool = False
    uid: int = 0
    session: str = ""
    name: str = ""
    ticket: str = ""
    peers: int = 0
    clients: int = 0
    revocation: Revocation = Revocation()
    invalidations: int = 0
    writebacks: int = 0
    bytes_warmed: int = 0
    translation_bytes: int = 0
    warm_mode: str = ""
    removals: int = 0
    bytes_redirtied: int = 0
    faults: int = 0

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> RegionInfo:
        """From what D-Bus gives."""
        values = known_values(cls, properties)
        values["revocation"] = Revocation(*values.get("revocation", ()))
        return cls(**values)


def snake_case(name: str) -> str:
    """GraceUSec: grace_usec."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("USec", "Usec")).lower()


def known_values(cls: type, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of what D-Bus gives, what the dataclass knows, by its names. What this version does not know is left out."""
    known = {field.name for field in dataclasses.fields(cls)}
    values = {snake_case(name): value for name, value in properties.items()}
    return {name: value for name, value in values.items() if name in known}


class Region:
    """Made by Registry.register() and the other methods of Registry that find regions.

    `async with` releases it at the end, unless it is detached. `info` is what the last answer said.
    """

    def __init__(self, registry: Registry, number: int, properties: Mapping[str, Any]) -> None:
        self._registry = registry
        self.id = number
        self.info = RegionInfo.from_properties(properties)
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Region {self.id} {self.info.state} {self.info.path!r}>"

    async def _call(self, member: str, signature: str = "", *arguments: Any) -> Any:
        return await self._registry.call_object(f"/org/rdmareg/Registry1/region/{self.id}", INTERFACE, member, signature, *arguments,
                                                asked=f"{member} of region {self.id}")

    async def refresh(self) -> RegionInfo:
        """Ask again. NoSuchRegion says why it is gone."""
        self.info = (await self._registry.region(self.id)).info
        return self.info

    async def export(self, *, access: Optional[str] = None, expires_usec: Optional[int] = None, uses: Optional[int] = None) -> str:
        """Make a ticket. Whoever has that line has the access: hand it over as you would a password."""
        ticket: str = await self._call("Export", "a{sv}", {"access": access, "expires_usec": expires_usec, "uses": uses})
        return ticket

    async def prefetch(self, offset: int = 0, length: int = 0, *, write: bool = False) -> None:
        """Bring translations into the adapter, so that the next accesses do not fault. Length 0: to the end."""
        await self._call("Prefetch", "tta{sv}", offset, length, {"write": write})

    async def acknowledge(self, revocation: int) -> None:
        """This program has nothing in flight in the region, and starts nothing until the revocation is settled."""
        await self._call("AckRevocation", "t", revocation)

    async def release(self, *, grace_usec: Optional[int] = None) -> None:
        """Take it down. Returns when no peer can reach it and nothing of it is left."""
        if grace_usec is None:
            await self._call("Release")
        else:
            await self._call("ReleaseWithin", "t", grace_usec)

    async def join(self) -> None:
        """Become a holder: get the region's events; revocations wait until this program acknowledges, for the grace at most."""
        await self._call("Join")
        self._registry.joined.add(self.id)

    async def leave(self) -> None:
        """Cease to be one."""
        self._registry.joined.discard(self.id)
        await self._call("Leave")

    async def configure(self, *, policy: Optional[str] = None, grace_usec: Optional[int] = None, arbitration: Optional[str] = None,
                        warm_mode: Optional[str] = None) -> None:
        """Change how it is arbitrated, while it lives. What is not given stays."""
        await self._call("Configure", "a{sv}", {"policy": policy, "grace_usec": grace_usec, "arbitration": arbitration, "warm_mode": warm_mode})

    async def revoke(self, *, grace_usec: Optional[int] = None, offset: Optional[int] = None, length: Optional[int] = None,
                     for_usec: Optional[int] = None) -> int:
        """Keep peers out of the range until restore(); returns its number, when none can reach it."""
        number: int = await self._call("Revoke", "a{sv}", {"grace_usec": grace_usec, "offset": offset, "length": length, "for_usec": for_usec})
        return number

    async def restore(self, revocation: int) -> None:
        """What revoke() began is over."""
        await self._call("Restore", "t", revocation)

    async def sync(self, *, grace_usec: Optional[int] = None, limit_usec: Optional[int] = None) -> dict[str, Any]:
        """The file on storage then has what peers had written at one point in time: durable, revocation, valid_length."""
        result: dict[str, Any] = await self._call("Sync", "a{sv}", {"grace_usec": grace_usec, "limit_usec": limit_usec})
        return result

    def events(self) -> EventStream[Event]:
        """The region's events from now on, for its owner, who joined it, and subscribers. Ends with RegionRemoved, or the connection."""
        mine = self.id
        return self._registry.stream(lambda e: getattr(e, "region", mine) == mine, lambda e: isinstance(e, RegionRemoved))

    def on_revocation(self, callback: OnRevocation) -> Callable[[], None]:
        """Call `callback` for each revocation, wait for it if it is awaitable, then acknowledge.

        If it raises, nothing is acknowledged, and the loop's exception handler hears of it: whoever wants the blocks waits for the grace.
        Returns a function that ends this.
        """
        stream = self.events()

        async def answer(event: RevocationRequested) -> None:
            outcome = callback(event)
            if inspect.isawaitable(outcome):
                await outcome
            try:
                await self.acknowledge(event.revocation)
            except (NoSuchRevocation, NoSuchRegion):
                pass  # over, or a newer one took its place, whose event comes

        async def serve() -> None:
            async for event in stream:
                if isinstance(event, RevocationRequested):
                    try:
                        await answer(event)
                    except Exception as error:  # pylint: disable=broad-except
                        asyncio.get_running_loop().call_exception_handler(
                            {"message": f"revocation {event.revocation} of region {event.region} was not acknowledged", "exception": error})

        task = asyncio.get_running_loop().create_task(serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._registry.tasks.add(task)  # the registry outlives the handle
        task.add_done_callback(self._registry.tasks.discard)

        def end() -> None:
            stream.close()
            task.cancel()
        return end

    async def __aenter__(self) -> Region:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        try:
            if not self.info.detached:
                await self.release()
        except NoSuchRegion:
            pass
        finally:  # who has left the block acknowledges nothing more, whatever became of the region
            for task in self._tasks:
                task.cancel()


async def export_rails(regions: Sequence[Region], *, access: Optional[str] = None, expires_usec: Optional[int] = None,
                       uses: Optional[int] = None) -> str:
    """One list of tickets for regions of one range of a file on several devices, in this order: for Rails.connect().

    A region that nobody can reach now is left out: its device has no address, or it has ended. Where all are, the last reason is raised.
    """
    asked = "exporting regions as one list"
    tickets: list[str] = []
    missing: Optional[Error] = None
    if not 1 <= len(regions) <= RAILS_MAX or len({region.id for region in regions}) < len(regions):
        raise InvalidOption(asked, f"it takes 1 to {RAILS_MAX} regions, each once")
    if len({(region.info.path, region.info.offset, region.info.length) for region in regions}) > 1:
        raise InvalidOption(asked, "they are not of the same file, offset and length")
    for region in regions:
        try:
            tickets.append(await region.export(access=access, expires_usec=expires_usec, uses=uses))
        except (NoAdapter, NoSuchRegion, KeeperLost) as error:
            missing = error
    if missing and not tickets:
        raise missing
    return " ".join(tickets)
