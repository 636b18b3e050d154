"""In-toto statements of runs to hand on: as they are, or in signed DSSE envelopes."""

from collections.abc import Iterator

from datamon.lineage.interchange.dsse import SigningKey, signed
from datamon.lineage.interchange.in_toto import PAYLOAD_TYPE, statement
from datamon.lineage.interchange.story import Telling
from datamon.store.codec import encode


def lines(telling: Telling, key: SigningKey | None) -> Iterator[bytes]:
    """A line of JSON for each run that has ended: its statement or, with a key, the envelope that holds it."""
    for story in telling.stories:
        if story.closing is None:
            continue
        said = statement(telling.store.id, story.opening, story.closing)
        yield encode(said if key is None else signed(key, PAYLOAD_TYPE, said)) + b"\n"
