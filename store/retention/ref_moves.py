"""What becomes of labels and branches when the bundles that they point at go."""

from collections.abc import Iterable

from datamon.errors import Conflict
from datamon.store.bundle import Move, Ref, Repo
from datamon.store.ids import BundleId
from datamon.store.log import RepoState
from datamon.store.tombstones import ancestors, positions


def refs_at(state: RepoState, bundles: Iterable[BundleId]) -> list[Ref]:
    """The labels and branches that point at one of these bundles, by name."""
    wanted = frozenset(bundles)
    return [ref for _, ref in sorted(state.refs.items()) if ref.bundle in wanted]


def refuse_frozen(repo: Repo, refs: Iterable[Ref]) -> None:
    """Raises Conflict (`ref-frozen`) when one of these labels is frozen: what it points at stays, whoever asks."""
    frozen = [ref for ref in refs if ref.frozen]
    if frozen:
        raise Conflict(
            "ref-frozen",
            f"the {named(frozen)} of {repo.name!r} {'is' if len(frozen) == 1 else 'are'} frozen: "
            f"{frozen[0].bundle} is a release and stays; only deleting the repo takes it away",
            repo=repo.name,
            refs=[ref.name for ref in frozen],
        )


def moves_away(state: RepoState, repo: Repo, doomed: frozenset[BundleId]) -> list[Move]:
    """The moves after which no ref points at a bundle of `doomed`: labels are taken away; a branch goes to the newest live bundle
    that its head follows, or is taken away where there is none. Raises Conflict (`ref-frozen`)."""
    refs = refs_at(state, doomed)
    refuse_frozen(repo, refs)
    return [
        Move(ref.name, ref.kind, ref.bundle, _newest_left(state, ref, doomed) if ref.kind == "branch" else None)
        for ref in refs
    ]


def named(refs: Iterable[Ref]) -> str:
    """The refs in words: `label 'a', branch 'main'`."""
    return ", ".join(f"{ref.kind} {ref.name!r}" for ref in refs)


def _newest_left(state: RepoState, head: Ref, doomed: frozenset[BundleId]) -> BundleId | None:
    places = positions(state)
    left = [
        bundle.id
        for bundle in ancestors(state, head.bundle)
        if bundle.id not in doomed and bundle.id not in state.deleted
    ]
    return max(left, key=places.__getitem__, default=None)
