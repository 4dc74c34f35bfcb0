#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# python.py MODULES - the Python module rdmareg against the real daemon, in the world that test-documents.c made: as whoever runs this, and
# as an ordinary user. MODULES: the folder that has it, as it is installed.
#
# What always holds: a wrong argument is an exception of the module that says what was asked, the connection survives it, and nothing is left
# behind: the world's end waits until there is no region, no keeper and no descriptor.
import asyncio
import contextlib
import ctypes
import dataclasses
import errno
import mmap
import os
import pathlib
import re
import select
import sys
import threading
import traceback
import types
import xml.etree.ElementTree as xml

PATIENCE = 120
PYTHON = "/usr/bin/python3"  # not every python3 is Debian's
ROOT = pathlib.Path(os.environ["RDMAREG_PROTO"])
WORLD = pathlib.Path(os.environ["RDMAREG_WORLD"])
PAGE = mmap.PAGESIZE
MIB = 1 << 20
NOBODY = 65534
OUT = None  # lines for the keeper

if sys.executable != PYTHON and not os.environ.get("RDMAREG_TEST_AGAIN"):
    os.environ["RDMAREG_TEST_AGAIN"] = "1"
    os.execv(PYTHON, [PYTHON, "-B", *sys.argv])
sys.path.insert(0, sys.argv[1])
import numpy  # pylint: disable=wrong-import-position
import rdmareg  # pylint: disable=wrong-import-position
from rdmareg import _errors, _region, _registry  # pylint: disable=wrong-import-position


def keeper_does(line):
    """The keeper without an adapter (fakes/keeper.c): of this user's default session. Whoever began this user's part may write to it."""
    os.write(OUT.fileno(), line.encode() + b"\n")


def memfd(size):
    fd = os.memfd_create("python")
    os.ftruncate(fd, size)
    return fd


async def one_turn():
    """What was begun before gets the loop once."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


async def event_of(stream, kind):
    """The next event of this kind."""
    async def wait():
        async for event in stream:
            if isinstance(event, kind):
                return event
        raise AssertionError(f"the stream ended before {kind.__name__}")
    return await soon(wait())


async def fails(kind, mentions, awaitable):
    """It raises this, and the text has that in it."""
    try:
        await soon(awaitable)
    except rdmareg.Error as error:
        assert isinstance(error, kind) and error.errno == kind.number, (error, kind)
        assert mentions in str(error) and error.asked in str(error), error
        return error
    raise AssertionError(f"no {kind.__name__}")


def test_one_description():
    """What the module lists is what the interfaces, and the daemon's names, have."""
    names = (ROOT / "names.h").read_text(encoding="utf-8")
    defined = set(re.findall(r'RDMAREG_ERROR_PREFIX[ \t\\\n]+"(\w+)"', names))
    assert {name.removeprefix(_errors.PREFIX) for name in _errors.OWN} == defined
    manual = re.sub(r"\s+\*?\s*", " ", (ROOT.parent / "client/include/rdmareg.h").read_text(encoding="utf-8"))
    for kind in _errors.OWN.values():
        assert f"{kind.__name__} {errno.errorcode[kind.number].replace('ENOTSUP', 'EOPNOTSUPP')}" in manual, kind
    region = xml.parse(ROOT / "org.rdmareg.Registry1.Region.xml").getroot().find("interface")
    kinds = {"t": int, "u": int, "s": str, "b": bool}
    wanted = {_region.snake_case(p.get("name")): kinds.get(p.get("type")) for p in region.iter("property")}
    wanted["revocation"] = rdmareg.Revocation
    fields = {field.name: type(field.default) for field in dataclasses.fields(rdmareg.RegionInfo)}
    assert fields == wanted, set(fields.items()) ^ set(wanted.items())
    session = xml.parse(ROOT / "org.rdmareg.Registry1.Session.xml").getroot().find("interface")
    wanted = {_region.snake_case(p.get("name")): kinds[p.get("type")] for p in session.iter("property")}
    fields = {field.name: type(field.default) for field in dataclasses.fields(rdmareg.SessionInfo)}
    assert fields == wanted, set(fields.items()) ^ set(wanted.items())
    # options by the types that the manual gives them
    text = "".join((ROOT / f"org.rdmareg.Registry1.{name}.xml").read_text(encoding="utf-8") for name in ("Manager", "Region", "Session"))
    for name, signature in _registry.OPTIONS.items():
        assert re.search(rf"\b{name}(?: \({signature}\)|, \w+ \({signature}\))", text), name


