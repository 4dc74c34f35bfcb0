# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events, and streams of them.

What always holds: a stream has a bound. Who does not read loses all that waits, and is told so with
one EventsLost: read again what matters. Nobody else waits for a slow reader.
"""
from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, TypeVar, Generic

QUEUE = 4096


@dataclass(frozen=True)
class Event:
    """Base of all."""


@dataclass(frozen=True)
class RevocationRequested(Event):
    """Blocks of the range are needed: stop using it, then Region.acknowledge().

    One that comes while another is not settled takes its place. Times are CLOCK_MONOTONIC. `asker`: the process behind it, as far as
    this user may know: pid, process_uid, comm, cgroup, or other_user.
    """
    region: int
    revocation: int
    cause: str
    offset: int
    length: int
    deadline_usec: int
    asker: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RevocationSettled(Event):
    """Go on, up to `valid_length`. `outcome`: restored, truncated or gone."""
    region: int
    revocation: int
    outcome: str
    valid_length: int


@dataclass(frozen=True)
class RegionAdded(Event):
    """For subscribers."""
    region: int


@dataclass(frozen=True)
class RegionRemoved(Event):
    """It is gone. `reason` is a word, `text` the same for people."""
    region: int
    reason: str
    text: str


@dataclass(frozen=True)
class RegionChanged(Event):
    """Properties that changed, by their names on the bus. Region.refresh() reads all."""
    region: int
    changed: Mapping[str, Any]


@dataclass(frozen=True)
class SessionAdded(Event):
    """Somebody created the session. For subscribers."""
    session: str


@dataclass(frozen=True)
class SessionRemoved(Event):
    """It was released, and its last region is gone."""
    session: str
    reason: str


@dataclass(frozen=True)
class HistoryAdded(Event):
    """For who asked GetHistory to follow: there is more, up to this number."""
    newest: int


@dataclass(frozen=True)
class DaemonLost(Event):
    """rdmaregd stopped. Regions stay reachable and safe; nobody answers requests."""


@dataclass(frozen=True)
class DaemonBack(Event):
    """It runs (again). The subscription is renewed, and so are joins but those in `left`: nobody waits for this program there."""
    left: tuple[int, ...] = ()


@dataclass(frozen=True)
class EventsLost(Event):
    """Nobody took so many events, and they are gone. 0: it is not known how many."""
    count: int


@dataclass(frozen=True)
class PeerEvent(Event):
    """An event of a Peer or of Rails, with the members of struct rdmareg_peer_event. `kind` is its type, e.g. "asked" or "length-changed"."""
    kind: str
    error: int
    revocation: int
    cause: str
    deadline_usec: int
    outcome: str
    generation: int
    valid_length: int
    path_state: str
    offset: int
    length: int
    rail: int = 0


T = TypeVar("T", bound=Event)


class EventStream(Generic[T]):
    """`async for event in stream`. It gets what happens from the moment on when it was made; it ends with what it is about."""

    def __init__(self, wanted: Optional[Callable[[Event], bool]] = None, last: Optional[Callable[[Event], bool]] = None) -> None:
        self._wanted = wanted
        self._last = last
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._ended = False
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Used by this module alone."""
        if self._ended or (self._wanted and not self._wanted(event)):
            return
        if len(self._waiting) >= QUEUE:
            self._lost += len(self._waiting)
            self._waiting.clear()
        self._waiting.append(event)
        self._ended = self._last is not None and self._last(event)
        self._arrived.set()

    def close(self) -> None:
        """No more events; those that wait can still be taken."""
        self._ended = True
        self._arrived.set()

    def __aiter__(self) -> EventStream[T]:
        return self

    async def __anext__(self) -> T:
        while not self._waiting and not self._lost:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return EventsLost(lost)  # type: ignore[return-value]
        return self._waiting.popleft()  # type: ignore[return-value]

    async def __aenter__(self) -> EventStream[T]:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()
