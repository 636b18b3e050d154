"""A mirrored store that several processes use at once while its sides come and go, and what must hold of it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal, TypeVar

from blake3 import blake3

from datamon.errors import Conflict, DatamonError, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Content, Span, Stored
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.sides import Side
from datamon.store.bundle import Author, Repo
from datamon.store.check.check import check
from datamon.store.check.identity import open_to_check
from datamon.store.check.packs import Sample
from datamon.store.encryption_key import EncryptionKey
from datamon.store.ids import BundleId
from datamon.store.mirror.compare import compare
from datamon.store.mirror.heal import Healing
from datamon.store.mirror.opening import Mirror, found, mirror_on
from datamon.store.mirror.promote import Promotion, promote
from datamon.store.mirror.repair import repair_sides
from datamon.store.opening import Store, sides_of, store_on, unlock_mirror
from datamon.store.repos import create_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import Killed
from datamon.store.testing.turns import GrowingMemory, Turns

ADA = Author("Ada", "ada@example.org")
State = Literal["there", "lost", "deaf"]
"""deaf: it does what it is told, and its answers are lost."""
_ALL = Sample(100)
_Answer = TypeVar("_Answer")


class Place:
    """Where a side lies: what it keeps, and in which state it is for everybody."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kept = GrowingMemory()
        self.state: State = "there"


class View:
    """A place as one process sees it, which takes turns and may be cut off from it alone."""

    def __init__(self, place: Place, turns: Turns | None, cut: set[str]) -> None:
        self._place = place
        self._turns = turns
        self._cut = cut

    @property
    def url(self) -> str:
        """See `Backend`."""
        return f"memory://{self._place.name}"

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._place.kept.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        return self._call("get", key, lambda: self._place.kept.get(key, span))

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        self._call("put", key, lambda: self._place.kept.put(key, content))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        return self._call("put_if_absent", key, lambda: self._place.kept.put_if_absent(key, content))

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._call("has", key, lambda: self._place.kept.has(key))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return self._call("list", prefix, lambda: self._place.kept.list(prefix, after))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._call("delete", key, lambda: self._place.kept.delete(key))

    def append(self, key: str, content: bytes) -> None:
        """See `Appending`: nobody appends to a mirrored store; it needs no threads."""
        raise AssertionError(f"{len(content)} bytes were appended to {key}")

    def _call(self, method: str, key: str, call: Callable[[], _Answer]) -> _Answer:
        def reached() -> _Answer:
            if self._place.state == "lost" or self._place.name in self._cut:
                raise Unavailable("backend-unavailable", f"{self.url} does not answer; try again later", key=key)
            answer = call()
            if self._place.state == "deaf":
                raise Unavailable("backend-unavailable", f"{self.url} does not answer; try again later", key=key)
            return answer

        return reached() if self._turns is None else self._turns.call(f"{self._place.name} {method} {key}", reached)


class Process:
    """One process with a memory of its own. `cut` are the sides that it alone does not reach."""

    def __init__(self, world: "World", *, degraded: bool) -> None:
        self.turns = Turns()
        self.cut: set[str] = set()
        self.degraded = degraded
        self.mirror = world.mirror(self.turns, self.cut, degraded=degraded)
        self._world = world
        self._store: Store | None = None
        self.is_dead = False

    @property
    def store(self) -> Store:
        """The store, opened at first use."""
        if self._store is None:
            mirror = self.mirror
            self._store = store_on(mirror.metadata, mirror.blob, ADA, clock=self._world.clock, key=self._world.key)
        return self._store

    @property
    def is_idle(self) -> bool:
        """Whether it may be given work."""
        return not self.turns.busy and not self.is_dead


