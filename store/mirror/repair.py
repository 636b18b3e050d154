"""Repair of a mirrored store's sides: compare, heal, keep what was stranded, and compare again."""

from datamon.store.bundle import Author
from datamon.store.check.findings import Finding
from datamon.store.check.identity import open_to_check
from datamon.store.clock import Clock, system_clock
from datamon.store.encryption_key import EncryptionKey
from datamon.store.mirror.compare import compare
from datamon.store.mirror.heal import Healing, heal
from datamon.store.mirror.opening import Mirror
from datamon.store.mirror.stranded import keep_bundles
from datamon.store.opening import Store, sides_of
from datamon.store.repair.repair import Repaired


def repair_sides(
    mirror: Mirror,
    author: Author,
    healing: Healing,
    *,
    clock: Clock = system_clock,
    key: EncryptionKey | None = None,
) -> Repaired:
    """The sides that can be reached are equal and count, and every bundle that a stranded entry made stands in its repo, when
    this returns, as far as one side has each thing right. `mirror` is as it was opened, without the `key` of an encrypted store.
    Raises as `heal`, `keep_bundles` and `open_to_check`."""

    def store() -> Store:
        return open_to_check(mirror.metadata, mirror.blob, author, clock=clock, key=key).store

    opened = store()
    sides = sides_of(opened.metadata, opened.blob, opened.cover)
    before = [finding for finding in compare(sides, opened, healing.sample) if finding.is_damage]
    heal(sides, healing)
    keep_bundles(store())
    after = [finding for finding in compare(sides, store(), healing.sample) if finding.is_damage]
    left = {_same(finding) for finding in after}
    return Repaired(tuple(finding for finding in before if _same(finding) not in left), tuple(after))


def _same(finding: Finding) -> tuple[str, str | None]:
    return finding.code, finding.key
