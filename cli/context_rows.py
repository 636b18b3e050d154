"""Contexts as rows and as lines."""

from datamon.cli.named_places import NamedPlace
from datamon.cli.output import Listing
from datamon.cli.rows import moment

COLUMNS = ("name", "metadata", "blob", "where", "in_use")


def context_listing(contexts: list[NamedPlace]) -> Listing:
    """Contexts; a line is as `told`."""
    lines = iter([told(context) for context in contexts])
    return Listing(COLUMNS, [_row(context) for context in contexts], lambda _: next(lines))


def context_record(context: NamedPlace) -> dict[str, object]:
    """One context, with what else it says (`more`) and, of a shared one, its version, who wrote that and when."""
    version = context.version
    more = {key: value for key, value in context.place.items() if key not in ("metadata", "blob")}
    return {
        **dict(zip(COLUMNS, _row(context), strict=True)),
        "more": more,
        "version": version.number if version else None,
        "author": version.author.name if version else None,
        "email": version.author.email if version else None,
        "time": moment(version.time_ns) if version else None,
    }


def told(context: NamedPlace) -> str:
    """`name , metadata , blob , where it is written`, and whether it is in use."""
    in_use = " , in use" if context.in_use else ""
    return f"{context.name} , {context.metadata} , {context.blob} , {context.where}{in_use}"


def _row(context: NamedPlace) -> tuple[object, ...]:
    return (context.name, context.metadata, context.blob, context.where, context.in_use)
