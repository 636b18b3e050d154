"""`datamon gc`: what was deleted goes when its grace is over, and the lines say so."""

import json
import re
from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
NOTHING = "0 packs , 0 keys , 0 bytes"


def parts(ran: Ran) -> dict[str, str]:
    """What the lines say, by part."""
    assert ran.code == 0, ran
    return {part: rest for part, _, rest in (line.partition(" , ") for line in ran.lines)}


def deleted(orders: Shell, inside: Inside) -> None:
    """The bundle is deleted, with its label and branch."""
    bundle = inside(orders, "bundle", "list", "--repo", "orders").lines[0].split(" , ")[0]
    inside(orders, "bundle", "delete", "--repo", "orders", "--bundle", bundle, "--force")
    assert inside(orders, "bundle", "list", "--repo", "orders").lines == []


def test_what_was_deleted_is_spared_and_then_freed(orders: Shell, inside: Inside) -> None:
    assert set(parts(inside(orders, "gc")).values()) == {NOTHING}
    deleted(orders, inside)
    spared = parts(inside(orders, "gc", "--grace", "7d"))
    assert spared["freed"] == NOTHING
    size = re.fullmatch(
        r"(1 packs , 3 keys , \d+ bytes) , until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", spared["spared"]
    )
    assert size, spared
    planned = inside(orders, "gc", "--grace", "0", "--dry-run")
    assert planned.err == "nothing was changed\n"
    freed = inside(orders, "gc", "--grace", "0")
    assert parts(planned) == parts(freed)
    assert parts(freed)["freed"] == size[1]
    assert set(parts(inside(orders, "gc", "--grace", "0")).values()) == {NOTHING}


def test_the_parts_have_every_form(orders: Shell, inside: Inside) -> None:
    deleted(orders, inside)
    rows = json.loads(inside(orders, "gc", "--format", "json").out)
    assert [row["part"] for row in rows] == ["condemned", "repacked", "freed", "kept", "spared"]
    assert rows[-1]["until"].endswith("Z")
    assert rows[-1]["packs"] == 1
    assert inside(orders, "gc", "--format", "csv").lines[0] == "part,packs,keys,bytes,until"


@pytest.mark.parametrize("grace", ["", "soon", "-1", "1.5h", "7 days", "1y"])
def test_a_grace_that_is_no_span_of_time_is_refused(orders_once: Shell, inside: Inside, grace: str) -> None:
    ran = inside(orders_once, "gc", "--grace", grace)
    assert ran.code == 2
    assert "write it like 0, 90m, 24h or 7d" in ran.sentence
