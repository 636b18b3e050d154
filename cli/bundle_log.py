"""`datamon bundle log`: what follows what in a repo, drawn."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from datamon.cli.fitting import Part, Screen, fitted
from datamon.cli.history_lanes import Step, lanes
from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import Listing, screen, show
from datamon.cli.paging import write_paged
from datamon.cli.query_output import PagerOption
from datamon.cli.rows import BUNDLE_COLUMNS, bundle_row, moment
from datamon.cli.selecting import Selection, select_bundle
from datamon.cli.short_ids import short_ends
from datamon.cli.told_times import told
from datamon.store.bundle import Ref
from datamon.store.history import Past, history
from datamon.store.ids import BundleId
from datamon.store.log import RepoState
from datamon.store.repos import find_repo
from datamon.store.tombstones import positions

_LEAST_MESSAGE = 24


def log(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the newest N.")] = None,
    form: FormatOption = None,
    pager: PagerOption = True,
) -> None:
    """Show a repo's bundles as a drawing of what follows what, the newest first.

    Each line has the end of the id, the branches and labels that point there, the message, when, and who, as far as the
    terminal has room. With --branch, --label or --bundle only that bundle and what it follows.

    \b
    Examples:
      datamon bundle log --repo orders
      datamon bundle log --repo orders --branch try --limit 10
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    state = store.logs.repo(found.id)
    of = None if selection == Selection() else select_bundle(store, found, selection)
    past = history(state, of)
    refs = _refs(state)
    if form is None:
        lines = log_lines(past, refs, moment(store.clock()), screen(), limit)
        write_paged((f"{line}\n" for line in lines), paged=pager)
        return
    places = positions(state)
    rows = (
        (*bundle_row(found, each.bundle, places[each.bundle.id]), [ref.name for ref in refs.get(each.bundle.id, ())])
        for each in islice(past, limit)
    )
    show(Listing((*BUNDLE_COLUMNS, "refs"), rows), form)


def log_lines(
    past: Sequence[Past],
    refs: Mapping[BundleId, Sequence[Ref]],
    now: datetime,
    screen: Screen,
    limit: int | None = None,
) -> Iterator[str]:
    """The lines of the drawing, fitted to the screen; at most `limit` bundles."""
    short = short_ends(each.bundle.id for each in past)
    pasts = {str(each.bundle.id): each for each in past}
    for identity, lead in lanes(Step(each.bundle.id, each.follows) for each in past[:limit]):
        if identity is None:
            yield fitted(lead, (), screen)
            continue
        each = pasts[identity]
        parts = [Part(f"…{short[identity]}", "dim"), _ref_part(refs.get(each.bundle.id, ())), *_parts(each, now)]
        yield fitted(f"{lead} ", parts, screen)


def _ref_part(refs: Sequence[Ref]) -> Part:
    return Part(f"({', '.join(ref.name for ref in refs)})" if refs else "", "green")


def _parts(past: Past, now: datetime) -> Iterator[Part]:
    bundle = past.bundle
    message = bundle.message
    if bundle.run is not None:
        message = message.replace(bundle.run, f"…{short_ends([bundle.run])[bundle.run]}")
    yield Part(message, least=_LEAST_MESSAGE)
    yield Part(f"after {past.deleted:,} deleted" if past.deleted else "", "yellow", 1)
    yield Part(told(moment(bundle.time_ns), now), "dim", 2)
    yield Part(bundle.author.name, "dim", 3)


def _refs(state: RepoState) -> dict[BundleId, list[Ref]]:
    """Branches and labels by the bundle that they point at, branches first."""
    several: dict[BundleId, list[Ref]] = {}
    for ref in sorted(state.refs.values(), key=lambda ref: (ref.kind, ref.name)):
        several.setdefault(ref.bundle, []).append(ref)
    return several
