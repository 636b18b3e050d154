"""One short history that many tests ask about."""

from datamon.lineage.records import Param
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.index import open_index
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.bundle import Bundle
from datamon.store.opening import memory_store
from datamon.store.refs import set_label
from datamon.store.testing.clocks import SteppingClock


class Story:
    """raw → prepare → features → train → model → report fails; then raw moves on."""

    def __init__(self) -> None:
        self.world = World(memory_store(clock=SteppingClock()))
        self.raw1 = self.upload({"people.csv": "p1", "dir/x": "x1"})
        self.prepare = self.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}, params=(Param("scale", 2.0),)))
        self.train = self.run(Doing("train", ("features", "raw:dir"), {"model": {"m": "1"}}, pipeline="churn"))
        self.failed = self.run(Doing("report", ("model",), {"report": {"r": "1"}}, "failed"))
        set_label(self.world.store, self.world.repo("model"), "prod", self.train.outputs[0].bundle)
        self.raw2 = self.upload({"people.csv": "p2", "dir/x": "x1"})
        self.index = open_index(self.world.store)

    def upload(self, files: dict[str, str]) -> Bundle:
        """A bundle of `raw`."""
        return self.world.upload("raw", files)

    def run(self, doing: Doing) -> Did:
        """One more run."""
        return self.world.run(doing)

    def ask(self, text: str, **params: object) -> Answer:
        """The answer to a statement about it."""
        return ask(self.world.store, text, params=params, index=self.index)

    def names(self, text: str, **params: object) -> list[tuple[object, object]]:
        """Name and depth of each row of a closure."""
        return [(row["name"], row["depth"]) for row in self.ask(text, **params)]
