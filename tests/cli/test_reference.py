"""docs/cli.md is what the program says of itself."""

from pathlib import Path

from datamon.cli.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_is_made_from_the_program() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `python docs/generate_cli.py`"


def test_every_command_of_the_program_has_a_section_with_an_example() -> None:
    sections = reference().split("\n## datamon ")[1:]
    assert len(sections) > 8
    for section in sections:
        commands = section.split("\n### ")
        for command in commands[1:] or commands:
            assert "Example" in command, command.splitlines()[0]
