"""The index: tables made from the store, which may be deleted at any time and give the same rows when made again."""

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from datamon.query.index.opening import FileIndex, Index, open_index

__all__ = ["FileIndex", "Index", "open_index"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(name)
    from datamon.query.index import opening  # brings duckdb, which quick answers do without

    return getattr(opening, name)
