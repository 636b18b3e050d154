"""Access: what a process on another machine must be told to open the same store."""

from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Invalid
from datamon.store.bundle import Author
from datamon.store.encryption_key import read_key
from datamon.store.opening import Places, Store, open_store


@dataclass(frozen=True, slots=True)
class Access:
    """Where the store lies and who writes to it, to be sent to other processes. It holds no secret: the files that `places` and
    `key_file` name (service accounts, the key of an encrypted store) must lie where those processes run too."""

    places: Places
    author: Author
    key_file: Path | None = None

    def open(self) -> Store:
        """The store. Raises as `open_store` and `read_key`."""
        key = read_key(self.key_file) if self.key_file is not None else None
        return open_store(replace(self.places, key=key), self.author)

    @property
    def local(self) -> list[str]:
        """Those of its places that are paths."""
        return [place for place in self._all if place.startswith(("/", ".", "~", "file:"))]

    def check(self) -> None:
        """Returns when other processes can open it. Raises Invalid (`bad-config`)."""
        if any(place.startswith("memory:") for place in self._all):
            message = (
                "the store lies in the memory of this process, where no task can reach it; name a bucket or a path"
            )
            raise Invalid("bad-config", message)
        if self.places.key is not None:
            message = (
                "the key of the store is not sent to tasks; put it into a file that lies at the same path on all machines, and "
                "name that as `encryption.key_file` or by DATAMON_ENCRYPTION_KEY_FILE"
            )
            raise Invalid("bad-config", message)

    @property
    def _all(self) -> list[str]:
        if self.places.mirror is not None:
            return [place for side in self.places.mirror.sides for place in dict.fromkeys((side.metadata, side.blob))]
        return list(dict.fromkeys((self.places.metadata, self.places.blob)))
