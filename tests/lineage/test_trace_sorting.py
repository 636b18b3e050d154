"""Accesses sorted by where they lie."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.lineage.capture.trace.accesses import Access, Kind, read_lines
from datamon.lineage.capture.trace.sorting import Places, is_system, sort_accesses
from datamon.lineage.capture.trace.strace_log import accesses_of, read_log

PLACES = Places(("/w/in", "/w/more"), ("/w/out",), "/w", "/tmp/own")


def sort(*pairs: tuple[Kind, str]) -> tuple[list[set[str]], list[set[str]], list[str], list[str]]:
    found = sort_accesses([Access(kind, path) for kind, path in pairs], PLACES)
    return found.read, found.absent, found.undeclared, found.written


def test_each_access_stands_where_it_belongs() -> None:
    assert sort(
        ("read", "/w/in/a"),
        ("list", "/w/in"),
        ("list", "/w/more/d"),
        ("absent", "/w/in/no"),
        ("absent", "/w/no"),
        ("read", "/w/prog.py"),
        ("read", "/w/x.csv"),
        ("read", "/usr/lib/x"),
        ("write", "/w/out/o"),
        ("write", "/w/log"),
        ("read", "/tmp/own/l"),
    ) == ([{"a", "/"}, {"d/"}], [{"no"}, set()], ["/w/x.csv"], ["/w/log"])


def test_what_the_run_wrote_first_it_did_not_read() -> None:
    assert sort(("write", "/w/in/a"), ("read", "/w/in/a"), ("write", "/w/t"), ("read", "/w/t"))[::2] == (
        [set(), set()],
        [],
    )
    assert sort(("read", "/w/in/a"), ("write", "/w/in/a"))[0] == [{"a"}, set()]


def test_a_directory_whose_name_only_begins_like_an_inputs_is_another() -> None:
    assert sort(("read", "/w/inside"))[::2] == ([set(), set()], ["/w/inside"])


def test_what_is_installed_in_a_virtual_environment_is_no_news() -> None:
    assert sort(("read", "/v/pyvenv.cfg"), ("read", "/v/share/x.json"), ("read", "/w/x.json"))[2] == ["/w/x.json"]


def test_a_symlink_on_the_way_counts_as_read(tmp_path: Path) -> None:
    top = Path(tmp_path).resolve() / "in"
    (top / "d").mkdir(parents=True)
    (top / "d" / "f").write_text("x")
    (top / "now").symlink_to("d")
    places = Places((str(top),), (), "/w", "/own")
    accesses = [Access("named", str(top / "now" / "f")), Access("read", str(top / "d" / "f"))]
    assert sort_accesses(accesses, places).read == [{"now", "d/f"}]


@pytest.mark.parametrize(
    "path", ["/etc/hosts", "/home/u/.cache/x", "/home/u/lib/python3.11/x.py", "/v/site-packages/x"]
)
def test_files_of_the_machine_are_system(path: str) -> None:
    assert is_system(path)


@pytest.mark.parametrize("path", ["/home/u/data.csv", "/etcetera/x", "/data/usr/x"])
def test_files_that_people_work_with_are_not(path: str) -> None:
    assert not is_system(path)


@given(st.lists(st.tuples(st.sampled_from("rwaln"), st.binary(min_size=1).filter(lambda each: b"\0" not in each))))
def test_a_log_gives_back_what_was_written_and_leaves_out_an_unfinished_line(lines: list[tuple[str, bytes]]) -> None:
    content = b"".join(letter.encode() + path + b"\0" for letter, path in lines)
    whole = read_lines(content)
    assert len(whole) == len(set(lines))
    assert read_lines(content + b"runfinished") == whole


def test_the_log_of_strace_is_followed_through_directories_forks_and_calls_in_two_pieces() -> None:
    log = rb"""1 execve("/bin/sh", ["sh"], 0x1) = 0
1 chdir("d") = 0
2 openat(AT_FDCWD</w/d>, "a\303\244 \"x\"", O_RDONLY <unfinished ...>
1 clone(child_stack=NULL) = 2
2 <... openat resumed>) = 3</w/d/a\303\244 "x">
3 rename("p", "q") = 0
1 vfork() = 3
2 openat(5</w/e>, "no", O_RDONLY) = -1 ENOENT (No such file or directory)
1 +++ exited with 0 +++
"""
    found = {(each.kind, each.path) for each in accesses_of(read_log(log), Path("/w"))}
    assert ("read", '/w/d/aä "x"') in found
    assert ("absent", "/w/e/no") in found
    assert {("write", "/w/d/p"), ("write", "/w/d/q")} <= found
