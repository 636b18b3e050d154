"""Settings: what flags, environment variables and `~/.datamon/datamon.yaml` say, and what holds where none says anything.

Each setting is looked for in this order: what a flag says, what the environment says, what the configuration file says,
the default. `settings_table` has them all.
"""

import difflib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from datamon.cli.configuration import Cache, Configuration, MirrorKeys, Place, checked, read_configuration
from datamon.cli.environment import process_environment, working_directory
from datamon.cli.globals import Globals
from datamon.cli.shared_contexts import SharedSource
from datamon.cli.sizes import size_bytes
from datamon.errors import Invalid, NotFound
from datamon.lineage.nesting import VIEW_VARIABLE
from datamon.store.backend.arbiter import Terms
from datamon.store.bundle import Author
from datamon.store.encryption_key import EncryptionKey, key_of, read_key
from datamon.store.mirror.opening import MirrorPlaces, SidePlace

GIT_TIMEOUT_S = 5
CACHE_BYTES = 10 * 10**9
"""So much is kept of far places where nothing else is said."""


@dataclass(frozen=True)
class Settings:
    """What holds for this process."""

    home: Path
    file: Path
    context: str | None
    metadata: str
    blob: str
    name: str | None
    email: str | None
    credential: Path | None
    mirror: MirrorPlaces | None
    secret_names: tuple[str, ...]
    secret_values: tuple[str, ...] = field(repr=False)
    cache_dir: Path
    cache_bytes: int
    key_file: Path | None = None
    key_text: str | None = field(default=None, repr=False)
    signing_key: Path | None = None
    trusted_keys: tuple[Path, ...] = ()
    kept_variables: tuple[str, ...] = ()
    shared: bool = False
    """Whether contexts are looked for in a place that others share."""
    view: Path | None = None
    """Where a replay keeps what it writes; nothing of it reaches the store."""

    @property
    def state_dir(self) -> Path:
        """Where this machine keeps what is only its own: checkouts, caches, the index."""
        return self.home / "state"

    @property
    def encryption_key(self) -> EncryptionKey | None:
        """The key of the store, if one is set. Raises as `read_key`, and Invalid (`bad-encryption-key`)."""
        if self.key_text is not None:
            return key_of(self.key_text, "the variable DATAMON_ENCRYPTION_KEY")
        return read_key(self.key_file) if self.key_file is not None else None

    @cached_property
    def author(self) -> Author:
        """Who writes: as set, else as git has it, else the login; never fails."""
        git = {} if self.name and self.email else _git_author()
        login = _login()
        name = self.name or git.get("user.name") or login
        return Author(name, self.email or git.get("user.email") or f"{login}@{socket.gethostname()}")


def load_settings(
    flags: Globals, environment: Mapping[str, str] | None = None, *, place: Place | None = None
) -> Settings:
    """The settings under these flags; `environment` is the process's own when None. `place` is what the context of the flag says,
    whether there is one or not; None: what it says where it is found.

    A context chosen by its flag beats the environment's places, since a flag beats the environment. Raises NotFound
    (`path-not-found`, `context-not-found`) and Invalid (`bad-config`).
    """
    variables = process_environment() if environment is None else environment
    home = home_directory(variables)
    file = configuration_file(flags, variables)
    named = flags.config is not None or bool(variables.get("DATAMON_CONFIG"))
    configuration = read_configuration(file, must_exist=named)
    context = flags.context or variables.get("DATAMON_CONTEXT") or configuration.context
    shared = shared_source(configuration, variables, file)
    chosen = place or (_context(configuration, context, file, shared) if context else Place())
    from_flag = chosen if flags.context else Place()

    def setting(key: str, variable: str) -> str | None:
        found = _anchored(key, getattr(from_flag, key), file) or _anchored(key, variables.get(variable), None)
        return found or _anchored(key, getattr(chosen, key) or getattr(configuration, key), file)

    places = _mirror(configuration, chosen, flags, variables)
    degraded = flags.degraded or _is_on(variables.get("DATAMON_DEGRADED"))
    metadata, blob = setting("metadata", "DATAMON_METADATA"), setting("blob", "DATAMON_BLOB")
    if blob and not metadata:
        raise Invalid(
            "bad-config", f"a blob place is set ({blob}) without a metadata place; set metadata too", file=str(file)
        )
    credential = setting("credential", "GOOGLE_APPLICATION_CREDENTIALS")
    key_text = None if from_flag.encryption else variables.get("DATAMON_ENCRYPTION_KEY") or None
    key_file = _key_file(from_flag, file) or _anchored("credential", variables.get("DATAMON_ENCRYPTION_KEY_FILE"), None)
    return Settings(
        home=home,
        file=file,
        context=context,
        metadata=metadata or str(home / "store"),
        blob=blob or metadata or str(home / "store"),
        name=setting("name", "DATAMON_NAME"),
        email=setting("email", "DATAMON_EMAIL"),
        credential=_path(credential),
        key_file=_path(key_file or _key_file(chosen, file) or _key_file(configuration, file)),
        key_text=key_text,
        mirror=None if places is None else _mirror_places(places, file, degraded=degraded),
        secret_names=tuple(configuration.secrets.names),
        secret_values=tuple(value for name in configuration.secrets.values_from if (value := variables.get(name))),
        cache_dir=Path(_anchored("cache", configuration.cache.path, file) or home / "cache"),
        cache_bytes=_cache_bytes(configuration.cache, variables, file),
        signing_key=_path(
            _anchored("credential", variables.get("DATAMON_SIGNING_KEY_FILE"), None)
            or _anchored("credential", configuration.signing.key_file, file)
        ),
        trusted_keys=tuple(
            Path(_anchored("credential", each, file) or each) for each in configuration.signing.trusted_key_files
        ),
        kept_variables=tuple(configuration.variables),
        shared=shared is not None,
        view=_path(variables.get(VIEW_VARIABLE)),
    )


