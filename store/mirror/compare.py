"""What the sides of a mirrored store have differently, as findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datamon.errors import DatamonError
from datamon.store import layout
from datamon.store.backend.arbiter import Standing
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.check.findings import Finding, capped
from datamon.store.check.packs import Sample
from datamon.store.mirror.logs import Accounts, Stranded, read_logs, split_key, strandeds
from datamon.store.mirror.opening import Mirror
from datamon.store.mirror.shelves import Shelf, in_parallel, is_right, right_content, shelves, swept_names
from datamon.store.mirror.stranded import kept_entries
from datamon.store.opening import Store

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What the sides say of the logs, and how things stood then."""

    standing: Standing
    accounts: Accounts
    truth: dict[str, bytes]

    @property
    def names(self) -> tuple[str, ...]:
        """The sides that were heard."""
        return tuple(self.accounts.logs)


def hear_logs(mirror: Mirror) -> Told:
    """What every side that answers says of the logs. The first side is read last: what others have then and it has not is no copy
    that is on its way. Raises as `Arbiter.refresh`."""
    standing = mirror.arbiter.refresh()
    sides = mirror.metadata.sides
    order = sorted(standing.marks, key=lambda name: name == standing.first)
    heard = sides.hear(order[:-1], lambda _, side: read_logs(side))
    last = sides.hear(order[-1:], lambda _, side: read_logs(side))
    logs = {
        name: {**heard.answers, **last.answers}[name]
        for name in sides.names
        if name in {**heard.answers, **last.answers}
    }
    decider = standing.first if standing.is_settled and standing.first in logs else None
    accounts = Accounts(logs, str(standing.epoch), decider, standing.whole & logs.keys())
    return Told(standing, accounts, accounts.truth())


def compare(mirror: Mirror, store: Store, sample: Sample) -> Iterator[Finding]:
    """What keeps the sides from being equal, with a bound on each list, and what stranded entries were set aside. Logs are read
    on every side, of the rest listings; with a sample every byte (of packs, as many as the sample takes)."""
    told = hear_logs(mirror)
    yield from _states(told.standing)
    for stranded in strandeds(told.accounts, told.truth):
        yield _stranded(stranded)
    for name in told.names:
        yield from capped(_log_lacks(name, told), _MOST_TOLD)
    swept = swept_names(told.truth)
    for backend in mirror.kept:
        yield from _uneven(backend, told.names, swept, sample)
    yield from kept_findings(store)


def _states(standing: Standing) -> Iterator[Finding]:
    for name, error in standing.failures.items():
        message = (
            f"the side {name!r} does not answer ({error.message.partition('; ')[0]}); run `datamon repair` when it does"
        )
        yield Finding("side-unreachable", "damage", message, f"side {name}")
    for name in sorted(standing.marks.keys() - standing.whole):
        message = (
            f"the side {name!r} lost the store, is new, or missed a promotion, and does not count; run `datamon repair`"
        )
        if not standing.whole:
            message = f"the promotion of {standing.first!r} was stopped, and {name!r} waits; run `datamon store promote` again"
        yield Finding("side-behind", "damage", message, f"side {name}")


def _stranded(stranded: Stranded) -> Finding:
    folder, number = split_key(stranded.key)
    message = (
        f"the side {stranded.side!r} has an entry {number} of {folder} that does not count, since another side was promoted "
        "before it was acknowledged; run `datamon repair`, which keeps its bundle"
    )
    return Finding("stranded-entry", "damage", message, f"{stranded.side}:{stranded.key}")


def _log_lacks(name: str, told: Told) -> Iterator[Finding]:
    for key in sorted(told.truth.keys() - told.accounts.logs[name].keys()):
        yield _lacks(name, key)


def _lacks(name: str, key: str) -> Finding:
    message = f"the side {name!r} lacks {key}; run `datamon repair`"
    return Finding("side-lacks", "damage", message, f"{name}:{key}")


def _differs(name: str, key: str, how: str) -> Finding:
    return Finding(
        "side-differs", "damage", f"the side {name!r} has {key} {how}; run `datamon repair`", f"{name}:{key}"
    )


def _uneven(
    backend: MirroredBackend, names: tuple[str, ...], swept: frozenset[str], sample: Sample
) -> Iterator[Finding]:
    listed = list(shelves(backend, names))
    taken = sampled(listed, sample)
    found: dict[tuple[str, str], list[Finding]] = {}
    for findings in in_parallel(
        backend, lambda shelf: list(_of_shelf(backend, shelf, swept, shelf.key in taken)), listed
    ):
        for finding in findings:
            side = (finding.key or "").partition(":")[0]
            found.setdefault((side, finding.code), []).append(finding)
    for findings in found.values():
        yield from capped(findings, _MOST_TOLD)


def sampled(listed: Sequence[Shelf], sample: Sample) -> frozenset[str]:
    """The keys of which every side's bytes are read."""
    if sample.percent is None:
        return frozenset()
    packs = [shelf.key for shelf in listed if shelf.key.startswith(layout.PACKS)]
    return sample.of(packs) | {shelf.key for shelf in listed if not shelf.key.startswith(layout.PACKS)}


def _of_shelf(backend: MirroredBackend, shelf: Shelf, swept: frozenset[str], reading: bool) -> Iterator[Finding]:
    sides = backend.sides.backends
    if shelf.key in swept:
        yield from (
            _differs(name, shelf.key, "which gc took away") for name in shelf.sizes if name not in shelf.lacking
        )
        return
    for name in shelf.lacking:
        # Put or deleted since it was listed?
        if not sides[name].has(shelf.key) and any(
            sides[other].has(shelf.key) for other in shelf.sizes if other != name
        ):
            yield _lacks(name, shelf.key)
    if reading or len({size for size in shelf.sizes.values() if size is not None}) > 1:
        right, contents = right_content(backend, shelf)
        for name, content in contents.items():
            if content is None or content != right:
                is_other = content is not None and is_right(shelf.key, content)
                yield _differs(name, shelf.key, "otherwise" if is_other else "damaged")


def kept_findings(store: Store) -> Iterator[Finding]:
    """What became of stranded entries that were set aside; damage only where a bundle stands in no log."""
    for kept in kept_entries(store):
        where = f"entry {kept.number} that the side {kept.side!r} wrote to the log {kept.repo or 'of the store'}"
        bundle = kept.bundle
        undone = f" What it {kept.not_done} was not carried out." if kept.not_done else ""
        if bundle is None:
            message = f"the {where} does not count; it is kept as {kept.key}.{undone}"
            yield Finding("stranded-entry", "notice", message, kept.key)
            continue
        try:
            stands = bundle.id in store.logs.repo(bundle.repo).bundles
        except DatamonError:
            stands = False
        if stands:
            message = f"the {where} does not count; its bundle {bundle.id} is kept.{undone}"
            yield Finding("stranded-entry", "notice", message, kept.key, bundle=bundle.id)
        else:
            message = f"the {where} does not count, and its bundle {bundle.id} is in no log; run `datamon repair`"
            yield Finding("stranded-entry", "damage", message, kept.key, bundle=bundle.id)
