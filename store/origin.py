"""Origin: when, by whom and from what something was made in another store, for what is taken over into this one."""

from dataclasses import dataclass

from datamon.store.bundle import Author
from datamon.store.codec import Record
from datamon.store.log import RepoState, StoreState
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Origin:
    """What an entry says of where it comes from. `author` made it there at `time_ns`, with the other `contributors`; `digest` is
    of the records that it was made from, by which a second attempt knows it again."""

    author: Author
    time_ns: int
    digest: str | None = None
    contributors: tuple[Author, ...] = ()

    def fields(self, store: Store, state: RepoState | StoreState) -> Record:
        """The fields of an entry behind `state` (docs/format.md, "Origins"): its author is the one there, its time the time there
        as far as times may rise along a log and none lies in the future; `origin` keeps the rest."""
        return {
            "time": max(state.time_ns + 1, min(self.time_ns, store.clock())),
            "author": self.author.to_record(),
            "origin": {
                "time": self.time_ns,
                "by": store.author.to_record(),
                "digest": self.digest,
                "contributors": [author.to_record() for author in self.contributors],
            },
        }
