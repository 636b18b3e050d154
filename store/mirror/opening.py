"""A mirrored store: its sides, and who decides on it from the beginning."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datamon.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.arbiter import Arbiter, Epoch, Marks, Terms, mark_key, whole_key
from datamon.store.backend.caching import DiskCache
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.backend.opening import open_backend
from datamon.store.backend.patience import OF_A_SIDE
from datamon.store.backend.sides import Side, Sides
from datamon.store.bundle import Author
from datamon.store.clock import Clock
from datamon.store.codec import ENCRYPTED_FORMAT, Record, decode, decode_sealed, encode, encode_sealed, stamped
from datamon.store.cover import NO_COVER, Cover


@dataclass(frozen=True, slots=True)
class SidePlace:
    """Where one side of a mirrored store lies; `metadata`, `blob` and `credential` as in `Places`."""

    name: str
    metadata: str
    blob: str
    credential: Path | None = None


@dataclass(frozen=True, slots=True)
class MirrorPlaces:
    """Where the sides of a mirrored store lie, and what an acknowledgement promises."""

    sides: tuple[SidePlace, ...]
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Mirror:
    """The sides of a mirrored store, and who decides there. `blob` is `metadata` where each side keeps both in one place. `cover`
    goes over what marks say of people."""

    metadata: MirroredBackend
    blob: MirroredBackend
    cover: Cover = NO_COVER

    @property
    def arbiter(self) -> Arbiter:
        """Who decides."""
        return self.metadata.arbiter

    @property
    def kept(self) -> tuple[MirroredBackend, ...]:
        """Metadata and blobs, or both in one."""
        return (self.metadata,) if self.blob is self.metadata else (self.metadata, self.blob)


def open_mirror(places: MirrorPlaces, cache: DiskCache | None = None) -> Mirror:
    """The mirrored store at these places; nothing is made or asked there yet. What is read from a bucket is kept in `cache`, if
    there is one; a bucket is waited for as `OF_A_SIDE` says. Raises Invalid (`bad-config`, `bad-name`)."""

    def side(each: SidePlace, place: str) -> Side:
        return Side(each.name, open_backend(place, credential=each.credential, cache=cache, patience=OF_A_SIDE))

    metadata = [side(each, each.metadata) for each in places.sides]
    if all(each.blob == each.metadata for each in places.sides):
        return mirror_on(metadata, metadata, places.terms)
    return mirror_on(metadata, [side(each, each.blob) for each in places.sides], places.terms)


def mirror_on(metadata: Iterable[Side], blob: Iterable[Side], terms: Terms, *, together: bool = True) -> Mirror:
    """The mirrored store on these sides. `together` is as for `Sides`."""
    sides = Sides(metadata, together=together)
    arbiter = Arbiter(sides, terms, prefix=layout.EPOCHS, decides=layout.is_log_entry, before=layout.entry_before)
    mirrored = MirroredBackend(sides, arbiter)
    blobs = Sides(blob, together=together)
    same = all(sides.backends[side.name] is side.backend for side in blobs.all)
    return Mirror(mirrored, mirrored if same else MirroredBackend(blobs, arbiter))


def found(mirror: Mirror, author: Author | None, clock: Clock) -> None:
    """The mirrored store has its first epoch when this returns, if it had none. All sides are new, or some are one store already:
    then the first of these decides, and the others count once `repair` has filled them. Racing founders agree.

    With an `author` of None the first mark does not say who founded it: what opens an encrypted store is not known yet.

    Raises Unavailable (`too-few-sides`) when a new store's sides cannot all be reached, Invalid (`bad-path`) when one holds other
    things, Conflict (`foreign-blobs`) when they hold different stores.
    """
    try:
        if not _is_being_founded(mirror, mirror.arbiter.refresh().marks):
            return
    except NotFound:
        pass  # nobody has
    sides = mirror.metadata.sides
    heard = sides.hear(sides.names, lambda _, side: _holds_store(side))
    if heard.failures:
        message = f"a new mirrored store needs all its sides ({heard.told()}); try again when they can be reached"
        raise Unavailable("too-few-sides", message, sides=list(heard.failures))
    held = {name: each for name in sides.names if (each := heard.answers[name]) is not None}
    holders = list(held)
    if len({each["store"] for each in held.values()}) > 1:
        message = f"{', '.join(holders)} hold different stores; name the places of one store, or empty ones"
        raise Conflict("foreign-blobs", message, sides=holders)
    judge = sides.backends[min(sides.names)]  # whatever the order in somebody's configuration
    meant = {"first": (holders or sides.names)[0], "whole": holders or list(sides.names)}
    judge.put_if_absent(layout.FOUNDING, encode_sealed(stamped("founding", meant)))
    agreed = decode_sealed(judge.get(layout.FOUNDING), f"{judge.url}/{layout.FOUNDING}")
    epoch = Epoch(1, agreed["first"])
    is_hidden = any("encryption" in each for each in held.values())
    record = encode_sealed(epoch_record(mirror, epoch, None if is_hidden else author, clock(), "founded"))
    for name in sorted(sides.names, reverse=True):  # the judge last: until then the store is being founded
        if name in agreed["whole"]:
            sides.backends[name].put_if_absent(whole_key(layout.EPOCHS, epoch), record)
        sides.backends[name].put_if_absent(mark_key(layout.EPOCHS, epoch), record)
    mirror.arbiter.refresh()


def _is_being_founded(mirror: Mirror, marks: Mapping[str, Marks]) -> bool:
    """Whether somebody has begun to found the store and was stopped, or is at work."""
    judge = min(mirror.metadata.sides.names)
    is_marked = judge not in marks or marks[judge].epoch is not None
    return not is_marked and mirror.metadata.sides.backends[judge].has(layout.FOUNDING)


def _holds_store(side: Backend) -> Record | None:
    """What says which store a side holds; None when the side is empty."""
    keys = (stored.key for stored in side.list("") if not stored.key.startswith(layout.EPOCHS))
    strange = next(keys, None)
    if strange is None:
        return None
    if not side.has(layout.STORE):
        message = (
            f"{side.url} holds other things (such as {strange}) and no datamon store; name an empty or a new place"
        )
        raise Invalid("bad-path", message, where=side.url)
    return decode_sealed(side.get(layout.STORE), f"{side.url}/{layout.STORE}", newest=ENCRYPTED_FORMAT)


def epoch_record(mirror: Mirror, epoch: Epoch, author: Author | None, time_ns: int, reason: str | None) -> Record:
    """What a mark says of its epoch (docs/format.md, "Mirrored stores"). Who and why are under the store's cover."""
    why = {"author": None if author is None else author.to_record(), "reason": reason}
    if mirror.cover.hides:
        covered = encode(stamped("epoch", why))
        why = {"covered": mirror.cover.on(covered, mark_key(layout.EPOCHS, epoch)).hex()}
    fields = {
        "epoch": epoch.number,
        "first": epoch.first,
        "sides": sorted(mirror.metadata.sides.names),
        "min_sides": mirror.arbiter.terms.min_sides,
        "time": time_ns,
        **why,
    }
    return stamped("epoch", fields)


