# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session that was created on purpose, as this program knows it. The methods are those of the D-Bus interface, org.rdmareg.Registry1(5).

What always holds: a session is named by a user and a name. It ends with release(), of any program that may, or when the machine is started
anew, and not with this object or its connection.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Optional

from ._errors import InvalidOption
from ._region import known_values

if TYPE_CHECKING:
    from ._registry import Registry

INTERFACE = "org.rdmareg.Registry1.Session"


@dataclass(frozen=True)
class SessionInfo:
    """The properties of a session, as they were when they were read. The limits are those in force."""
    uid: int = 0
    name: str = ""
    state: str = ""
    regions: int = 0
    bytes: int = 0
    peers: int = 0
    max_regions: int = 0
    max_bytes: int = 0
    max_peers: int = 0
    max_tickets: int = 0
    max_memory: int = 0
    memory_current: int = 0
    created_usec: int = 0
    device: str = ""

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> SessionInfo:
        """From what D-Bus gives."""
        return cls(**known_values(cls, properties))


class Released(NamedTuple):
    """A region of a session that was released. `outcome`: "released", "late" or "gone"; `text`: what is to be said about it, or ""."""
    region: int
    outcome: str
    text: str


def limits(max_regions: Optional[int], max_bytes: Optional[int], max_peers: Optional[int], max_tickets: Optional[int],
           max_memory: Optional[int]) -> dict[str, Optional[int]]:
    """As options of CreateSession and SetLimits."""
    return {"MaxRegions": max_regions, "MaxBytes": max_bytes, "MaxPeers": max_peers, "MaxTickets": max_tickets, "MaxMemory": max_memory}


class Session:
    """Made by Registry.create_session(), Registry.session() and Registry.sessions(). `info` is what the last answer said.

    Its user, and root, may look at it. drain(), set_limits() and release() take root, or the polkit authorization
    org.rdmareg.Registry1.sessions: else they raise AccessDenied. What is gone raises NoSuchSession.
    """

    def __init__(self, registry: Registry, path: str, properties: Mapping[str, Any]) -> None:
        self._registry = registry
        self._path = path
        self.info = SessionInfo.from_properties(properties)
        self.uid = self.info.uid
        self.name = self.info.name

    def __repr__(self) -> str:
        return f"<Session {self.name} of user {self.uid} {self.info.state}>"

    async def _call(self, member: str, signature: str = "", *arguments: Any, at_least_usec: int = 0) -> Any:
        return await self._registry.call_object(self._path, INTERFACE, member, signature, *arguments, at_least_usec=at_least_usec,
                                                asked=f"{member} of session {self.name} of user {self.uid}")

    async def refresh(self) -> SessionInfo:
        """Ask again."""
        self.info = (await self._registry.session(self.uid, self.name)).info
        return self.info

    async def drain(self) -> None:
        """Nothing more can be registered in it; what is there goes on. It cannot be taken back."""
        await self._call("Drain")

    async def set_limits(self, *, max_regions: Optional[int] = None, max_bytes: Optional[int] = None, max_peers: Optional[int] = None,
                         max_tickets: Optional[int] = None, max_memory: Optional[int] = None) -> None:
        """Change those that are given; 0: back to the administrator's. They count for what comes: what is above a lower limit stays."""
        changed = limits(max_regions, max_bytes, max_peers, max_tickets, max_memory)
        if all(value is None for value in changed.values()):
            raise InvalidOption(f"SetLimits of session {self.name} of user {self.uid}", "there is nothing to change: give at least one limit")
        await self._call("SetLimits", "a{sv}", changed)

    async def release(self, *, grace_usec: Optional[int] = None, limit_usec: Optional[int] = None) -> list[Released]:
        """End it, and all its regions at the same time. Returns what became of each when all are gone, or the limit is over.

        `grace_usec`: how long holders have at most; default: each region's own. `limit_usec`: how long this takes at most, 0: begin it,
        and do not wait; default: the longest grace that the administrator allows, and what keepers have to answer.
        """
        ended = await self._call("Release", "a{sv}", {"GraceUSec": grace_usec, "LimitUSec": limit_usec},
                                 at_least_usec=(limit_usec or 0) + 25_000_000)
        return [Released(*region) for region in ended or []]
