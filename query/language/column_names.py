"""The columns that statements name: `column 'repo@label.table.column'`."""

from dataclasses import replace
from typing import NamedTuple

from datamon.query.language.faults import fault
from datamon.query.language.statement import Options, Ref
from datamon.query.values import Params, text_of


class ColumnName(NamedTuple):
    """A column as typed: a plain reference to the bundle that holds its table, the table, and the column."""

    bundle: Ref
    table: str
    column: str


def column_name(text: str, ref: Ref, params: Params) -> ColumnName:
    """The parts of a column's name, which stand between its last two dots. Raises Invalid (`bad-reference`) pointing at it."""
    typed = text_of(text, ref.value, params)
    bundle, *rest = typed.rsplit(".", 2)
    if len(rest) != 2 or not (bundle and all(rest)) or ":" in bundle:
        said = "expected a column as 'repo.table.column' or 'repo@label.table.column'"
        raise fault(text, ref.span, said, code="bad-reference")
    value = replace(ref.value, literal=bundle, param=None)
    return ColumnName(Ref("plain", value, ref.span), *rest)


def is_by_column(ref: Ref, options: Options) -> bool:
    """Whether columns are followed one by one."""
    return ref.form == "column" or options.at == "column"


def check_by_column(text: str, ref: Ref, options: Options) -> None:
    """Raises Invalid (`bad-statement`) that points at the reference for what cannot be answered column by column."""
    said = ""
    if ref.form not in ("column", "plain", "bundle"):
        said = f"columns are followed from a column or a bundle, and not from a {ref.form}; leave out AT column"
    elif options.at == "file":
        said = "a column is no file; leave out AT file, or ask of file 'repo:path'"
    elif options.via:
        said = "VIA is not answered for columns; leave it out"
    elif "inferred" in options.including:
        said = "INCLUDING inferred is of whole bundles; leave it out"
    if said:
        raise fault(text, ref.span, said)
