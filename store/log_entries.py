"""Entries of logs, from the bytes they are stored as (docs/format.md, "Logs")."""

from collections.abc import Sequence

from datamon.errors import Corrupt
from datamon.store.bundle import Author, Bundle, Entry, Move
from datamon.store.codec import Record, decode_sealed
from datamon.store.ids import BundleId, RepoId, RunId, SessionId
from datamon.store.sessions.joint import KINDS

_REPO_KINDS = KINDS | {"commit", "move", "delete", "condemn", "swept"}
_STORE_KINDS = frozenset({"repo-created", "repo-renamed", "repo-deleted", "condemn", "swept"})


def decode_entry(repo: RepoId | None, number: int, content: bytes, where: str) -> Entry:
    """Entry `number` of a repo's log (of the store's own for None) from its stored bytes, which were read at `where`.
    Raises Corrupt (`bad-bytes`, `bad-record`), Invalid (`newer-format`)."""
    return entry_of(repo, number, decode_sealed(content, where), where)


def entry_of(repo: RepoId | None, number: int, record: Record, where: str) -> Entry:
    """The same from its decoded record. Raises Corrupt (`bad-record`)."""
    try:
        entry = _read_entry(repo, record)
    except (KeyError, TypeError, AttributeError) as error:
        raise Corrupt("bad-record", f"the entry at {where} is not whole ({error!r}); restore it from a copy") from error
    if entry.number != number or entry.kind not in (_STORE_KINDS if repo is None else _REPO_KINDS):
        raise Corrupt("bad-record", f"the entry at {where} is another log's; restore it from a copy", where=where)
    return entry


def _read_entry(repo: RepoId | None, record: Record) -> Entry:
    kind = record["kind"]
    bundles = () if repo is None else tuple([Bundle.from_record(repo, made) for made in _made(record)])
    run = bundles[0].run if kind == "commit" else record.get("run")
    gone = frozenset((*record["packs"], *record["keys"])) if kind in ("condemn", "swept") else frozenset[str]()
    return Entry(
        number=record["number"],
        id=record["entry"],
        kind=kind,
        time_ns=record["time"],
        author=Author.from_record(record["author"]),
        moves=_moves(record),
        bundles=bundles,
        run=RunId(run) if run else None,
        deleted=tuple(map(BundleId, record["bundles"])) if kind == "delete" else (),
        replaced={BundleId(old): BundleId(new) for old, new in record.get("replaced", {}).items()},
        reason=record.get("reason"),
        condemned=gone if kind == "condemn" else frozenset(),
        fenced=frozenset(map(SessionId, record["fenced"])) if kind == "condemn" else frozenset(),
        swept=gone if kind == "swept" else frozenset(),
        original_ns=record["origin"]["time"] if "origin" in record else None,
        record=record,
    )


def _made(record: Record) -> Sequence[Record]:
    """The records of the bundles that an entry makes."""
    if record["kind"] == "commit":
        return [record["bundle"]]
    made: Sequence[Record] = record.get("made", ()) if record["kind"] == "delete" else ()
    return made


def _moves(record: Record) -> tuple[Move, ...]:
    if record["kind"] in ("commit", "move"):
        return tuple([Move.from_record(move) for move in record["moves"]])
    return tuple([Move.from_record(move) for move in record.get("moves", ())]) if record["kind"] == "delete" else ()
