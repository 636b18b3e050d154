"""The index: tables made from the store, which may be deleted at any time and give the same rows when made again."""

from datamon.query.index.opening import FileIndex, Index, open_index

__all__ = ["FileIndex", "Index", "open_index"]