async def test_life(address):
    async with rdmareg.Registry(address) as registry:
        status = await registry.status()
        assert status["regions"] == 0 and isinstance(status["limits"], list)
        await registry.subscribe()
        await registry.subscribe()
        everything = registry.events()
        fd = memfd(4 * MIB)
        async with await registry.register(fd, access="rw", grace_usec=5_000_000, name="model") as region:
            info = region.info
            assert info.length == 4 * MIB and info.state == "live" and info.name == "model" and info.grace_usec == 5_000_000
            assert info.uid == os.getuid() and info.clients == 1 and info.revocation == rdmareg.Revocation()
            assert (await event_of(everything, rdmareg.RegionAdded)).region == region.id
            assert (await registry.region(region.id)).info == await region.refresh()
            assert (await registry.region_by_name("model")).id == region.id
            assert [r.id async for r in registry.regions()] == [region.id]
            assert [r.id async for r in registry.regions(state="fenced")] == []
            assert re.fullmatch(r"rdmareg://[\d.]+:\d+/\d+\?[0-9a-f]{32}", await region.export(access="r", uses=1))
            await region.prefetch(0, MIB)
            holders = await registry.holders(fd)
            assert [h["kind"] for h in holders] == ["owner"] and holders[0]["pid"] == os.getpid()
            await region.configure(policy="follow")
            assert (await region.refresh()).policy == "follow" and region.info.grace_usec == 0
            await region.configure(policy="yield", grace_usec=10_000_000)
            kinds = [event["kind"] for event in await registry.history(region=region.id)]
            assert kinds[0] == "registered" and "exported" in kinds
            await revocations(registry, region)
        gone = await event_of(everything, rdmareg.RegionRemoved)
        assert gone.region == region.id and gone.reason == "released" and gone.text
        await fails(rdmareg.NoSuchRegion, str(region.id), region.refresh())
        os.close(fd)
        assert not [r async for r in registry.regions()]
    await fails(rdmareg.Disconnected, "status".title(), registry.status())


async def revocations(registry, region):
    """Of the owner and of a holder: asked, acknowledged, settled, and the stream ends with the region."""
    async with rdmareg.Registry() as other:
        joined = await other.region(region.id)
        await joined.join()
        await joined.join()
        seen = []

        async def answer(event):
            seen.append(event)
        stop = joined.on_revocation(answer)
        events = region.events()
        keeper_does(f"break {region.id} truncate {2 * MIB}")
        asked = await event_of(events, rdmareg.RevocationRequested)
        assert asked.cause == "truncate" and asked.region == region.id and asked.deadline_usec
        assert (await region.refresh()).revocation.id == asked.revocation
        await fails(rdmareg.NoSuchRevocation, "AckRevocation", region.acknowledge(asked.revocation + 1))
        await region.acknowledge(asked.revocation)
        await region.acknowledge(asked.revocation)
        settled = await event_of(events, rdmareg.RevocationSettled)  # long before the whole grace is over
        assert settled.revocation == asked.revocation and settled.outcome == "truncated" and settled.valid_length == 2 * MIB
        assert [event.revocation for event in seen] == [asked.revocation]
        # who raises does not acknowledge, and is heard of
        stop()
        heard = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.done() or heard.set_result(context))

        def refuse(event):
            raise ValueError(event.cause)
        stop = joined.on_revocation(refuse)
        keeper_does(f"break {region.id} fallocate 0")
        asked = await event_of(events, rdmareg.RevocationRequested)
        assert isinstance((await soon(heard))["exception"], ValueError)
        await region.acknowledge(asked.revocation)
        assert (await region.refresh()).revocation.id == asked.revocation  # joined has not
        await joined.acknowledge(asked.revocation)
        await event_of(events, rdmareg.RevocationSettled)
        stop()
        asyncio.get_running_loop().set_exception_handler(None)
        await joined.leave()
        # by ourselves
        number = await region.revoke(grace_usec=0)
        assert (await region.refresh()).state == "fenced"
        await fails(rdmareg.NoSuchRevocation, str(region.id), region.restore(number + 1))
        await region.restore(number)
        assert (await region.sync(grace_usec=0))["durable"] == "nothing"
    changed = await event_of(events, rdmareg.RegionChanged)
    assert changed.region == region.id and changed.changed


