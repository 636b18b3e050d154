"""How runs of this store are named in OpenLineage, and runs of others here."""

from uuid import UUID, uuid5

from datamon.store.ids import RunId, new_ksuid

SPACE = UUID("6f2f4f35-3a63-5c5e-9a4b-6d0c8a2f6b11")
"""The space in which run ids of datamon become UUIDs; it never changes."""


def namespace_of(store: str) -> str:
    """The namespace of a store's jobs and datasets.

    >>> namespace_of("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
    'datamon://2Q0z8hJ3bW6kR1xY5cN7vM9aT4d'
    """
    return f"datamon://{store}"


def uuid_of(store: str, run: RunId) -> UUID:
    """The UUID by which a recorded run is known outside: the same whenever it is told."""
    return uuid5(SPACE, f"{store}/{run}")


def run_of_uuid(uuid: UUID) -> RunId:
    """The id here of a run that another system knows by `uuid`: its 16 bytes behind the time that a UUID of version 7 has, else
    behind the first second. Two UUIDs never have one id.

    >>> run_of_uuid(UUID(int=0))
    '000000000000000000000000000'
    """
    milliseconds = uuid.int >> 80 if uuid.version == 7 else 0
    return RunId(new_ksuid(milliseconds * 10**6, uuid.bytes))