class World:
    """The sides, the processes, and what was acknowledged undegraded: bundles with the number of their entry, and keys."""

    def __init__(self, names: str, min_sides: int, key: EncryptionKey | None = None) -> None:
        self.key = key
        self.places = {name: Place(name) for name in names}
        self.min_sides = min_sides
        self.clock = SteppingClock()
        self.processes: list[Process] = []
        self.entries: dict[BundleId, int] = {}
        self.keys: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.wiped = self.wiped_once = False
        self.degraded = 0
        """How much was written degraded since the last repair: it is lost with the side that has it."""
        found(self.mirror(), ADA, self.clock)
        self.repo: Repo = create_repo(self.open(), "one", "")

    def mirror(self, turns: Turns | None = None, cut: set[str] | None = None, *, degraded: bool = False) -> Mirror:
        """The mirrored store as a process sees it."""
        sides = [
            Side(name, View(place, turns, cut if cut is not None else set())) for name, place in self.places.items()
        ]
        return mirror_on(sides, sides, Terms(self.min_sides, degraded), together=False)

    def open(self) -> Store:
        """The store as somebody sees it who has read nothing yet."""
        mirror = self.mirror()
        return store_on(mirror.metadata, mirror.blob, ADA, clock=self.clock, key=self.key)

    def opened(self, mirror: Mirror) -> Mirror:
        """The sides as the store's parts see them."""
        return mirror if self.key is None else unlock_mirror(mirror, self.key)

    def process(self, number: int, *, degraded: bool = False) -> Process:
        """An idle process: the one of this number among those that idle, or a new one."""
        idle = [process for process in self.processes if process.is_idle and process.degraded == degraded]
        if number < len(idle):
            return idle[number]
        self.processes.append(Process(self, degraded=degraded))
        return self.processes[-1]

    def busy(self) -> list[Process]:
        """The processes that are at work."""
        return [process for process in self.processes if process.turns.busy]

    # -- what processes do

    def commit(self, process: Process, label: str | None) -> None:
        """The process has begun to put something, and then to commit; what it is told counts as acknowledged."""
        content = f"number {len(self.processes)} {self.clock()}".encode()
        digest = blake3(content).hexdigest()
        self.degraded += process.degraded

        def work() -> None:
            store = process.store
            store.metadata.put(layout.environment(digest), content)
            if not process.degraded:
                self.keys[layout.environment(digest)] = content
            bundle = commit_nothing(store, self.repo, message=digest, label=label)
            if process.degraded:
                return
            numbers = [e.number for e in store.logs.repo(self.repo.id).entries if bundle in e.bundles]
            for number in numbers[:1]:
                taken = [other for other, its in self.entries.items() if its == number]
                if taken:
                    self.faults.append(f"two truths at {number}: {taken} and {bundle.id}")
                self.entries[bundle.id] = number

        self._begin(process, work)

    def promote(self, process: Process, side: str) -> None:
        """The process has begun to promote a side."""
        self._begin(process, lambda: promote(self.opened(process.mirror), Promotion(side, ADA, clock=self.clock)))

    def repair(self, process: Process) -> None:
        """The process has begun to make the sides equal."""

        def work() -> None:
            wiped, degraded = self.wiped, 0 if any(each.degraded for each in self.busy()) else self.degraded
            repaired = repair_sides(process.mirror, ADA, Healing(_ALL), clock=self.clock, key=self.key)
            if not repaired.left:
                self.wiped = self.wiped and not wiped
                self.degraded -= degraded

        self._begin(process, work)

    def kill(self, process: Process) -> None:
        """The process is no more."""
        process.is_dead = True
        process.turns.kill()

    def wipe(self, name: str) -> bool:
        """Everything on a side is gone, unless another was wiped since the last repair, or is not whole, or something was written
        degraded since: so much may be lost at one time and no more."""
        standing = self.mirror().arbiter.refresh() if all(p.state == "there" for p in self.places.values()) else None
        if self.wiped or self.degraded or standing is None or len(standing.whole) < len(self.places):
            return False
        self.places[name].kept = GrowingMemory()
        self.wiped = self.wiped_once = True
        return True

    def _begin(self, process: Process, work: Callable[[], object]) -> None:
        def watched() -> None:
            try:
                with suppress(Killed, Unavailable, Conflict):
                    work()
            except NotFound as error:
                if not self.wiped_once:  # what a process had just read may be gone
                    self.faults.append(f"NotFound: {error}")
            except BaseException as error:  # noqa: BLE001 (it is told to the test)
                self.faults.append(f"{type(error).__name__}: {error}")

        process.turns.begin(watched)

    # -- what must hold

    def check(self) -> None:
        """No process met an error that it should not, and what was acknowledged is there for whoever reaches all sides."""
        assert not self.faults, self.faults
        before = {name: place.state for name, place in self.places.items()}
        try:
            for place in self.places.values():
                place.state = "there"
            self._check_acknowledged()
        finally:
            for name, state in before.items():
                self.places[name].state = state

    def _check_acknowledged(self) -> None:
        mirror = self.opened(self.mirror())
        for key, content in self.keys.items():
            assert mirror.metadata.get(key) == content
        if not mirror.arbiter.standing.whole:
            return  # a promotion is under way: nobody decides
        numbers: dict[BundleId, list[int]] = {}
        for entry in self.open().logs.repo(self.repo.id).entries:
            for bundle in entry.bundles:
                numbers.setdefault(bundle.id, []).append(entry.number)
        for identity, number in self.entries.items():
            assert numbers.get(identity) == [number], (
                f"{identity} was acknowledged as {number}: {numbers.get(identity)}"
            )

    def check_healed(self) -> None:
        """Once all have ended, a promotion where one was stopped and a repair make the sides equal and leave no damage."""
        assert not self.busy()
        for process in self.processes:
            process.cut.clear()
        for place in self.places.values():
            place.state = "there"
        mirror = self.mirror()
        if not mirror.arbiter.refresh().whole:
            self._promote_somebody()
        for _ in range(2):
            repaired = repair_sides(self.mirror(), ADA, Healing(_ALL), clock=self.clock, key=self.key)
        assert not repaired.left, repaired.left
        self.check()
        sides = self.opened(self.mirror()).metadata.sides.backends.values()
        kept = [{each.key: side.get(each.key) for each in side.list("")} for side in sides]
        for other in kept[1:]:
            unlike = [key for key in other.keys() | kept[0].keys() if other.get(key) != kept[0].get(key)]
            assert not unlike, unlike
        mirror = self.mirror()
        store = open_to_check(mirror.metadata, mirror.blob, ADA, clock=self.clock, key=self.key).store
        found = [*compare(sides_of(store.metadata, store.blob, store.cover), store, _ALL), *check(store, _ALL)]
        damage = [finding for finding in found if finding.is_damage]
        assert not damage, damage

    def _promote_somebody(self) -> None:
        for name in self.places:
            with suppress(DatamonError):
                promote(self.opened(self.mirror()), Promotion(name, ADA, clock=self.clock))
                return
        raise AssertionError("no side can be promoted")