async def test_sources(address):
    """What can be registered: a path, a descriptor, a file object, an mmap, a numpy.memmap."""
    folder = WORLD / f"python-{os.getuid()}"
    path = folder / "file"
    with open(path, "wb") as file:
        file.truncate(MIB)
    async with rdmareg.Registry(address) as registry:
        for source in (str(path), path):
            async with await registry.register(source, access="rw") as region:
                assert region.info.length == MIB and region.info.path == str(path)
        with open(path, "r+b") as file:
            async with await registry.register(file, offset=PAGE, length=1) as region:
                assert (region.info.offset, region.info.length, region.info.access) == (PAGE, PAGE, "r")
            mapping = mmap.mmap(file.fileno(), 4 * PAGE, offset=2 * PAGE)
        async with await registry.register(mapping, access="rw") as region:
            assert (region.info.offset, region.info.length, region.info.path) == (2 * PAGE, 4 * PAGE, str(path))
        array = numpy.memmap(path, dtype="f8", mode="r+", offset=PAGE, shape=(PAGE,))
        async with await registry.register(array, access="rw") as region:
            assert (region.info.offset, region.info.length) == (PAGE, 8 * PAGE)
        # what is detached stays, and the next program finds it
        region = await registry.register(path, detached=True, name="left", warm=False)
        async with region:
            pass
    async with rdmareg.Registry(address) as registry:
        again = await registry.region_by_name("left", uid=os.getuid())
        assert again.id == region.id and again.info.detached
        await again.release(grace_usec=0)
    mapping.close()
    path.unlink()


