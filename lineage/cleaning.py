"""What is recorded of a run, without secret values."""

from dataclasses import replace

from datamon.lineage.records import Capture, CodeVersion, InputRecord
from datamon.lineage.secrets import Redactor
from datamon.lineage.sql_parts import SqlRecord


def clean_text(text: str | None, redactor: Redactor) -> str | None:
    """The text without secret values; None of nothing."""
    return redactor.text(text) if text else None


def clean_input(record: InputRecord, redactor: Redactor) -> InputRecord:
    """The input without them. A path that was cleaned is no path of the input any more: then it is not recorded which were
    read."""
    clean = redactor.text
    observed = [*(record.read or ()), *record.absent]
    is_known = record.read is not None and all(clean(path) == path for path in observed)
    return replace(
        record,
        changed=tuple(map(clean, record.changed)),
        directory=clean_text(record.directory, redactor),
        read=record.read if is_known else None,
        absent=record.absent if is_known else (),
    )


def clean_capture(capture: Capture | None, redactor: Redactor) -> Capture | None:
    """What was seen, without them."""
    if capture is None:
        return None
    clean = redactor.text
    return replace(
        capture, undeclared=tuple(map(clean, capture.undeclared)), written=tuple(map(clean, capture.written))
    )


def clean_code(code: CodeVersion, redactor: Redactor) -> CodeVersion:
    """The code version without them."""
    return replace(
        code,
        host_path=clean_text(code.host_path, redactor),
        remote=clean_text(code.remote, redactor),
        paths=tuple(map(redactor.text, code.paths)),
        masked=tuple(map(redactor.text, code.masked)),
    )


def clean_sql(sql: SqlRecord | None, redactor: Redactor) -> SqlRecord | None:
    """What a SQL step ran, without them."""
    return replace(sql, text=redactor.text(sql.text)) if sql else None
