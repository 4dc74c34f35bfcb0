# SPDX-License-Identifier: LGPL-2.1-or-later
"""Register files for RDMA with rdmaregd, hear of revocations, and reach regions of other machines.

Two halves that know nothing of each other, as in librdmareg: `Registry` and `Region` speak D-Bus with
rdmaregd, `Peer` reaches a region with a ticket. All of it is for asyncio. The names, the words and
the units are those of the D-Bus interfaces, org.rdmareg.Registry1(5): times end in _usec, lengths and
offsets are bytes.

    async with Registry() as registry:
        async with await registry.register("model.bin", access="rw") as region:
            ticket = await region.export()

    async with await Peer.connect(ticket, access="rw") as peer:
        await peer.write_from(array)
        await peer.persist()
"""
from ._errors import (AccessDenied, Busy, Disconnected, Error, Failed, InvalidFile, InvalidOption, InvalidRange, KeeperLost, LimitExceeded,
                      NameTaken, NoAdapter, NoSuchJob, NoSuchRegion, NoSuchRevocation, NoSuchSession, NotAnswered, NotRunning, NotSupported,
                      PeerError, SessionExists, Timeout)
from ._events import (DaemonBack, DaemonLost, Event, EventStream, EventsLost, HistoryAdded, PeerEvent, RegionAdded, RegionChanged,
                      RegionRemoved, RevocationRequested, RevocationSettled, SessionAdded, SessionRemoved)
from ._peer import Peer, PeerInfo, PinnedBuffer, Rails
from ._region import Region, RegionInfo, Revocation, export_rails
from ._registry import Registry
from ._session import Released, Session, SessionInfo

__all__ = [
    "AccessDenied", "Busy", "DaemonBack", "DaemonLost", "Disconnected", "Error", "Event", "EventStream", "EventsLost", "Failed",
    "HistoryAdded", "InvalidFile", "InvalidOption", "InvalidRange", "KeeperLost", "LimitExceeded", "NameTaken", "NoAdapter", "NoSuchJob",
    "NoSuchRegion", "NoSuchRevocation", "NoSuchSession", "NotAnswered", "NotRunning", "NotSupported", "Peer", "PeerError", "PeerEvent",
    "PeerInfo", "PinnedBuffer", "Rails", "Region", "RegionAdded", "RegionChanged", "RegionInfo", "RegionRemoved", "Registry", "Released", "Revocation",
    "RevocationRequested", "RevocationSettled", "Session", "SessionAdded", "SessionExists", "SessionInfo", "SessionRemoved", "Timeout",
    "export_rails",
]