def _mirror(
    configuration: Configuration, chosen: Place, flags: Globals, variables: Mapping[str, str]
) -> MirrorKeys | None:
    """The mirror that holds: of the chosen context, else of the file itself; a place that is said by a variable beats it as it
    beats any other place of the file, and a context's own place beats the file's mirror."""
    if variables.get("DATAMON_METADATA") and not flags.context:
        return None
    return chosen.mirror or (None if chosen.metadata else configuration.mirror)


def _mirror_places(mirror: MirrorKeys, file: Path, *, degraded: bool) -> MirrorPlaces:
    def anchored(key: str, value: str | None) -> str | None:
        return _anchored(key, value, file)

    sides = []
    for side in mirror.sides:
        metadata = anchored("metadata", side.metadata) or side.metadata
        credential = anchored("credential", side.credential)
        blob = anchored("blob", side.blob) or metadata
        sides.append(SidePlace(side.name, metadata, blob, Path(credential) if credential else None))
    return MirrorPlaces(tuple(sides), Terms(mirror.min_sides, degraded))


def _is_on(value: str | None) -> bool:
    return value not in (None, "", "0")


def home_directory(environment: Mapping[str, str] | None = None) -> Path:
    """datamon's home directory, which may not exist yet."""
    variables = process_environment() if environment is None else environment
    named = variables.get("DATAMON_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".datamon"


def configuration_file(flags: Globals, environment: Mapping[str, str] | None = None) -> Path:
    """The configuration file's path, which may not exist yet."""
    variables = process_environment() if environment is None else environment
    named = flags.config or variables.get("DATAMON_CONFIG")
    return Path(named).expanduser().absolute() if named else home_directory(variables) / "datamon.yaml"


def shared_source(configuration: Configuration, variables: Mapping[str, str], file: Path) -> SharedSource | None:
    """Where shared contexts are looked for, and with which credentials; None when nowhere."""
    place = _anchored("config", variables.get("DATAMON_GLOBAL_CONFIG"), None)
    place = place or _anchored("config", configuration.config, file)
    credential = _anchored("credential", variables.get("GOOGLE_APPLICATION_CREDENTIALS"), None)
    credential = credential or _anchored("credential", configuration.credential, file)
    return SharedSource(place, Path(credential) if credential else None) if place else None


def _context(configuration: Configuration, name: str, file: Path, shared: SharedSource | None) -> Place:
    """What the context says: of the file, or else of those that are shared. Where it names the place of the metadata and none
    for file contents, these lie there too, whatever is said outside of it."""
    found = configuration.contexts.get(name)
    if found is None and shared is not None:
        told = shared.find(name)
        found = None if told is None else _shared_place(told, name, shared.place)
    if found is None:
        raise no_context(name, configuration, file, shared)
    return replace(found, blob=found.blob or found.metadata)


def _shared_place(told: Mapping[str, object], name: str, where: str) -> Place:
    again = "make it anew with --shared --force"
    return checked(Place, told, f"the context {name!r} in {where} is wrong", again, context=name)


def no_context(name: str, configuration: Configuration, file: Path, shared: SharedSource | None) -> NotFound:
    """The error that says that neither has the context, with the nearest name there is."""
    known = [*configuration.contexts, *(shared.names() if shared is not None else ())]
    where = f"{file}, nor in {shared.place}" if shared is not None else f"{file}"
    return NotFound("context-not-found", f"there is no context {name!r} in {where}; {_near(name, known)}", context=name)


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if not known:
        return "it has none: `datamon context create` makes one"
    return f"it has {', '.join(sorted(set(known)))}"


def _key_file(place: Place, file: Path) -> str | None:
    return _anchored("credential", place.encryption.key_file, file) if place.encryption else None


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _anchored(key: str, value: str | None, file: Path | None) -> str | None:
    """`value`, when it is a path made absolute: from the configuration file's directory, or from the working one."""
    if not value or key in ("name", "email"):
        return value or None
    is_path = key in ("credential", "cache") or value.startswith(("/", ".", "~"))
    if not is_path:
        return value
    path = Path(value).expanduser()
    return os.path.normpath((file.parent if file else working_directory()) / path)


def _cache_bytes(cache: Cache, variables: Mapping[str, str], file: Path) -> int:
    text = variables.get("DATAMON_CACHE_SIZE") or cache.size
    if text is None:
        return CACHE_BYTES
    found = size_bytes(str(text))
    if found is None:
        raise Invalid(
            "bad-config",
            f"{text!r} is no size for the cache; give a number with B, KB, MB, GB or TB behind it, or 0 for none",
            file=str(file),
        )
    return found


def _git_author() -> dict[str, str]:
    import subprocess  # 5 ms, where nothing else names the author

    command = ["git", "config", "--null", "--get-regexp", r"^user\.(name|email)$"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (entry.partition("\n") for entry in answer.stdout.decode("utf-8", "replace").split("\0"))
    return {key: value for key, separator, value in pairs if separator and value.strip()}


def _login() -> str:
    import getpass  # only where nothing else names the author

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "someone"
