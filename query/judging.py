"""Judging everything that refs hold, once, for many questions."""

import time
from pathlib import Path

from datamon.lineage.staleness import stale, subjects_of
from datamon.query.facts import gather_facts, look_now
from datamon.query.index.opening import open_index
from datamon.query.index.refresh import read_position
from datamon.query.place import Place
from datamon.query.quick.kept_stale import Judged, Seen, keep
from datamon.query.sources.stale import row_of
from datamon.store.opening import Store


def judge(store: Store, index_dir: Path, place: Place, directory: Path) -> bool:
    """Whether the judgement of everything that refs hold now is kept in `directory`, for `kept_stale`: not, when it rests on what
    does not show there. Raises as `engine.ask`."""
    began_ns = time.time_ns()
    with open_index(store, index_dir=index_dir).connect() as connection:
        position = read_position(connection, store.id)
        offset = position.cursor.get("offset") if position and not position.watch else None
        at_hand = look_now(store, connection, place)
        tree = at_hand.tree
        if not isinstance(offset, int) or tree is None or tree.outside or store.chunks.packs_absent():
            return False
        facts = gather_facts(store, connection, place, judging=True, at_hand=at_hand)
        judged = Judged(began_ns, map(str, tree.roots), store.blob.url)
        judged.subjects = [(each.ref, each.bundle) for each in subjects_of(facts) if each.ref]
        judged.rows = [row_of(each) for each in stale(facts)]
    seen = Seen(store.id, offset, place.variables)
    return seen.cwd == str(place.cwd) and seen.host == place.host and keep(str(directory), seen, judged)