async def test_bad_input(address):
    path = WORLD / f"python-{os.getuid()}" / "bad"
    path.write_bytes(bytes(PAGE))
    path.chmod(0o444)
    fd = memfd(PAGE)
    opath = os.open(path, os.O_PATH)
    read_end, write_end = os.pipe()
    async with rdmareg.Registry(address) as registry:
        register = registry.register
        bad = [
            (rdmareg.InvalidFile, "O_PATH", lambda: register(opath)),
            (rdmareg.InvalidFile, str(read_end), lambda: register(read_end)),
            (rdmareg.InvalidFile, "no descriptor", lambda: register(999_999)),
            (rdmareg.InvalidFile, "no descriptor", lambda: register(2 ** 40)),
            (rdmareg.InvalidFile, "-1", lambda: register(-1)),
            (rdmareg.InvalidFile, "bool", lambda: register(True)),
            (rdmareg.InvalidFile, "NoneType", lambda: register(None)),
            (rdmareg.InvalidFile, "not a mapping", lambda: register(bytearray(PAGE))),
            (rdmareg.InvalidFile, "not a mapping", lambda: register(b"")),
            (rdmareg.InvalidFile, "null byte", lambda: register("a\0b")),
            (rdmareg.InvalidRange, "offset", lambda: register(fd, offset=1)),
            (rdmareg.InvalidRange, "", lambda: register(fd, offset=PAGE)),
            (rdmareg.InvalidRange, "", lambda: register(fd, offset=PAGE * 2, length=2 ** 64 - PAGE)),
            (rdmareg.InvalidOption, "cannot be sent", lambda: register(fd, offset=-1)),
            (rdmareg.InvalidOption, "cannot be sent", lambda: register(fd, length=2 ** 64)),
            (rdmareg.InvalidOption, "cannot be sent", lambda: register(fd, offset="0")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: register(fd, access=7)),
            (rdmareg.InvalidOption, "access", lambda: register(fd, access="w")),
            (rdmareg.InvalidOption, "policy", lambda: register(fd, policy="never")),
            (rdmareg.InvalidOption, "policy cannot be 7", lambda: register(fd, policy=7)),
            (rdmareg.InvalidOption, "grace", lambda: register(fd, grace_usec=2 ** 63)),
            (rdmareg.InvalidOption, "grace_usec cannot be -1", lambda: register(fd, grace_usec=-1)),
            (rdmareg.InvalidOption, "session", lambda: register(fd, session="a/b")),
            (rdmareg.InvalidOption, "name", lambda: register(fd, name="a b")),
            (rdmareg.InvalidOption, "warm_mode", lambda: register(fd, warm_mode="hot")),
            (rdmareg.InvalidOption, "arbitration", lambda: register(fd, arbitration="")),
            (rdmareg.InvalidOption, "no option", lambda: registry.history(everything=True)),
            (rdmareg.InvalidOption, "limit", lambda: registry.history(limit=0)),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.region("1")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.region(2 ** 64)),
            (rdmareg.NoSuchRegion, "4711", lambda: registry.region(4711)),
            (rdmareg.NoSuchRegion, "nothing", lambda: registry.region_by_name("nothing")),
            (rdmareg.NotSupported, "Nonsense", lambda: registry.call("Nonsense")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.call("Drain", "s", 7)),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.call("Drain", "s")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.call("Drain", "s", "a\0b")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: register(fd, name="\udc80")),
            (rdmareg.InvalidOption, "cannot be sent", lambda: registry.call("Not a name")),
        ]
        for kind, mentions, call in bad:
            await fails(kind, mentions, call())
        for number, source in ((errno.ENOENT, path / "x"), (errno.ENOENT, str(path) + "-")):
            try:
                await soon(register(source))
                raise AssertionError("a file that is not there was registered")
            except rdmareg.Error as error:
                assert error.errno in (number, errno.ENOTDIR) and str(source) in str(error), error
        if os.getuid():
            await fails(rdmareg.AccessDenied, "Drain", registry.call("Drain", "s", "no"))
            try:
                await soon(register(path, access="rw"))
                raise AssertionError("a file that is read-only was registered for writing")
            except rdmareg.Error as error:
                assert error.errno == errno.EACCES, error
        with open(path, "rb") as file:
            await fails(rdmareg.AccessDenied, "", register(file, access="rw"))
    for descriptor in (fd, opath, read_end, write_end):
        os.close(descriptor)
    for wrong in ("nonsense", "unix:path=/nonexistent", ""):
        if wrong:
            await fails(rdmareg.NotRunning, wrong, rdmareg.Registry(wrong).open())
    path.unlink()


async def test_rails(address):
    """One file in several sessions and one list of tickets; or nothing."""
    fd, other = memfd(MIB), memfd(2 * MIB)
    async with rdmareg.Registry(address) as registry:
        rails = await registry.register_rails(fd, ["left", "right"], access="rw")
        tickets = await rdmareg.export_rails(rails, uses=1)
        assert re.fullmatch(r"(rdmareg://[\d.]+:\d+/\d+\?[0-9a-f]{32} ?){2}", tickets) and [r.info.session for r in rails] == ["left", "right"]
        assert " " not in await rdmareg.export_rails(rails[1:])
        await rails[0].release()
        assert f"/{rails[1].id}?" in await rdmareg.export_rails(rails)  # what is gone is left out
        alone = await registry.register(other)
        await fails(rdmareg.InvalidOption, "not of the same", rdmareg.export_rails([rails[1], alone]))
        await alone.release()
        await rails[1].release()
        await fails(rdmareg.NoSuchRegion, str(rails[1].id), rdmareg.export_rails(rails))
        for kind, mentions, call in [
                (rdmareg.InvalidOption, "1 to 4", lambda: registry.register_rails(fd, [])),
                (rdmareg.InvalidOption, "each once", lambda: registry.register_rails(fd, ["left", "left"])),
                (rdmareg.InvalidOption, "1 to 4", lambda: registry.register_rails(fd, "left")),
                (rdmareg.InvalidOption, "session", lambda: registry.register_rails(fd, ["left", "a/b"])),
                (rdmareg.InvalidRange, "", lambda: registry.register_rails(fd, ["left", "right"], offset=1)),
                (rdmareg.InvalidOption, "1 to 4", lambda: rdmareg.export_rails([])),
                (rdmareg.InvalidOption, "each once", lambda: rdmareg.export_rails([rails[0], rails[0]]))]:
            await fails(kind, mentions, call())
        assert [r async for r in registry.regions()] == []
    os.close(fd)
    os.close(other)


