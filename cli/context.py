"""`datamon context`: named stores, in the configuration file or shared by a team."""

import os
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.config_file import Keys, change_configuration
from datamon.cli.configuration import Place, checked, said_in
from datamon.cli.context_rows import context_listing, context_record, told
from datamon.cli.environment import working_directory
from datamon.cli.globals import Globals
from datamon.cli.named_places import PLACES, NamedPlace, NamedPlaces, without_secrets
from datamon.cli.opening import open_settled, places_of
from datamon.cli.options import FormatOption
from datamon.cli.output import note, show, show_record
from datamon.cli.settings import Settings, load_settings, no_context
from datamon.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from datamon.store.names import check_name
from datamon.store.opening import find_store

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)

SharedOption = Annotated[
    bool, typer.Option("--shared", help="In the place that your team shares, not in your own file.")
]
UnusedOption = Annotated[str | None, typer.Option(hidden=True)]


@app.callback()
def context() -> None:
    """Contexts: named stores, in your configuration file or shared by a team. `--context NAME` of any command uses one."""


@app.command()
def create(
    ctx: typer.Context,
    metadata: Annotated[
        str | None,
        typer.Option("--metadata", "--meta", metavar="PLACE", help="Where metadata lies: bucket, path or URL."),
    ] = None,
    blob: Annotated[
        str | None,
        typer.Option("--blob", metavar="PLACE", help="Where file contents lie. [the place of the metadata]"),
    ] = None,
    credential: Annotated[
        Path | None, typer.Option("--credential", metavar="FILE", help="A Google Cloud service account's key file.")
    ] = None,
    shared: SharedOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Change a context that exists; what is not given here stays as it is.")
    ] = False,
    init: Annotated[bool, typer.Option("--init", help="Make the store there, if there is none yet.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not look whether the places can be reached.")
    ] = False,
    vmeta: UnusedOption = None,
    wal: UnusedOption = None,
    read_log: UnusedOption = None,
    form: FormatOption = None,
) -> None:
    """Write a context: --context NAME says its name. Prints name , metadata , blob , where it is written , its store.

    Before that its places are looked at; nothing is made there. Comments in the configuration file are not kept. With --shared
    everyone who has set DATAMON_GLOBAL_CONFIG (or the key `config`) to the same place can use it; credentials are never written
    there, and without --metadata the context of that name in your own file is shared.

    \b
    Examples:
      datamon context create --context scratch --metadata ~/scratch-store
      datamon context create --context prod --metadata gs://team-metadata --blob gs://team-blobs --shared
    """
    name = check_name("context", _named(ctx))
    if vmeta or wal or read_log:
        note("note: --vmeta, --wal and --read-log name places that datamon does not need; they were left aside")
    given = _given(metadata, blob, credential, shared=shared)
    places = NamedPlaces(ctx.obj)
    before = _before(places, name, shared=shared, force=force, given=given)
    place = before | given
    if not place.keys() & PLACES:
        raise Invalid("usage", f"the context {name!r} needs a place: give --metadata")
    said = checked(Place, place, f"the context {name!r} is wrong", context=name)
    settings = load_settings(Globals(places.flags.config, name), place=said)
    store = None if unchecked else _store_there(settings, init=init)
    if shared:
        place |= {key: getattr(settings, key) for key in ("metadata", "blob") if key in place}  # absolute
        places.shared_or_refuse().opened(settings.author).create(name, place, replace=force)
    else:
        change_configuration(places.file, lambda keys: _with_context(keys, name, given, places.file, force=force))
    where = places.shared_or_refuse().place if shared else str(places.file)
    written = NamedPlace(name, place, where, name == places.used)
    record = {**context_record(written), "store": store}
    standing = "not looked at" if unchecked else f"store {store}" if store else "no store yet"
    show_record(record, form, [f"{told(written)} , {standing}"])


@app.command()
def get(ctx: typer.Context, form: FormatOption = None) -> None:
    """Show the context that --context names, or else the one in use: name , metadata , blob , where it is written.

    \b
    Example:
      datamon context get --context prod --format json
    """
    places = NamedPlaces(ctx.obj)
    name = places.flags.context or places.used
    if name is None:
        raise Invalid("usage", "no context is in use; name one with --context, or choose one by `datamon context use`")
    found = _found(places, name)
    show_record(context_record(found), form, [told(found)])


