#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-client-python.py MODULES EXAMPLE - the peer side of the Python module rdmareg, with librdmacm, libibverbs and the keeper at the other end played
# (fakes/peer.c): the dynamic linker finds a librdmareg that is linked with that. MODULES: the folder of the
# module. EXAMPLE: examples/numpy-checkpoint.py.
import array
import asyncio
import errno
import os
import re
import sys

PYTHON = "/usr/bin/python3"  # not every python3 is Debian's
TICKET = "rdmareg://10.99.0.1:33632/7?ca82095c6061fd4f46e7efd2511a7f0b"
MIB = 1 << 20
PATIENCE = 120

if sys.executable != PYTHON and not os.environ.get("RDMAREG_TEST_AGAIN"):
    os.environ["RDMAREG_TEST_AGAIN"] = "1"
    os.execv(PYTHON, [PYTHON, "-B", *sys.argv])
sys.path.insert(0, sys.argv[1])
import numpy  # pylint: disable=wrong-import-position
import rdmareg  # pylint: disable=wrong-import-position
from rdmareg._library import lib  # pylint: disable=wrong-import-position


def play(world):
    """What the other end is like; an assignment is a setenv(3)."""
    os.environ["FAKE_PEER"] = world


async def one_turn():
    """What was begun before gets the loop once."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


async def fails(number, mentions, awaitable):
    try:
        await soon(awaitable)
    except rdmareg.Error as error:
        assert error.errno == number and mentions in str(error), error
        return error
    raise AssertionError(f"no error {errno.errorcode[number]}")


async def test_transfers():
    play("length=4 valid=4")
    async with await rdmareg.Peer.connect(TICKET, access="rw") as peer:
        info = await peer.info()
        assert (info.region, info.length, info.valid_length, info.access) == (7, 4 * MIB, 4 * MIB, "rw") and info.connected
        sent = numpy.arange(MIB // 8, dtype="f8").reshape(64, -1)
        assert await peer.write_from(sent, MIB) == MIB
        got = numpy.zeros_like(sent)
        assert await peer.read_into(got, MIB) == MIB
        assert (got == sent).all()
        # without a copy: it is the array's own memory that the library is given
        part = bytearray(16)
        assert await peer.read_into(memoryview(part)[8:], MIB + 8) == 8
        assert bytes(part[8:]) == sent.tobytes()[8:16] and not any(part[:8])
        assert await peer.write_from(b"abcd", 0) == 4 and await peer.write_from(array.array("b", b"efgh"), 4096) == 4
        assert await peer.read_into(part, 0) == 16 and part[:4] == b"abcd"
        assert await peer.read_into(part, 4096) == 16 and part[:4] == b"efgh"
        await fails(errno.EINVAL, "multiple", peer.write_from(b"efgh", 4))
        assert await peer.write_from(b"", 0) == 0
        async with await peer.pin(got) as pinned:
            got[:] = 7
            assert await pinned.write(2 * MIB) == MIB
            got[:] = 0
            assert await pinned.read(2 * MIB, start=8, length=8) == 8
            assert got.ravel()[1] == 7 and got.ravel()[0] == got.ravel()[2] == 0
            for start, length in ((-1, 0), (MIB + 1, None), (8, MIB), (0, -1)):
                await fails(errno.EINVAL, "are not inside", pinned.read(0, start=start, length=length))
        await fails(errno.ENOTCONN, "freed", pinned.read())
        await peer.flush()
        # transfers of one peer wait for each other
        assert await soon(asyncio.gather(*(peer.write_from(bytes(MIB), n * MIB) for n in range(4)))) == [MIB] * 4
        held = bytearray(MIB)
        task = asyncio.ensure_future(peer.read_into(held))
        await one_turn()
        task.cancel()
        try:
            await soon(task)
            raise AssertionError("it was cancelled")
        except asyncio.CancelledError:
            held.extend(b"x")  # nothing has it any more
    await fails(errno.ENOTCONN, "closed", peer.info())
    await peer.close()


async def test_bad_input():
    play("length=4 valid=1")
    connect = rdmareg.Peer.connect
    for kind, mentions, call in [
            (errno.EINVAL, "ticket", lambda: connect("nonsense")),
            (errno.EINVAL, "ticket", lambda: connect("")),
            (errno.EINVAL, "zero byte", lambda: connect(TICKET + "\0")),
            (errno.EINVAL, "one of r, rw", lambda: connect(TICKET, access="w")),
            (errno.EINVAL, "return, yield", lambda: connect(TICKET, on_revocation="")),
            (errno.EINVAL, "", lambda: connect(TICKET, io_timeout_usec=-1)),
            (errno.EINVAL, "", lambda: connect(TICKET, buffer_bytes=1 << 64)),
            (errno.ENXIO, "numeric", lambda: connect(TICKET, source_address="nowhere"))]:
        error = await fails(kind, mentions, call())
        assert "ca82095c" not in str(error), "the ticket is as good as a password"
    async with await connect(TICKET, access="rw") as peer:
        read_only = numpy.zeros(4)
        read_only.flags.writeable = False
        for kind, mentions, call in [
                (errno.EINVAL, "written to", lambda: peer.read_into(b"12345678")),
                (errno.EINVAL, "written to", lambda: peer.read_into(read_only)),
                (errno.EINVAL, "contiguous", lambda: peer.write_from(numpy.zeros((4, 4))[:, 1])),
                (errno.EINVAL, "contiguous", lambda: peer.write_from("text")),
                (errno.EINVAL, "contiguous", lambda: peer.write_from(None)),
                (errno.EINVAL, "between", lambda: peer.write_from(b"1", -1)),
                (errno.EINVAL, "between", lambda: peer.read_into(bytearray(1), 1 << 64)),
                (errno.EINVAL, "between", lambda: peer.flush(None)),
                (errno.ERANGE, "1048576", lambda: peer.read_into(bytearray(2 * MIB))),
                (errno.ERANGE, "", lambda: peer.read_into(bytearray(1), 5 * MIB)),
                (errno.ESTALE, "", lambda: peer.acknowledge(4711))]:
            await fails(kind, mentions, call())
        assert await peer.read_into(bytearray(MIB)) == MIB


async def test_failure():
    """How much was transferred before, why, and that the events tell of it."""
    play("length=4 valid=4 fails=3 cause=4")
    async with await rdmareg.Peer.connect(TICKET, access="rw", buffer_bytes=MIB) as peer:
        events = peer.events()
        error = await fails(errno.ENOSPC, "no space", peer.write_from(bytes(4 * MIB)))
        assert isinstance(error, rdmareg.PeerError) and error.transferred % MIB == 0 and error.transferred < 4 * MIB
        kinds = [event.kind async for event in events]
        assert kinds[-1] == "disconnected", kinds
    play("length=4 valid=4 bypass=1")
    async with await rdmareg.Peer.connect(TICKET) as peer:
        events = peer.events()
        await peer.read_into(bytearray(MIB))
        assert (await soon(events.__anext__())).kind == "bypassed"
    assert [event async for event in events] == []


async def test_rails():
    """Both are used; one that breaks ends nothing, and comes back; its events say which it is."""
    second = TICKET.replace("10.99.0.1", "10.99.1.1").replace("/7?", "/8?")
    play("length=4 valid=4 breaks=2 at=6")
    async with await rdmareg.Rails.connect(f"{TICKET} {second}", access="rw", buffer_bytes=MIB) as rails:
        events = rails.events()
        assert await rails.connected() == 2 and (await rails.info(1)).region == 8 and (await rails.info()).region == 7
        sent, got = numpy.arange(3 * MIB // 8, dtype="f8"), bytearray(3 * MIB)
        assert await rails.write_from(sent) == 3 * MIB
        broke = await soon(events.__anext__())
        assert (broke.kind, broke.rail, broke.error) == ("disconnected", 1, -errno.ETIMEDOUT)
        play("length=4 valid=4")
        assert await rails.read_into(got) == 3 * MIB and bytes(got) == sent.tobytes()
        back = await soon(events.__anext__())
        assert (back.kind, back.rail) == ("reconnected", 1) and await rails.connected() == 2
        await rails.flush()
        await fails(errno.EOPNOTSUPP, "volatile", rails.persist())
        for kind, mentions, call in [
                (errno.ENOENT, "there are 2", lambda: rails.info(2)),
                (errno.EINVAL, "between", lambda: rails.info(-1)),
                (errno.EINVAL, "no rail", lambda: rails.info(1 << 31)),
                (errno.EINVAL, "multiples", lambda: rails.write_from(b"1", 1)),
                (errno.ERANGE, "", lambda: rails.read_into(bytearray(1), 4 * MIB))]:
            await fails(kind, mentions, call())
    assert [event async for event in events] == []
    play("length=4 valid=4 absent=1")
    async with await rdmareg.Rails.connect(f"{TICKET} {second}", first_only=True) as rails:
        assert await rails.connected() == 1 and (await rails.info(1)).region == 8
        await fails(errno.ENOTCONN, "nothing listens", rails.info(0))
    async with await rdmareg.Peer.connect(f"{TICKET} {second}") as peer:
        assert (await peer.info()).region == 8
    for kind, mentions, call in [
            (errno.ECONNREFUSED, "nothing listens", lambda: rdmareg.Rails.connect(TICKET)),
            (errno.EINVAL, "ticket 2", lambda: rdmareg.Rails.connect(f"{TICKET} {TICKET}")),
            (errno.EINVAL, "stripe_bytes", lambda: rdmareg.Rails.connect(TICKET, stripe_bytes=1)),
            (errno.EINVAL, "", lambda: rdmareg.Rails.connect(TICKET, stripe_bytes=-1)),
            (errno.EINVAL, "zero byte", lambda: rdmareg.Rails.connect("\0"))]:
        error = await fails(kind, mentions, call())
        assert "ca82095c" not in str(error)


async def test_example():
    """examples/numpy-checkpoint.py; each process has a keeper of its own to play with."""
    play("length=4 valid=4")
    for arguments, status, said in ((["save", TICKET, "2"], 0, rb"[0-9a-f]{8}\n"), (["load", TICKET, "2"], 0, rb"[0-9a-f]{8}\n"),
                                    (["save", "nonsense", "2"], 1, b"numpy-checkpoint.py: .*ticket.*\n"),
                                    (["load", TICKET, "8"], 1, b"numpy-checkpoint.py: .*4194304.*\n"),
                                    (["load", TICKET, "x"], 1, b"usage: .*\n"), ([], 1, b"usage: .*\n")):
        example = await asyncio.create_subprocess_exec(PYTHON, "-B", sys.argv[2], *arguments, stdout=asyncio.subprocess.PIPE,
                                                       stderr=asyncio.subprocess.STDOUT, env={**os.environ, "PYTHONPATH": sys.argv[1]})
        out, _ = await soon(example.communicate())
        assert example.returncode == status and re.fullmatch(said, out), (arguments, out)


async def main():
    for test in (test_transfers, test_bad_input, test_failure, test_rails, test_example):
        print(test.__name__, flush=True)
        await test()


assert lib.rdmareg_peer_connect
asyncio.run(main())
