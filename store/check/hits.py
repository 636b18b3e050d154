"""What is hit by what is broken: files by packs, bundles by manifests; told by cause, with a bound on each list."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from datamon.store.bundle import Bundle
from datamon.store.check.findings import Finding

MOST_TOLD = 20
"""So many of the files that one cause hits are told one by one."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What is broken: what is found of it by itself. Two causes with one finding are one."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Hit:
    """One file (or, with no path, a whole stretch) that cannot be had because of a cause, and why in a few words."""

    path: str | None
    cause: Cause
    why: str


@dataclass
class _Suffered:
    """What one cause hits."""

    files: int = 0
    bundles: set[str] = field(default_factory=set)
    told: list[Finding] = field(default_factory=list)


class Hits:
    """Collects hits and tells of them by cause. In memory: for each cause at most `MOST_TOLD` findings and the ids of the
    bundles hit."""

    def __init__(self) -> None:
        self._causes: dict[Cause, _Suffered] = {}

    def add_cause(self, finding: Finding) -> None:
        """The cause is told of even when nothing is hit."""
        self._causes.setdefault(Cause(finding), _Suffered())

    def add(self, hit: Hit, repo: str, bundle: Bundle) -> None:
        """One file more of this bundle."""
        suffered = self._causes.setdefault(hit.cause, _Suffered())
        suffered.files += 1
        suffered.bundles.add(bundle.id)
        if len(suffered.told) < MOST_TOLD:
            what = f"{hit.path!r} of the bundle" if hit.path is not None else "the bundle"
            message = f"{what} {bundle.id} of {repo!r} cannot be restored: {hit.why}"
            key = hit.cause.finding.key
            suffered.told.append(Finding("file-damaged", "damage", message, key, repo, bundle.id, hit.path))

    def findings(self) -> Iterator[Finding]:
        """Each cause, then what it hits; a cause that hits nothing as it was found."""
        for cause, suffered in self._causes.items():
            finding = cause.finding
            if not suffered.files:
                yield finding
                continue
            count = (
                f"{_counted(suffered.files, 'file')} of {_counted(len(suffered.bundles), 'bundle')} cannot be restored"
            )
            yield replace(finding, severity="damage", message=f"{finding.message} ({count})")
            yield from suffered.told
            if suffered.files > len(suffered.told):
                left_out = (
                    f"and {suffered.files - len(suffered.told):,} more files for the same reason: {finding.message}"
                )
                yield Finding("file-damaged", "damage", left_out, finding.key)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