@app.command("list")
def list_(ctx: typer.Context, form: FormatOption = None) -> None:
    """List the contexts of your file and then those that are shared: name , metadata , blob , where it is written.

    \b
    Example:
      datamon context list
    """
    found, fault = NamedPlaces(ctx.obj).list()
    show(context_listing(found), form)
    if fault is not None:
        raise fault


@app.command()
def use(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the context.", show_default=False)] = None,
) -> None:
    """Use a context from now on: it is the `context` of the configuration file, of which comments are not kept.

    \b
    Example:
      datamon context use prod
    """
    places = NamedPlaces(ctx.obj)
    chosen = name or _named(ctx)
    _found(places, chosen)
    change_configuration(places.file, lambda keys: keys | {"context": chosen})
    now = NamedPlaces(ctx.obj).used
    if now != chosen:
        note(f"note: DATAMON_CONTEXT is set to {now!r}, which counts more than the file")


@app.command()
def delete(ctx: typer.Context, shared: SharedOption = False) -> None:
    """Take away the context that --context names; its store stays as it is. Comments in the file are not kept.

    \b
    Example:
      datamon context delete --context scratch
    """
    name = _named(ctx)
    places = NamedPlaces(ctx.obj)
    if shared:
        settings = load_settings(Globals(places.flags.config, name), place=Place())
        places.shared_or_refuse().opened(settings.author).delete(name)
        return
    change_configuration(places.file, lambda keys: _without_context(places, keys, name))
    if places.configuration.context == name and name not in NamedPlaces(ctx.obj).configuration.contexts:
        note(f"note: {name!r} was in use; no context is now")


def _named(ctx: typer.Context) -> str:
    """What --context says. Raises Invalid (`usage`) when it says nothing."""
    flags: Globals = ctx.obj
    if flags.context is None:
        raise Invalid("usage", f"name the context: `{ctx.command_path} --context NAME`")
    return flags.context


def _found(places: NamedPlaces, name: str) -> NamedPlace:
    found = places.find(name)
    if found is None:
        raise no_context(name, places.configuration, places.file, places.shared)
    return found


def _given(metadata: str | None, blob: str | None, credential: Path | None, *, shared: bool) -> Keys:
    """The keys that the line says, its paths made absolute."""
    if shared and credential is not None:
        raise Invalid("usage", "a shared context carries no credential; everyone's own counts: leave out --credential")
    given = {
        "metadata": _absolute(metadata),
        "blob": _absolute(blob),
        "credential": str(credential.expanduser().absolute()) if credential else None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _absolute(place: str | None) -> str | None:
    return os.path.normpath(working_directory() / place) if place and place.startswith(".") else place


def _before(places: NamedPlaces, name: str, given: Keys, *, shared: bool, force: bool) -> Keys:
    """What the context says that is changed, or that of the file that is to be shared."""
    own = places.configuration.contexts.get(name)
    mine: Keys = said_in(own) if own is not None else {}
    if not shared:
        return mine if force else {}
    version = places.shared_or_refuse().opened().find(name) if force else None
    shareable = without_secrets(mine) if not given.keys() & PLACES else {}
    return {**((version.place if version else None) or {}), **shareable}


def _store_there(settings: Settings, *, init: bool) -> str | None:
    """The id of the store at the places, None when there is none yet. Raises as `open_store` does."""
    if init:
        return open_settled(settings).id
    try:
        return find_store(places_of(settings))
    except (Denied, NotFound, Unavailable) as error:
        message = f"{error.message}; --unchecked writes the context all the same"
        raise type(error)(error.code, message, **error.facts) from error


def _with_context(keys: Keys, name: str, given: Keys, file: Path, *, force: bool) -> Keys:
    contexts = keys.get("contexts") or {}
    if name in contexts and not force:
        raise Conflict(
            "context-exists",
            f"{file} has a context {name!r}; choose another name, or change it with --force",
            context=name,
        )
    return keys | {"contexts": contexts | {name: contexts.get(name, {}) | given}}


def _without_context(places: NamedPlaces, keys: Keys, name: str) -> Keys:
    contexts = dict(keys.get("contexts") or {})
    if contexts.pop(name, None) is None:
        raise no_context(name, places.configuration, places.file, None)
    left = {key: value for key, value in keys.items() if key != "context" or value != name}
    return left | {"contexts": contexts}
