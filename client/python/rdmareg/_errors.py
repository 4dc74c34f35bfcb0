# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can go wrong, as exceptions.

Every one is an OSError: `errno` is the number that librdmareg gives for the same failure, and the
text says what was asked, what is the matter and what to do. The classes of rdmaregd's own errors are
named as on the bus: org.rdmareg.Registry1.Error.Busy is Busy.
"""
from __future__ import annotations

import errno as numbers
import os

PREFIX = "org.rdmareg.Registry1.Error."


class Error(OSError):
    """Base of all. `asked`: what was asked for; `name`: the D-Bus error name, or ""."""
    number = numbers.EIO

    def __init__(self, asked: str, matter: str, name: str = "", number: int = 0) -> None:
        super().__init__(number or self.number, f"{asked}: {matter}")
        self.asked = asked
        self.name = name


class InvalidFile(Error):
    """Not something that a region can be made of."""
    number = numbers.EBADF


class InvalidRange(Error):
    """Unaligned, empty, overflowing, or beyond the end."""
    number = numbers.ERANGE


class InvalidOption(Error):
    """An unknown option, or a value that is not allowed."""
    number = numbers.EINVAL


class AccessDenied(Error):
    """It takes a right that the caller does not have, as the text says."""
    number = numbers.EACCES


class LimitExceeded(Error):
    """A limit, which the text names with its setting."""
    number = numbers.EDQUOT


class NoSuchRegion(Error):
    """It is gone, for the reason in the text; or it is another user's."""
    number = numbers.ENOENT


class NoSuchRevocation(Error):
    """It is over, or another one took its place: nothing changed."""
    number = numbers.ESTALE


class NoSuchJob(Error):
    """It is over, or another connection's."""
    number = numbers.ESRCH


class NoSuchSession(Error):
    """Nobody created it, or it is another user's."""
    number = numbers.ENXIO


class SessionExists(Error):
    """It was created before, with other limits."""
    number = numbers.EEXIST


class NameTaken(Error):
    """A region of the session has that name."""
    number = numbers.ENOTUNIQ


class NoAdapter(Error):
    """No RDMA device with on-demand paging has an address on this machine."""
    number = numbers.ENODEV


class Busy(Error):
    """Not now: try again."""
    number = numbers.EBUSY


class Timeout(Error):
    """rdmaregd says that a limit was met; the text says what holds now."""
    number = numbers.ETIME


class NotSupported(Error):
    """This rdmaregd, keeper, adapter or kernel cannot do it."""
    number = numbers.EOPNOTSUPP


class KeeperLost(Error):
    """The process that serves the region ended meanwhile."""
    number = numbers.EOWNERDEAD


class Failed(Error):
    """It failed otherwise, as the text says."""
    number = numbers.EIO


class NotRunning(Error):
    """rdmaregd does not run and could not be started, or there is no bus."""
    number = numbers.EHOSTUNREACH


class NotAnswered(Error):
    """rdmaregd has not answered in time. What was asked may still be done."""
    number = numbers.ETIMEDOUT


class Disconnected(Error):
    """The connection to the bus is gone: make a new Registry."""
    number = numbers.ENOTCONN


class PeerError(Error):
    """The peer side. `errno` as rdmareg-peer.h has it; `transferred`: bytes that were, before it failed."""
    transferred = 0


OWN: dict[str, type[Error]] = {
    PREFIX + kind.__name__: kind
    for kind in (InvalidFile, InvalidRange, InvalidOption, AccessDenied, LimitExceeded, NoSuchRegion, NoSuchRevocation, NoSuchJob,
                 NoSuchSession, SessionExists, NameTaken, NoAdapter, Busy, Timeout, NotSupported, KeeperLost, Failed)
}
_BUS = "org.freedesktop.DBus.Error."
OTHERS: dict[str, type[Error]] = {
    _BUS + "AccessDenied": AccessDenied,
    _BUS + "InteractiveAuthorizationRequired": AccessDenied,
    _BUS + "ServiceUnknown": NotRunning,
    _BUS + "NameHasNoOwner": NotRunning,
    _BUS + "NoReply": NotAnswered,
    _BUS + "Timeout": NotAnswered,
    _BUS + "TimedOut": NotAnswered,
    _BUS + "Disconnected": Disconnected,
    _BUS + "UnknownMethod": NotSupported,
    _BUS + "UnknownObject": NotSupported,
    _BUS + "UnknownInterface": NotSupported,
    _BUS + "InvalidArgs": InvalidOption,
    _BUS + "LimitsExceeded": LimitExceeded,
}


def from_bus(asked: str, name: str, text: str) -> Error:
    """The exception for an error that came over the bus."""
    kind = OWN.get(name) or OTHERS.get(name)
    if kind is None and name.startswith(_BUS + "Spawn."):
        kind = NotRunning
    if kind is NotRunning:
        text = f"rdmaregd does not run, and could not be started ({text}); see systemctl status rdmaregd"
    return (kind or Failed)(asked, text or name, name)


def from_system(asked: str, error: OSError) -> Error:
    """The exception for what the system refused."""
    number = error.errno or numbers.EIO
    return Error(asked, os.strerror(number), number=number)
