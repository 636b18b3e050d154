"""The contexts that there are: in the configuration file, and in the place that a team shares; none of their stores is asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from datamon.cli.configuration import Configuration, read_configuration, said_in
from datamon.cli.environment import process_environment
from datamon.cli.globals import Globals
from datamon.cli.settings import configuration_file, shared_source
from datamon.cli.shared_contexts import SharedSource
from datamon.errors import DatamonError, Invalid
from datamon.store.contexts import SharedContext

PLACES = frozenset({"metadata", "mirror"})
"""The keys of which a context has one, that say where its store lies."""
_PERSONAL = frozenset({"email", "name"})
_SECRET = re.compile(r"credential|key|secret|password|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A context: what it says, where it is written, and whether it is the one in use. `version` is that of a shared one."""

    name: str
    place: Mapping[str, Any]
    where: str
    in_use: bool
    version: SharedContext | None = None

    @property
    def metadata(self) -> str:
        """Where its metadata lies: of a mirrored store on each side; empty where it does not say that."""
        sides = (self.place.get("mirror") or {}).get("sides", ())
        return str(self.place.get("metadata") or " + ".join(str(side.get("metadata")) for side in sides))

    @property
    def blob(self) -> str:
        """Where its file contents lie: with the metadata where it does not say another place."""
        return str(self.place.get("blob") or self.metadata)


@dataclass(frozen=True)
class NamedPlaces:
    """The contexts under the program's own options, of which the one for a context is left aside. Raises as
    `read_configuration`."""

    flags: Globals

    @cached_property
    def file(self) -> Path:
        """The configuration file, which may not exist."""
        return configuration_file(self.flags)

    @cached_property
    def configuration(self) -> Configuration:
        """What the file says."""
        return read_configuration(self.file)

    @cached_property
    def shared(self) -> SharedSource | None:
        """Where a team shares contexts, if that is set."""
        return shared_source(self.configuration, process_environment(), self.file)

    @property
    def used(self) -> str | None:
        """The name of the context in use, if any; it may name none that there is."""
        return process_environment().get("DATAMON_CONTEXT") or self.configuration.context

    def shared_or_refuse(self) -> SharedSource:
        """Where a team shares contexts. Raises Invalid (`usage`) when that is not set."""
        if self.shared is None:
            raise Invalid(
                "usage",
                f"no place for shared contexts is set; set DATAMON_GLOBAL_CONFIG, or the key `config` in {self.file}",
            )
        return self.shared

    def list(self) -> "tuple[list[NamedPlace], DatamonError | None]":
        """Those of the file and then the shared ones, each by name; and why the shared ones could not be looked at, if so."""
        found = [self._of_file(name) for name in sorted(self.configuration.contexts)]
        try:
            versions = self.shared.opened().list() if self.shared is not None else []
        except DatamonError as error:
            return found, error
        return [*found, *map(self._of_shared, versions)], None

    def find(self, name: str) -> NamedPlace | None:
        """The context of this name: the file's, or else the shared one."""
        if name in self.configuration.contexts:
            return self._of_file(name)
        version = self.shared.opened().find(name) if self.shared is not None else None
        return self._of_shared(version) if version is not None else None

    def _of_file(self, name: str) -> NamedPlace:
        place = said_in(self.configuration.contexts[name])
        return NamedPlace(name, place, str(self.file), name == self.used)

    def _of_shared(self, version: SharedContext) -> NamedPlace:
        where = self.shared.place if self.shared is not None else ""
        in_use = version.name == self.used and version.name not in self.configuration.contexts
        return NamedPlace(version.name, version.place or {}, where, in_use, version)


def without_secrets(place: Mapping[str, Any]) -> dict[str, Any]:
    """What of a context others may see: no credentials, keys or the like at any depth, and not who you are.

    >>> without_secrets({"name": "Ada", "mirror": {"sides": [{"name": "eu", "metadata": "gs://n", "credential": "k"}]}})
    {'mirror': {'sides': [{'name': 'eu', 'metadata': 'gs://n'}]}}
    """
    return {key: value for key, value in _open(place).items() if key not in _PERSONAL}


def _open(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that are no secret; none whose value has nothing else."""
    shown = {key: _shown(value) for key, value in keys.items() if not _SECRET.search(key)}
    return {key: value for key, value in shown.items() if value != {}}


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _open(value)
    return [_shown(each) for each in value] if isinstance(value, list) else value
