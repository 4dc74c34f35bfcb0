#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# numpy-checkpoint.py - a numpy array is written into a file on another machine by RDMA, from its own memory, made durable there, and
# read back. Whoever has the file acknowledges when its filesystem needs blocks back.
#
#   on the machine that has the file:   numpy-checkpoint.py serve /scratch/checkpoint 64 >ticket
#   on the machine that has the array:  numpy-checkpoint.py save "$(cat ticket)" 64
#                                       numpy-checkpoint.py load "$(cat ticket)" 64
#
# The last argument is the size in MiB. save and load print a checksum of the array, which is the same.
import asyncio
import os
import sys
import zlib

import numpy

import rdmareg


async def serve(path: str, size: int) -> None:
    """Make the file reachable until there is no need for it any more."""
    with open(path, "a+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)  # so that no write meets a hole
    async with rdmareg.Registry() as registry, await registry.register(path, access="rw") as region:
        region.on_revocation(lambda event: print(f"{event.cause}: asked for {event.length} bytes", file=sys.stderr))
        print(await region.export(), flush=True)
        async for event in region.events():
            if isinstance(event, rdmareg.RegionRemoved):
                print(event.text, file=sys.stderr)


async def save(ticket: str, size: int) -> None:
    """Write an array, and wait until it survives a power cut over there."""
    array = numpy.random.default_rng().random(size // 8)
    async with await rdmareg.Peer.connect(ticket, access="rw") as peer:
        await peer.write_from(array)
        if (await peer.info()).durability != "volatile":
            await peer.persist(0, array.nbytes)
    print(f"{zlib.crc32(array):08x}")


async def load(ticket: str, size: int) -> None:
    """Read it into memory that the adapter fills by itself."""
    array = numpy.empty(size // 8)
    async with await rdmareg.Peer.connect(ticket) as peer, await peer.pin(array) as pinned:
        await pinned.read()
    print(f"{zlib.crc32(array):08x}")


def main() -> None:
    verbs = {"serve": serve, "save": save, "load": load}
    if len(sys.argv) != 4 or sys.argv[1] not in verbs or not sys.argv[3].isdigit():
        sys.exit("usage: numpy-checkpoint.py serve FILE MIB | save TICKET MIB | load TICKET MIB")
    try:
        asyncio.run(verbs[sys.argv[1]](sys.argv[2], int(sys.argv[3]) << 20))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"numpy-checkpoint.py: {error}")


main()