async def test_slow_reader(address):
    """Who does not read loses events, is told, and nobody else does."""
    async with rdmareg.Registry(address) as registry:
        slow, quick = registry.events(), registry.events()
        for n in range(rdmareg._events.QUEUE + 10):  # pylint: disable=protected-access
            registry._tell(rdmareg.RegionAdded(n))  # pylint: disable=protected-access
            assert (await quick.__anext__()).region == n
        first = await slow.__anext__()
        assert isinstance(first, rdmareg.EventsLost) and first.count == rdmareg._events.QUEUE, first  # pylint: disable=protected-access
        assert (await slow.__anext__()).region == rdmareg._events.QUEUE  # pylint: disable=protected-access
        await registry.close()
        rest = [event async for event in slow]
        assert len(rest) == 9 and [event async for event in quick] == []


async def test_example(address):
    """examples/numpy-checkpoint.py serves a file, acknowledges, and ends with the region."""
    path = WORLD / f"python-{os.getuid()}" / "checkpoint"
    example = await asyncio.create_subprocess_exec(
        PYTHON, "-B", str(ROOT.parent / "examples/numpy-checkpoint.py"), "serve", str(path), "1", stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": sys.argv[1]})
    ticket = (await soon(example.stdout.readline())).decode()
    number = int(re.fullmatch(r"rdmareg://[\d.]+:\d+/(\d+)\?[0-9a-f]{32}\n", ticket)[1])
    async with rdmareg.Registry(address) as registry:
        await registry.subscribe()
        region = await registry.region(number)
        events = region.events()
        assert region.info.length == MIB and region.info.access == "rw"
        keeper_does(f"break {number} truncate {MIB // 2}")
        assert (await soon(example.stderr.readline())).startswith(b"truncate: asked for ")
        assert (await event_of(events, rdmareg.RevocationSettled)).outcome == "truncated"
        await region.release()
    assert b"released" in await soon(example.stderr.read()) and await soon(example.wait()) == 0
    path.unlink()


async def test_many(address):
    """More than the socket has room for, with descriptors."""
    fd = memfd(PAGE)
    async with rdmareg.Registry(address) as registry:
        regions = await soon(asyncio.gather(*(registry.register(fd, warm=False) for _ in range(256))))
        assert len({region.id for region in regions}) == 256
        assert [region.id async for region in registry.regions()] == sorted(region.id for region in regions)
        await soon(asyncio.gather(*(region.release() for region in regions)))
    os.close(fd)


async def test_cancelled(address):
    """A call that is given up leaves the connection good."""
    async with rdmareg.Registry(address) as registry:
        for _ in range(8):
            task = asyncio.ensure_future(registry.status())
            await one_turn()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert (await soon(registry.status()))["form"] == 1
        # and a bound: nobody waits for ever
        hurried = rdmareg.Registry(address, timeout_usec=0)
        try:
            await hurried.open()
            raise AssertionError("a call had no time, and was answered")
        except rdmareg.NotAnswered:
            pass
        await hurried.close()


async def test_left(address):
    """Who leaves the block of a region that could not be released acknowledges no more for it."""
    async with rdmareg.Registry(address) as registry:
        fd = memfd(PAGE)
        region = await registry.register(fd)

        async def refused():
            raise rdmareg.AccessDenied("Release", "no")
        tasks = []
        try:
            async with region:
                region.on_revocation(lambda event: None)
                tasks = list(region._tasks)  # pylint: disable=protected-access
                region.release = refused
            raise AssertionError("it was released")
        except rdmareg.AccessDenied:
            assert tasks and all(task.cancelling() for task in tasks)
        del region.release
        await region.release()
        os.close(fd)


class SlowOpen:
    """In place of os.open(): it does nothing until it may, and what it opens is the write end of a pipe that nobody else has."""
    def __init__(self):
        self.real, os.open = os.open, self.open
        self.begun, self.may = threading.Event(), threading.Event()
        self.read_end, self.write_end = os.pipe()

    def open(self, *_):
        self.begun.set()
        assert self.may.wait(PATIENCE)
        return self.write_end


async def in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def is_closed(read_end):
    """Nobody has the other end of this pipe."""
    poll = select.poll()
    poll.register(read_end)
    assert await in_thread(poll.poll, PATIENCE * 1000), "somebody has it"
    os.close(read_end)


async def cancelled(task):
    task.cancel()
    try:
        await soon(task)
        raise AssertionError("it was not cancelled")
    except asyncio.CancelledError:
        pass


async def test_descriptors(address):
    """None is left open, and none is sent that the caller did not name, whenever a call is given up."""
    folder = WORLD / f"python-{os.getuid()}"
    async with rdmareg.Registry(address) as registry:
        # while a filesystem takes its time to open the file
        slow = SlowOpen()
        task = asyncio.ensure_future(registry.register(folder / "slow"))
        assert await in_thread(slow.begun.wait, PATIENCE)
        await cancelled(task)
        slow.may.set()
        await is_closed(slow.read_end)
        os.open = slow.real
        # while there is no room for the message: again and again, and then its number is another file's
        room = asyncio.Event()
        real, registry._room = registry._room, room.wait  # pylint: disable=protected-access
        mine, other = memfd(PAGE), memfd(2 * PAGE)
        task = asyncio.ensure_future(registry.register(mine, detached=True, name="mine"))
        await one_turn()
        await one_turn()
        task.cancel()
        await one_turn()
        await cancelled(task)
        os.dup2(other, mine)
        room.set()
        registry._room = real  # pylint: disable=protected-access
        assert (await soon(registry.status()))["regions"] == 0
        assert [r.id async for r in registry.regions()] == []
        # while dbus-fast has it, and the socket took only a part of what was before it
        written = asyncio.get_running_loop().create_future()
        bus = registry._bus  # pylint: disable=protected-access
        registry._bus = types.SimpleNamespace(_fd=bus._fd, next_serial=bus.next_serial, send=lambda message: written)  # pylint: disable=protected-access
        read_end, passed = os.pipe()
        task = asyncio.ensure_future(registry.call("FindHolders", "h", passed))
        while not registry._underway:  # pylint: disable=protected-access
            await one_turn()
        await cancelled(task)  # at once, and what is on its way stays what it is
        os.close(passed)
        assert not select.select([read_end], [], [], 0)[0]
        registry._bus = bus  # pylint: disable=protected-access
        written.set_result(None)
        await is_closed(read_end)
        assert (await soon(registry.status()))["form"] == 1
        # of a call that nobody here answers
        async with rdmareg.Registry(address) as stranger:
            read_end, write_end = os.pipe()
            await fails(rdmareg.NotSupported, "Take", stranger.call_object("/", "org.example", "Take", "h", write_end,
                                                                     destination=bus.unique_name))
            os.close(write_end)
            await is_closed(read_end)
        os.close(mine)
        os.close(other)


async def test_sessions(address):
    """Created, found, limited, drained, released: by root. Others may look at their own."""
    uid = os.getuid()
    async with rdmareg.Registry(address) as registry:
        if uid:
            await fails(rdmareg.AccessDenied, "CreateSession", registry.create_session(uid, "job.7"))
            await fails(rdmareg.NoSuchSession, "job.7", registry.session(uid, "job.7"))
            assert [s async for s in registry.sessions()] == []
            return
        await registry.subscribe()
        everything = registry.events()
        session = await registry.create_session(uid, "job.7", max_regions=2, max_memory=64 * MIB)
        assert (session.uid, session.name, session.info.state) == (uid, "job.7", "active") and session.info.max_regions == 2
        added = await event_of(everything, rdmareg.SessionAdded)
        assert added.session.endswith("/0_job_2e7")
        assert (await registry.create_session(uid, "job.7", max_regions=2, max_memory=64 * MIB)).info == session.info
        await fails(rdmareg.SessionExists, "job.7", registry.create_session(uid, "job.7", max_regions=3))
        await fails(rdmareg.InvalidOption, "", registry.create_session(uid, "a/b"))
        await fails(rdmareg.InvalidOption, "MaxRegions cannot be -1", session.set_limits(max_regions=-1))
        await fails(rdmareg.InvalidOption, "nothing to change", session.set_limits())
        await session.set_limits(max_regions=1, max_bytes=4 * MIB)
        assert (await session.refresh()).max_regions == 1 and session.info.max_bytes == 4 * MIB
        fd = memfd(MIB)
        region = await registry.register(fd, session="job.7", detached=True)
        await fails(rdmareg.LimitExceeded, "", registry.register(fd, session="job.7"))
        await session.set_limits(max_regions=0)
        assert (await session.refresh()).max_regions > 2 and (session.info.regions, session.info.bytes) == (1, MIB)
        await session.drain()
        await fails(rdmareg.Busy, "job.7", registry.register(fd, session="job.7"))
        assert [(s.uid, s.name, s.info.state) async for s in registry.sessions(uid=uid)] == [(uid, "job.7", "draining")]
        assert [s async for s in registry.sessions(uid=NOBODY)] == [] and [s async for s in registry.sessions(state="active")] == []
        ended = await session.release(grace_usec=0, limit_usec=60_000_000)
        assert [(one.region, one.outcome) for one in ended] == [(region.id, "released")], ended
        gone = await event_of(everything, rdmareg.SessionRemoved)
        assert gone.session == added.session and gone.reason == "released"
        await fails(rdmareg.NoSuchSession, "job.7", session.refresh())
        await fails(rdmareg.NoSuchSession, "job.7", session.release())
        rail = await registry.create_session(uid, "rail", device="mlx5_1")
        assert rail.info.device == "mlx5_1" and not session.info.device
        await rail.release()
        os.close(fd)


def test_documented():
    for name in rdmareg.__all__:
        thing = getattr(rdmareg, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items():
            assert member.startswith("_") or not callable(value) or value.__doc__, f"{name}.{member} is not documented"


async def run_all():
    address = os.environ["RDMAREG_BUS_ADDRESS"]
    folder = WORLD / f"python-{os.getuid()}"
    for test in (test_life, test_sources, test_bad_input, test_rails, test_slow_reader, test_example, test_many, test_cancelled, test_left, test_descriptors,
                 test_sessions):
        print(f"{test.__name__} as {os.getuid()}", flush=True)
        await test(address)
    assert not any(folder.iterdir())


def main():
    test_one_description()
    test_documented()
    for uid in [os.getuid()] + ([NOBODY] if os.getuid() == 0 else []):
        folder = WORLD / f"python-{uid}"
        folder.mkdir()
        os.chown(folder, uid, -1)
        run_as(uid)


def run_as(uid):
    global OUT  # pylint: disable=global-statement
    sys.stdout.flush()
    lines, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ctypes.CDLL(None).prctl(1, 9)  # the world does not wait for what is left of us
            OUT = os.fdopen(out, "wb")
            if os.getuid() != uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            asyncio.run(run_all())
            code = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    os.close(out)
    with os.fdopen(lines, encoding="ascii") as asked:
        for line in asked:
            with open(WORLD / "fake" / f"{uid}-default", "w", encoding="ascii") as fifo:
                fifo.write(line)
    _, status = os.waitpid(pid, 0)
    if status:
        sys.exit(f"as {uid}: status {status}")


main()
