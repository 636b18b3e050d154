"""What is known of now, as small tables that whoever asks passes in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datamon.query.compiled.literals import table_of

_Rows = Sequence[Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class NowKnown:
    """Facts of now, as `lineage.facts.Facts` has them. `observed` are the (run, role) whose reads are judged one by one: by
    `read_parts` (run, role, path, content) and by `sought` (run, role, path), what was looked for in vain."""

    contents: _Rows = ()
    code: _Rows = ()
    params: _Rows = ()
    environment: _Rows = ()
    missing: Iterable[str] = ()
    observed: _Rows = ()
    read_parts: _Rows = ()
    sought: _Rows = ()

    def tables(self) -> list[str]:
        """Their definitions."""
        return [
            table_of("content_now", ("bundle", "path", "content"), self.contents),
            table_of("code_now", ("run", "fingerprint"), self.code),
            table_of("param_now", ("run", "name", "value"), self.params),
            table_of("env_now", ("run", "name", "value"), self.environment),
            table_of("missing", ("bundle",), [(each,) for each in sorted(self.missing)]),
            table_of("observed", ("run", "role"), self.observed),
            table_of("read_part", ("run", "role", "path", "content"), self.read_parts),
            table_of("sought", ("run", "role", "path"), self.sought),
        ]
