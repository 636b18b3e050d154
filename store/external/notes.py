"""What was read of a source before, noted on this machine, so that what did not change is not read again.

A note is a file beside the store's other state, one line for each thing that was read, behind its checksum. A line is believed
for the very URL and the very `proof` whose hash it has, and what it says lies in the store is looked for there. URLs, which may
be signed, do not stand in it.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from datamon.store.cache_files import keep_file
from datamon.store.cover import Cover
from datamon.store.external.source import Listed
from datamon.store.external.urls import Url
from datamon.store.ids import ContentId
from datamon.store.opening import Store

_FOLDER = "sources"
_CHECKSUM_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Note:
    """What the bytes of one source were: their content id, how many, and the recipe where they are in the store (see
    `TreeEntry`)."""

    content: ContentId
    size_bytes: int
    recipe: bytes | None


class Notes:
    """The notes on what lies at and beneath one URL, or on the named `share` of it. Errors of the file system cost time only."""

    def __init__(self, store: Store, url: Url, share: str = "") -> None:
        name = store.hashing.content((f"{url.text}\n{share}" if share else url.text).encode())
        self._cover = store.cover
        self._place = None if store.state_dir is None else store.state_dir / _FOLDER / f"{name}.log"
        self._known = _load(self._place, self._cover) if self._place is not None else {}
        self._new: dict[str, Note] = {}
        self._used: dict[str, Note] = {}

    def find(self, listed: Listed) -> Note | None:
        """What was noted of these very bytes."""
        note = self._known.get(_key(listed)) if listed.at.proof is not None else None
        return note if note is not None and note.size_bytes == listed.at.size_bytes else None

    def keep(self, listed: Listed, note: Note) -> None:
        """To be noted with the next `write`, or still to be true, if it was noted before."""
        if listed.at.proof is not None:
            key = _key(listed)
            self._used[key] = note
            if self._known.get(key) != note:
                self._new[key] = note

    def write(self) -> None:
        """What was kept is noted, as far as the file system lets us."""
        self._known.update(self._new)
        if self._place is not None and self._new:
            try:
                self._place.parent.mkdir(parents=True, exist_ok=True)
                with open(self._place, "ab", buffering=0) as file:
                    file.write(b"\n" + self._encoded(self._new.items()))  # a line that was cut short before ends here
            except OSError:
                self._place = None
        self._new.clear()

    def forget(self) -> None:
        """Nothing is known any more, until it is kept again."""
        self._known.clear()

    def finish(self) -> None:
        """Nothing but what was kept since the beginning is noted."""
        if self._place is not None and self._known.keys() != self._used.keys():
            content = self._encoded(self._used.items())
            keep_file(self._place, lambda target: target.write(content))

    def _encoded(self, notes: Iterable[tuple[str, Note]]) -> bytes:
        return _encode(notes, self._cover)


def _key(listed: Listed) -> str:
    return blake3(f"{listed.url.text}\n{listed.at.proof}".encode()).hexdigest()


def _encode(notes: Iterable[tuple[str, Note]], cover: Cover) -> bytes:
    lines = []
    for key, note in notes:
        recipe = None if note.recipe is None else note.recipe.hex()
        line = json.dumps([key, note.content, note.size_bytes, recipe]).encode()
        if cover.hides:
            line = base64.b64encode(cover.on(line, _FOLDER))
        lines.append(b"%s %s\n" % (_checksum(line), line))
    return b"".join(lines)


def _load(place: Path, cover: Cover) -> dict[str, Note]:
    known: dict[str, Note] = {}
    try:
        content = place.read_bytes()
    except OSError:
        return known
    for line in content.split(b"\n"):
        checksum, _, body = line.partition(b" ")
        if body and checksum == _checksum(body):
            try:
                key, digest, size_bytes, recipe = json.loads(
                    cover.off(base64.b64decode(body), _FOLDER) if cover.hides else body
                )
            except ValueError:  # of another key's time
                continue
            known[key] = Note(ContentId(digest), size_bytes, None if recipe is None else bytes.fromhex(recipe))
    return known


def _checksum(line: bytes) -> bytes:
    return blake3(line).hexdigest().encode()[:_CHECKSUM_CHARACTERS]
