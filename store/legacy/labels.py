"""Labels of an old store become labels of ours, with their moves as far as the place kept them."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from datamon.errors import Conflict, Corrupt, DatamonError, Invalid, NotFound
from datamon.store.backend.foreign import Foreign, Version
from datamon.store.bundle import Author, Move, Repo
from datamon.store.check.findings import Finding
from datamon.store.codec import Record
from datamon.store.ids import BundleId
from datamon.store.legacy import layout
from datamon.store.legacy.findings import left_out, refused, told
from datamon.store.legacy.plain_yaml import Where
from datamon.store.legacy.read_ahead import Asked, Readers
from datamon.store.legacy.records import LegacyLabel, read_label
from datamon.store.log import RepoState
from datamon.store.names import DEFAULT_BRANCH, check_name
from datamon.store.opening import Store
from datamon.store.origin import Origin
from datamon.store.refs import live_bundle, next_move

_LABEL_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a label: it was set to `bundle`, or deleted (None)."""

    bundle: BundleId | None
    time_ns: int
    author: Author

    @property
    def key(self) -> tuple[BundleId | None, int]:
        """What tells a move that was taken over from others."""
        return self.bundle, self.time_ns


@dataclass(frozen=True, slots=True)
class LegacyHistory:
    """A label with its steps, oldest first; `lost` says what of them cannot be read."""

    label: str
    key: str
    steps: Sequence[Step]
    lost: Sequence[Corrupt]


def read_labels(vmetadata: Foreign, readers: Readers, repo: str, nobody: Author) -> Iterator[LegacyHistory | Finding]:
    """The labels of the repo, and those whose names no label of ours can have. `nobody` is the author of what names none.
    Raises Denied, Unavailable."""
    versions = list(vmetadata.versions(layout.labels(repo)))

    def read(version: Version, label: str) -> LegacyLabel:
        return read_label(vmetadata.read(version.name, version.number), label, Where(vmetadata.url, version.name))

    named = [(version, label) for version in versions if (label := layout.label_of(repo, version.name)) is not None]
    asked: list[Asked[LegacyLabel]] = [(_LABEL_BYTES, partial(read, *each)) for each in named]
    met = zip([version for version, _ in named], readers.each(asked), strict=True)
    taken: set[str] = set()
    for name, group in groupby(met, key=lambda each: each[0].name):
        label = layout.label_of(repo, name) or ""
        try:
            _check(label, taken)
        except Invalid as error:
            yield refused("bad-name", f"{error.message}; set a label of another name in its place", repo, key=name)
        else:
            yield _history(label, name, list(group), nobody)


def take_label(store: Store, repo: Repo, history: LegacyHistory) -> Generator[Finding, None, int]:
    """The label stands where the old store has it, with the steps before; how many moves that took. A move that was taken over
    before is not made again, and a label that was moved here since stays where it is.

    Raises Denied, Unavailable, Conflict (`log-contended`).
    """
    for fault in history.lost:
        yield left_out(fault, repo.name, None, f"this move of the label {history.label!r}")
    moves = 0
    try:
        for step in (yield from _steps_left(store, repo, history)):
            moves += _move(store, repo, history.label, step)
    except (Conflict, NotFound) as error:
        if error.code == "log-contended":
            raise
        yield _left(repo, history, error)
    return moves


def _check(label: str, taken: set[str]) -> None:
    """Returns when the label can have this name here, which is `taken` then. Raises Invalid (`bad-name`)."""
    name = check_name("label", label)
    if name == DEFAULT_BRANCH:
        raise Invalid("bad-name", f"{label!r} is a branch here and cannot be a label too", kind="label", name=label)
    if name in taken:
        raise Invalid("bad-name", f"another label is written like {label!r}", kind="label", name=label)
    taken.add(name)


def _history(
    label: str, key: str, met: Sequence[tuple[Version, LegacyLabel | Corrupt]], nobody: Author
) -> LegacyHistory:
    steps = []
    for version, record in met:
        if isinstance(record, LegacyLabel):
            steps.append(Step(record.bundle, record.time_ns or 0, record.author))
        if version.deleted_ns is not None:
            steps.append(Step(None, version.deleted_ns, nobody))
    lost = [record for _, record in met if isinstance(record, Corrupt)]
    return LegacyHistory(check_name("label", label), key, steps, lost)


def _steps_left(store: Store, repo: Repo, history: LegacyHistory) -> Generator[Finding, None, Sequence[Step]]:
    """The steps behind the last that was taken over, less those to bundles that are not here."""
    state = store.logs.repo(repo.id)
    made = [(entry, move) for entry, move in state.history if move.ref == history.label]
    taken = {(move.new, entry.original_ns) for entry, move in made if entry.original_ns is not None}
    first = next((at for at in range(len(history.steps), 0, -1) if history.steps[at - 1].key in taken), 0)
    left = history.steps[first:]
    if made and made[-1][0].original_ns is None:
        if left and left[-1].bundle != made[-1][1].new:
            yield _stays(repo, history)
        return []
    for step in left:
        if not _can_stand(state, step):
            yield _lost(repo, history, step, is_last=step is left[-1])
    return [step for step in left if _can_stand(state, step)]


def _can_stand(state: RepoState, step: Step) -> bool:
    return step.bundle is None or (step.bundle in state.bundles and step.bundle not in state.deleted)


def _move(store: Store, repo: Repo, label: str, step: Step) -> int:
    """The label stands where the step has it; 1 when it had to be moved for that."""
    standing = store.logs.repo(repo.id).refs.get(label)
    if step.bundle == (standing.bundle if standing is not None else None):
        return 0
    origin = Origin(step.author, step.time_ns)

    def make(state: RepoState) -> Record:
        if step.bundle is not None:
            live_bundle(state, repo, step.bundle)
        move = next_move(state, repo, Move(label, "label", None, step.bundle))
        return {"kind": "move", "moves": [move.to_record()], "run": None, **origin.fields(store, state)}

    store.logs.append(repo.id, make)
    return 1


def _stays(repo: Repo, history: LegacyHistory) -> Finding:
    message = (
        f"the label {history.label!r} was set in {repo.name!r} here, and stays so; move it if the old store's is wanted"
    )
    return told("move-left", message, repo.name, key=history.key)


def _lost(repo: Repo, history: LegacyHistory, step: Step, *, is_last: bool) -> Finding:
    message = (
        f"the label {history.label!r} pointed at {step.bundle}, which is not in {repo.name!r} here; that move is left out: "
        "import again when the bundle is mended"
    )
    make = refused if is_last else told
    return make("move-left", message, repo.name, step.bundle, history.key)


def _left(repo: Repo, history: LegacyHistory, error: DatamonError) -> Finding:
    return refused("move-left", f"{error.message}; that label is left out", repo.name, key=history.key)
