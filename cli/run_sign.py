"""`datamon run create-signing-key`, `sign` and `verify`: who vouches for runs."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.rows import moment
from datamon.cli.run_export import ClosureOption, RunsArgument
from datamon.errors import EXIT_CODES, Corrupt, Invalid

VERIFY_COLUMNS = ("run", "step", "verdict", "key", "signed", "message")
KeyOption = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The private key. [signing.key_file, or DATAMON_SIGNING_KEY_FILE]"),
]
TrustedOption = Annotated[
    list[Path] | None,
    typer.Option("--trusted-key", metavar="FILE", help="A public key whose signatures count. May be repeated."),
]


def create_signing_key(file: Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]) -> None:
    """Make a private key that signs runs, in FILE, which only you may read, and the public key beside it, in FILE.pub.

    \b
    Example:
      datamon run create-signing-key ~/.datamon/signing.key
    """
    from datamon.lineage.interchange.dsse import create_keys  # brings cryptography, which recording does not need

    identity = create_keys(file)
    note(f"made the key {file} ({identity[:12]}); set signing.key_file to it, and give {file}.pub to who verifies")


def sign(ctx: typer.Context, runs: RunsArgument, key: KeyOption = None, closure: ClosureOption = False) -> None:
    """Sign runs that have ended: their inputs, outputs and records, as in-toto statements in DSSE envelopes, kept with the runs.

    \b
    Examples:
      datamon run sign 7c2e --key signing.key
      datamon run sign model@main --closure
    """
    from datamon.lineage.interchange.dsse import read_signing_key
    from datamon.lineage.interchange.signing import sign_run
    from datamon.lineage.interchange.story import tell
    from datamon.lineage.interchange.survey import selected

    file = key or settings_of(ctx).signing_key
    if file is None:
        raise Invalid("usage", "no key is named; give --key, or set signing.key_file in the configuration")
    signing = read_signing_key(file)
    store = open_configured(ctx)
    telling = tell(store, selected(store, runs, closure=closure))
    for story in telling.stories:
        sign_run(store, story, signing)
        note(f"signed run {story.run.id} of {story.step} with the key {signing.id[:12]}")


def verify(
    ctx: typer.Context,
    runs: RunsArgument,
    trusted: TrustedOption = None,
    form: FormatOption = None,
) -> int:
    """Verify the signatures of runs and of every run upstream of them; exit code 8 when one is bad, untrusted, or disagrees.

    Each statement is compared with the record of its run and with the contents that the store has now. Runs that nobody has
    signed are told of. A line is verdict , run , step , key , message.

    \b
    Examples:
      datamon run verify model@main --trusted-key ada.pub
      datamon run verify 7c2e --format json
    """
    from datamon.lineage.interchange.dsse import read_public_key
    from datamon.lineage.interchange.signing import verify as verified
    from datamon.lineage.interchange.story import tell
    from datamon.lineage.interchange.survey import selected

    keys = [read_public_key(file) for file in trusted or settings_of(ctx).trusted_keys]
    store = open_configured(ctx)
    found = list(verified(tell(store, selected(store, runs, closure=True)), keys))
    rows = [
        (each.run, each.step, each.verdict, each.key, moment(each.signed_ns) if each.signed_ns else None, each.message)
        for each in found
    ]
    show(Listing(VERIFY_COLUMNS, rows, _line), form)
    if not keys:
        note("no key is trusted: `good` says only that a statement was signed with the key that it names")
    bad = sum(each.is_bad for each in found)
    unsigned = sum(each.verdict == "unsigned" for each in found)
    note(f"{len({each.run for each in found}):,} runs: {bad:,} signatures are bad, {unsigned:,} runs are unsigned")
    return EXIT_CODES[Corrupt][0] if bad else 0


def _line(row: Row) -> str:
    key = str(row[3])[:12] if row[3] else ""
    return f"{row[2]} , {row[0]} , {row[1]} , {key} , {row[5]}".rstrip(" ,")
