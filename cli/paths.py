"""`datamon://`: the file system of fsspec over the store that the settings name."""

from typing import Any

from datamon.cli.open_path import paths_of
from datamon.cli.session import Session, open_session, session_now
from datamon.store.paths.filesystem import StoreFileSystem, register
from datamon.store.paths.paths import Paths


class DatamonFileSystem(StoreFileSystem):
    """The files of the store that the settings name, or `store` (a path, a bucket's name), `context` and `config` as
    `datamon.open_store` takes them. `message` is that of bundles made by writes."""

    def __init__(
        self,
        *args: Any,
        store: str | None = None,
        context: str | None = None,
        config: str | None = None,
        message: str | None = None,
        **storage_options: Any,
    ) -> None:
        super().__init__(*args, message=message, **storage_options)
        self._place = store
        self._context = context
        self._config = config

    @property
    def paths(self) -> Paths:
        """See `StoreFileSystem`."""
        return paths_of(self._session().store)

    def _session(self) -> Session:
        if self._place is None and self._context is None and self._config is None:
            return session_now()
        return open_session(self._place, context=self._context, config=self._config)


register(DatamonFileSystem)
