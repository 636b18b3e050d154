"""What is exported as PROV, the library reads back as the same document, and it says what was recorded."""

from io import StringIO

import pytest
from prov.model import ProvActivity, ProvDerivation, ProvDocument, ProvEntity, ProvGeneration, ProvUsage

from datamon.lineage.interchange.prov import Notation, document, text
from datamon.lineage.interchange.story import Telling, tell
from datamon.lineage.testing.chain import Chain


def told(chain: Chain) -> Telling:
    return tell(chain.store, [chain.features, chain.model, chain.failed, chain.running])


@pytest.mark.parametrize("notation", ["json", "provn"])
def test_the_library_reads_back_the_same_document(chain: Chain, notation: Notation) -> None:
    telling = told(chain)

    read = ProvDocument.deserialize(StringIO(text(telling, notation).decode()), format=notation)
    assert read == document(telling)


def test_a_document_that_lacks_a_run_is_another_one(chain: Chain) -> None:
    assert document(told(chain)) != document(tell(chain.store, [chain.features]))


def test_every_input_was_used_and_every_output_generated_and_derived_from_them(chain: Chain) -> None:
    whole = document(told(chain))
    [read, between], [between_again, wrote] = (
        [run.inputs[0].bundle, run.outputs[0].bundle]
        for run in (chain.bench.run(chain.features), chain.bench.run(chain.model))
    )

    assert between == between_again
    assert {str(each.identifier) for each in whole.get_records(ProvEntity)} == {
        f"bundle:{each}" for each in (read, between, wrote)
    }
    assert len(list(whole.get_records(ProvActivity))) == 4
    ends = [
        {tuple(str(argument) for argument in each.args[:2]) for each in whole.get_records(kind)}
        for kind in (ProvUsage, ProvGeneration, ProvDerivation)
    ]
    assert ends == [
        {(f"run:{chain.features}", f"bundle:{read}"), (f"run:{chain.model}", f"bundle:{between}")},
        {(f"bundle:{between}", f"run:{chain.features}"), (f"bundle:{wrote}", f"run:{chain.model}")},
        {(f"bundle:{between}", f"bundle:{read}"), (f"bundle:{wrote}", f"bundle:{between}")},
    ]
