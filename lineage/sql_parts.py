"""What the record of a SQL step adds: its text, and the tables that it read and made, from which column lineage follows."""

from dataclasses import dataclass

from datamon.store.codec import Record


@dataclass(frozen=True, slots=True)
class SqlTable:
    """A table of the input or output `role`, with its columns in order and their types as in DuckDB. `source` is its name
    before the dot in the SQL, and of a table that was made empty."""

    role: str
    source: str
    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    def to_record(self) -> Record:
        """As it is stored."""
        return {
            "role": self.role,
            "source": self.source,
            "name": self.name,
            "columns": list(self.columns),
            "types": list(self.types),
        }

    @classmethod
    def from_record(cls, record: Record) -> "SqlTable":
        """From what is stored."""
        columns, types = tuple(record["columns"]), tuple(record["types"])
        return cls(record["role"], record["source"], record["name"], columns, types)


@dataclass(frozen=True, slots=True)
class SqlRecord:
    """What a SQL step ran: all tables that it could read, and those that it made."""

    text: str
    read: tuple[SqlTable, ...] = ()
    made: tuple[SqlTable, ...] = ()

    def to_record(self) -> Record:
        """As it is stored."""
        read, made = ([each.to_record() for each in tables] for tables in (self.read, self.made))
        return {"text": self.text, "read": read, "made": made}

    @classmethod
    def from_record(cls, record: Record) -> "SqlRecord":
        """From what is stored."""
        read, made = (tuple(SqlTable.from_record(each) for each in record[part]) for part in ("read", "made"))
        return cls(record["text"], read, made)
