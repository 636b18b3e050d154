"""From settings to an open store, with what earlier commands left unfinished finished first."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.cli.environment import process_environment
from datamon.cli.globals import Globals
from datamon.cli.output import note
from datamon.cli.settings import Settings, load_settings
from datamon.errors import DatamonError
from datamon.lineage.pending import nothing_pending
from datamon.store.opening import Places, Store, open_store
from datamon.store.view import view_of

if TYPE_CHECKING:
    import typer

    from datamon.lineage.recording import Policy, Signing
    from datamon.store.external.access import Access


def open_configured(ctx: "typer.Context") -> Store:
    """The store that the settings name, made on first use; runs that were left unfinished are finished or told of on stderr."""
    return open_tidied(settings_of(ctx))


def open_tidied(settings: Settings) -> Store:
    """As `open_configured`, under these settings."""
    store = open_settled(settings)
    try:
        if not nothing_pending(store):
            from datamon.lineage.capture.host import capture_host  # 20 ms that nearly every command does without
            from datamon.lineage.finishing import finish_pending

            for finished in finish_pending(store, capture_host()):
                note(finished.message)
    except DatamonError as error:
        note(f"what earlier runs left unfinished is still so: {error.message}")
    return store


def open_for_completion(ctx: "typer.Context") -> Store | None:
    """The store that the line to be completed means; None when its default place is not there, for asking makes nothing.

    Raises as `load_settings` and `open_store`.
    """
    flags = ctx.find_root().params
    settings = load_settings(Globals(config=flags.get("config"), context=flags.get("context")))
    if not settings.metadata.startswith("/") or not Path(settings.metadata).exists():
        return None
    return open_settled(settings)


def settings_of(ctx: "typer.Context") -> Settings:
    """The settings under the program's own options."""
    flags: Globals = ctx.obj
    return load_settings(flags)


def open_settled(settings: Settings) -> Store:
    """The store that these settings name, made on first use. What this machine keeps for it lies apart from other stores'."""
    store = open_store(places_of(settings), settings.author)
    return store if settings.view is None else view_of(store, settings.view)


def places_of(settings: Settings) -> Places:
    """Where the store of these settings lies. What a degraded write to a mirrored one means is said on stderr, at the first."""
    mirror = settings.mirror
    if mirror is not None:
        mirror = replace(mirror, terms=replace(mirror.terms, tell=note))
    return Places(
        settings.metadata,
        settings.blob,
        settings.credential,
        settings.state_dir,
        cache_dir=settings.cache_dir,
        cache_bytes=settings.cache_bytes,
        key=settings.encryption_key,
        mirror=mirror,
    )


def access_of(settings: Settings) -> "Access":
    """What tasks on other machines are told to open this store: where its key lies, and never the key out of a file."""
    from datamon.store.external.access import Access  # only what Spark runs needs it

    places = places_of(settings)
    if settings.key_text is None:  # it comes out of a file, which the tasks read themselves
        places = replace(places, key=None)
    return Access(places, settings.author, settings.key_file)


def policy_of(settings: Settings) -> "Policy":
    """What recordings keep and hide under these settings. The values of variables that are named like secrets are hidden too."""
    from datamon.lineage.recording import Policy  # questions are opened by this module, too, and record nothing
    from datamon.lineage.secrets import DEFAULT_NAMES, Redactor, secret_values

    variables = process_environment()
    names = (*DEFAULT_NAMES, *settings.secret_names)
    values = (*settings.secret_values, *secret_values(variables, names), *_key_texts(settings))
    return Policy(
        redactor=Redactor(names, values),
        variables=variables,
        kept_variables=settings.kept_variables,
        sign=_signing(settings),
    )


def _signing(settings: Settings) -> "Signing | None":
    """What signs the runs that are recorded, where a key is set. Raises as `read_signing_key`."""
    if settings.signing_key is None:
        return None
    from datamon.lineage.interchange.signing import signing_with  # brings cryptography, which few recordings need

    return signing_with(settings.signing_key)


def _key_texts(settings: Settings) -> tuple[str, ...]:
    """The store's key, which no record may hold."""
    key = settings.encryption_key
    return () if key is None else (key.text, key.text.rpartition(":")[2])