def read_epoch(mirror: Mirror, epoch: Epoch) -> Record:
    """The record of an epoch, from the first side that has it. Raises Unavailable (`too-few-sides`) when only a side that cannot
    be reached may have it, NotFound when none has, Corrupt."""
    key = mark_key(layout.EPOCHS, epoch)
    try:
        return decode_sealed(mirror.metadata.get(key), f"{mirror.metadata.url}/{key}")
    except NotFound as error:
        # A promotion that was stopped marked some sides alone, and may have acknowledged nothing yet.
        sides = mirror.metadata.sides
        if told := sides.hear(sides.names, lambda _, side: side.has(key)).told():
            message = (
                f"only a side that cannot be reached may know of the epoch {epoch} ({told}); try again when it is back"
            )
            raise Unavailable("too-few-sides", message, epoch=str(epoch)) from error
        raise


def who_and_why(mirror: Mirror, epoch: Epoch, record: Record) -> tuple[Author | None, str | None]:
    """By whom and why the epoch of this record was begun; None where that was not said, or is under a cover that stays on."""
    if "covered" in record:
        try:
            covered = bytes.fromhex(record["covered"])
            record = decode(mirror.cover.off(covered, mark_key(layout.EPOCHS, epoch)), str(epoch))
        except (ValueError, Corrupt):
            return None, None
    author = record.get("author")
    return None if author is None else Author.from_record(author), record.get("reason")


def check_terms(mirror: Mirror) -> None:
    """Returns when the sides and what an acknowledgement promises are as the store's own records say: writers who differ on that
    would not see each other's acknowledgements. Raises Invalid (`bad-config`)."""
    record = read_epoch(mirror, mirror.arbiter.standing.epoch)
    meant: Mapping[str, object] = {"sides": record["sides"], "min_sides": record["min_sides"]}
    names, min_sides = sorted(mirror.metadata.sides.names), mirror.arbiter.terms.min_sides
    if meant != {"sides": names, "min_sides": min_sides}:
        message = (
            f"the store has the sides {', '.join(record['sides'])} and min_sides {record['min_sides']}, the configuration says "
            f"{', '.join(names)} and {min_sides}; correct `mirror`, or record it with `datamon store promote`"
        )
        raise Invalid("bad-config", message, sides=names, min_sides=min_sides)
