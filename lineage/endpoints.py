"""A run's inputs and outputs as they stand when it begins: what references mean, under which roles, in which directories."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Invalid
from datamon.lineage.binding import InputBinding, OutputBinding
from datamon.lineage.records import InputRecord, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.store.bundle import Bundle
from datamon.store.commit import check_targets
from datamon.store.ids import ContentId
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference, resolve


@dataclass(frozen=True, slots=True)
class Source:
    """An input: the bundle that its reference gives, its record, and the directory (absolute) for its files."""

    bundle: Bundle
    record: InputRecord
    directory: Path
    note: str | None = None


def resolve_inputs(store: Store, bindings: Sequence[InputBinding]) -> tuple[Source, ...]:
    """What the references mean now. An input's role is its repo's name, or its reference when the repo occurs twice.

    Raises NotFound (`repo-not-found`, `ref-not-found`, `bundle-not-found`, `path-not-found`), Invalid (`ambiguous-id`,
    `bad-argument` when one reference is given twice)."""
    repos = Counter(binding.repo for binding in bindings)
    _refuse_twice("input", [binding.reference for binding in bindings])
    return tuple(
        resolve_input(store, each, each.repo if repos[each.repo] == 1 else each.reference) for each in bindings
    )


def resolve_input(store: Store, binding: InputBinding, role: str) -> Source:
    """What one reference means now, recorded under `role`. Raises as `resolve_inputs`."""
    resolved = resolve(store, Reference(binding.repo, binding.ref, binding.path))
    record = InputRecord(
        role=role,
        repo=resolved.repo.id,
        repo_name=resolved.repo.name,
        ref=resolved.ref,
        ref_kind=resolved.ref_kind,
        bundle=resolved.bundle.id,
        content=_content(store, resolved.bundle, resolved.path),
        path=resolved.path,
    )
    return Source(resolved.bundle, record, binding.directory, resolved.note)


def plan_outputs(store: Store, bindings: Sequence[OutputBinding], labels: Sequence[str]) -> tuple[Target, ...]:
    """Where the outputs go, after a look whether each branch and label could be moved now. A role is the repo's name, or
    `repo@branch` when the repo occurs twice.

    Raises NotFound (`repo-not-found`), Invalid (`bad-argument` when one branch is given twice, or one label two bundles of one
    repo), Conflict (`ref-frozen`, `ref-exists`)."""
    repos = Counter(binding.repo for binding in bindings)
    _refuse_twice("output", [f"{binding.repo}@{binding.branch}" for binding in bindings])
    twice = next((repo for repo, count in repos.items() if count > 1), None)
    if labels and twice is not None:
        raise Invalid(
            "bad-argument",
            f"the label {labels[0]!r} cannot name two outputs to {twice!r} at once; leave --label out and set labels afterwards",
            repo=twice,
        )
    return tuple(plan_output(store, each, labels, repos[each.repo] > 1) for each in bindings)


def plan_output(store: Store, binding: OutputBinding, labels: Sequence[str], twice: bool = False) -> Target:
    """Where one output goes. Raises as `plan_outputs`."""
    repo = find_repo(store, binding.repo)
    check_targets(store, repo, branch=binding.branch, label=None)
    for label in labels:
        check_targets(store, repo, branch=binding.branch, label=check_name("label", label))
    role = f"{repo.name}@{binding.branch}" if twice else repo.name
    return Target(PlannedOutput(role, repo.id, repo.name, binding.branch), repo)


def check_apart(directories: Sequence[Path]) -> None:
    """Returns when no directory is another or lies in another. Raises Invalid (`bad-argument`)."""
    real = [directory.resolve() for directory in directories]
    for number, one in enumerate(real):
        for other in real[number + 1 :]:
            if one.is_relative_to(other) or other.is_relative_to(one):
                raise Invalid(
                    "bad-argument",
                    f"the directories {str(one)!r} and {str(other)!r} overlap; give each input and output one of its own",
                    directory=str(one),
                )


def _content(store: Store, bundle: Bundle, path: str) -> ContentId:
    if not path:
        return bundle.content
    from datamon.store.manifest import part_content, read_manifest  # brings pyarrow, which whole bundles do not need

    return part_content(store.metadata, read_manifest(store.metadata, bundle.manifest), path)


def _refuse_twice(what: str, references: Sequence[str]) -> None:
    for reference, count in Counter(references).items():
        if count > 1:
            raise Invalid("bad-argument", f"the {what} {reference!r} is given twice; give it once", reference=reference)
