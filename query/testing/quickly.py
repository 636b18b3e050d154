"""Questions that have quick answers, and that both ways of answering agree."""

from pathlib import Path

from datamon.errors import DatamonError
from datamon.query.engine import ask_on
from datamon.query.index.opening import Index, open_index
from datamon.query.quick.of_store import answer
from datamon.store.opening import Store

_OPTIONS = ("", " AT run", " AT bundle WITHIN 2", " WITHIN 1 INCLUDING failed", " INCLUDING failed, deleted, system")
_COUNTS = ("", "SELECT count(*) FROM ")


def questions(store: Store) -> list[str]:
    """Questions about everything that the store's journal and logs name."""
    asked = ["WHAT PRODUCED 'nothing'", "UPSTREAM OF run '0000'"]
    count = 0
    for repo in store.logs.store().repos.values():
        for bundle in store.logs.repo(repo.id).bundles:
            ref = f"'{repo.name}@{bundle}'"
            count += 1
            asked += [f"WHAT PRODUCED {ref}", f"WHAT USED {ref}"]
            counted = _COUNTS[count // 2 % 2]
            asked += [f"{counted}{way} OF {ref}{_OPTIONS[count % len(_OPTIONS)]}" for way in ("UPSTREAM", "DOWNSTREAM")]
            asked += [f"WHAT USED '{repo.name}@{part}'" for part in (bundle[:9], bundle[-5:])]
        asked += [
            f"UPSTREAM OF '{repo.name}{at}'" for at in ("", *(f"@{ref}" for ref in store.logs.repo(repo.id).refs))
        ]
    runs = {str(each["run"]["id"]) for each in store.journal.read({})[0] if each["kind"] == "run-opened"}
    for n, run in enumerate(sorted(runs)):
        asked += [f"WHAT USED run '{run[:8]}'", f"WHAT USED run '{run[-6:]}'"]
        asked += [f"{way} OF run '{run}'{_OPTIONS[n % len(_OPTIONS)]}" for way in ("UPSTREAM", "DOWNSTREAM")]
    bundles = [
        f"'{repo.name}@{bundle}'"
        for repo in store.logs.store().repos.values()
        for bundle in store.logs.repo(repo.id).bundles
    ]
    for first, last in zip(bundles[::2], bundles[::-3], strict=False):
        asked += [f"PATHS FROM {first} TO {last}", f"FROM PATHS FROM {first} TO {last} LIMIT 4"]
    return [*asked, *(f"UPSTREAM OF step 'default/step-{n}'" for n in range(3))]


def differing(store: Store, directory: Path, texts: list[str], index: Index | None = None) -> tuple[list[str], int]:
    """The questions whose quick answer is another than the engine's, and how many had a quick answer."""
    wrong: list[str] = []
    count = 0
    with (index or open_index(store)).connect() as connection:
        for text in texts:
            quick = answer(store, text, index_dir=directory)
            if quick is not None:
                count += 1
                try:
                    slow = ask_on(connection, store, text)
                except DatamonError as error:
                    wrong.append(f"{text}: {error}")
                    continue
                told = [
                    (each.columns, each.types, list(each.rows), each.truncated, each.notes) for each in (quick, slow)
                ]
                if told[0] != told[1]:
                    wrong.append(f"{text}:\n  {told[0]}\n  {told[1]}")
    return wrong, count
