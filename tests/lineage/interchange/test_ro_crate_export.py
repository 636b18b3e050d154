"""What is exported as an RO-Crate, rocrate reads back, with the relations that were recorded."""

from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from datamon.errors import Conflict
from datamon.lineage.interchange.ro_crate import PROFILE, write
from datamon.lineage.interchange.story import tell
from datamon.lineage.testing.chain import Chain


def crate_of(chain: Chain, directory: Path, *, with_contents: bool = False) -> ROCrate:
    runs = [chain.features, chain.model, chain.failed, chain.running]
    write(tell(chain.store, runs), directory, with_contents=with_contents)
    return ROCrate(directory)


def test_each_run_is_an_action_of_the_crate_with_what_it_read_and_wrote(chain: Chain, tmp_path: Path) -> None:
    crate = crate_of(chain, tmp_path / "crate")

    actions = {each.id: each for each in crate.get_by_type("CreateAction")}
    features, model = actions[f"#run-{chain.features}"], actions[f"#run-{chain.model}"]
    assert {each.id for each in crate.root_dataset["mentions"]} == set(actions)
    assert crate.root_dataset["conformsTo"].id == PROFILE
    [result] = features["result"]
    assert [each.id for each in model["object"]] == [result.id]
    assert {each["name"]: each["value"] for each in features["object"] if each.type == "PropertyValue"} == {
        "scale": "2.0",
        "words": "été",
    }
    statuses = {key: str(each["actionStatus"]).rpartition("/")[2] for key, each in actions.items()}
    assert statuses[f"#run-{chain.failed}"] == "FailedActionStatus"
    assert features["instrument"]["name"] == "p/features"
    assert features["agent"].type == "Person"


def test_contents_are_in_the_crate_where_they_are_asked_for(chain: Chain, tmp_path: Path) -> None:
    crate = crate_of(chain, tmp_path / "crate", with_contents=True)

    [output] = chain.bench.run(chain.model).outputs
    assert (tmp_path / "crate" / "bundles" / output.bundle / "m").read_text() == "m\n"
    folder = crate.get(f"bundles/{output.bundle}/")
    assert folder["identifier"] == output.content
    assert [each.id for each in crate.get(f"#run-{chain.model}")["result"]] == [folder.id]


def test_a_crate_of_references_has_no_files_but_its_own(chain: Chain, tmp_path: Path) -> None:
    crate_of(chain, tmp_path / "crate")

    assert [each.name for each in (tmp_path / "crate").iterdir()] == ["ro-crate-metadata.json"]


def test_a_directory_that_holds_anything_is_left_as_it_is(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "crate").mkdir()
    (tmp_path / "crate" / "mine").write_text("mine")

    with pytest.raises(Conflict) as caught:
        crate_of(chain, tmp_path / "crate")
    assert caught.value.code == "destination-not-empty"
    assert [each.name for each in (tmp_path / "crate").iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".crate-*"))
