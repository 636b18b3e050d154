"""DESCRIBE and SHOW RELATIONS: what there is to read."""

from datamon.query.answer import Answer
from datamon.query.language.faults import fault, hint
from datamon.query.language.statement import Describe
from datamon.query.relations import RELATIONS
from datamon.query.source_columns import SOURCES


def list_relations() -> Answer:
    """What SHOW RELATIONS answers."""
    rows = [
        (each.name, each.meaning, [column.name for column in each.columns])
        for each in (*RELATIONS.values(), *SOURCES.values())
    ]
    return Answer(("name", "meaning", "columns"), ("VARCHAR", "VARCHAR", "VARCHAR[]"), rows)


def describe(asked: Describe) -> Answer:
    """What DESCRIBE answers. Raises Invalid (`bad-statement`) for a name that nothing has."""
    known = {**RELATIONS, **SOURCES}
    if asked.name not in known:
        said = f"there is no relation {asked.name!r}{hint(asked.name, known) or '; SHOW RELATIONS lists them'}"
        raise fault(asked.text, asked.span, said, relation=asked.name)
    rows = [(column.name, column.type, column.meaning) for column in known[asked.name].columns]
    return Answer(("column", "type", "meaning"), ("VARCHAR", "VARCHAR", "VARCHAR"), rows)
