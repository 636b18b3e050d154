"""An entry that is told as written is durable, also when the write's own answer was an error."""

from datamon.errors import Unavailable
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.opening import store_on
from datamon.store.repos import create_repo


class _Unsure(MemoryBackend):
    """Keeps what it is given and then says that it could not; counts what is made durable afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.settled: list[str] = []

    def put_if_absent(self, key: str, content: bytes) -> bool:
        won = super().put_if_absent(key, content)
        if key.startswith(layout.STORE_LOG):
            raise Unavailable("backend-unavailable", "the directory was not synced; try again")
        return won

    def settle(self, key: str) -> None:
        self.settled.append(key)


def test_an_entry_whose_answer_was_lost_is_made_durable_before_it_counts() -> None:
    backend = _Unsure()
    store = store_on(backend, MemoryBackend(), Author("Ada", "ada@example.org"))
    create_repo(store, "orders", "")
    assert backend.settled == [layout.log_entry(None, 1)]
