"""Questions from this working directory, answered from this machine's index of the store."""

from collections.abc import Mapping

from datamon.cli.environment import process_environment, working_directory
from datamon.errors import Denied
from datamon.lineage.capture.host import capture_host
from datamon.lineage.known_texts import known_texts
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.index.opening import Index, open_index
from datamon.query.place import Place
from datamon.store.opening import Store


def ask_here(store: Store, text: str, params: Mapping[str, object]) -> Answer:
    """The answer to one statement; `now` means this working directory. Raises as `ask`."""
    return ask_with(index_here(store), store, text, params)


def ask_with(index: Index, store: Store, text: str, params: Mapping[str, object]) -> Answer:
    """As `ask_here`, from an index that several questions share."""
    place = Place(working_directory(), capture_host().name, known_texts(store), process_environment())
    return ask(store, text, params=params, place=place, index=index)


def index_here(store: Store) -> Index:
    """This machine's index of the store; where it may not keep one, one for this process."""
    if store.state_dir is None:
        return open_index(store)
    try:
        return open_index(store, index_dir=store.state_dir / "index")
    except Denied:
        return open_index(store)
