"""Where an old store lies: three places, said one by one or by a context of its configuration bucket."""

from dataclasses import dataclass
from pathlib import Path

from datamon.errors import NotFound
from datamon.store.backend.foreign import Foreign
from datamon.store.backend.opening import open_foreign
from datamon.store.legacy import layout
from datamon.store.legacy.plain_yaml import Where
from datamon.store.legacy.records import read_places


@dataclass(frozen=True, slots=True)
class LegacyPlaces:
    """The places of an old store, said as for `open_backend`: its metadata, its versioned metadata (labels and diamonds), its
    blobs."""

    metadata: str
    vmetadata: str
    blob: str


@dataclass(frozen=True, slots=True)
class LegacyStore:
    """An old store, to be read only."""

    metadata: Foreign
    vmetadata: Foreign
    blob: Foreign

    @property
    def is_far(self) -> bool:
        """Whether reads wait for answers from elsewhere."""
        return self.blob.is_far or self.metadata.is_far


def open_legacy(places: LegacyPlaces, *, credential: Path | None = None) -> LegacyStore:
    """The old store there. Raises as `open_foreign` does."""
    metadata, vmetadata, blob = (
        open_foreign(place, credential=credential) for place in (places.metadata, places.vmetadata, places.blob)
    )
    return LegacyStore(metadata, vmetadata, blob)


def context_places(config: str, context: str, *, credential: Path | None = None) -> LegacyPlaces:
    """The places that a context of the first datamon names, in the configuration bucket `config`.

    Raises NotFound (`context-not-found`), Corrupt (`bad-record`), and as `open_foreign` does.
    """
    bucket = open_foreign(config, credential=credential)
    name = layout.context_record(context)
    try:
        content = bucket.read(name)
    except NotFound as error:
        raise NotFound(
            "context-not-found",
            f"the configuration at {bucket.url} has no context {context!r} (there is no {name}); name another with --context",
            context=context,
        ) from error
    return LegacyPlaces(*read_places(content, Where(bucket.url, name)))
