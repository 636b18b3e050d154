"""Options of the form NAME=VALUE."""

from collections.abc import Iterable

from datamon.errors import Invalid


def named_values(option: str, pairs: Iterable[str]) -> dict[str, str]:
    """The values by name, split at the first `=`. Raises Invalid (`bad-argument`) for no name, no `=`, or a name twice.

    >>> named_values("param", ["a=1", "b=x=y"])
    {'a': '1', 'b': 'x=y'}
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Invalid("bad-argument", f"--{option} {pair!r} is not of the form NAME=VALUE", argument=pair)
        if name in values:
            raise Invalid("bad-argument", f"--{option} gives {name!r} twice; give it once", argument=pair)
        values[name] = value
    return values
