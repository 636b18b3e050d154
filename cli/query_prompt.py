"""The prompt of `datamon query`: statements of several lines, completed as they are typed, remembered for the next time."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from datamon.cli.opening import open_configured, policy_of, settings_of
from datamon.cli.output import complain, note
from datamon.cli.query_history import add_to_history, is_kept, read_history
from datamon.cli.query_session import Session, carry_out, is_done
from datamon.cli.showing import Showing
from datamon.errors import DatamonError
from datamon.lineage.secrets import Redactor
from datamon.query.language.completing import complete

HISTORY = "query-history"
_FIRST, _NEXT = "datamon> ", "    ...> "


def prompt(ctx: typer.Context, values: dict[str, str], how: Showing) -> None:
    """Asks for statements and answers each, until the person leaves. An error ends no session. Raises as `open_configured`."""
    session = Session(open_configured(ctx), values, how)
    typing: PromptSession[str] = PromptSession(
        message=_FIRST,
        multiline=True,
        prompt_continuation=_NEXT,
        completer=_Completing(session),
        complete_in_thread=True,
        complete_while_typing=False,
        history=_history(session, policy_of(settings_of(ctx)).redactor),
        key_bindings=_keys(),
    )
    note("questions and SELECT, each ending with ; or an empty line; \\? tells more, Ctrl-D leaves")
    with _interruptible() as pressed:
        while _one(session, typing, pressed):
            pressed.clear()


def _one(session: Session, typing: PromptSession[str], pressed: list[int]) -> bool:
    """One statement; whether another comes. `pressed` is not empty once Ctrl-C was heard."""
    try:
        return carry_out(session, typing.prompt())
    except EOFError:
        return False
    except KeyboardInterrupt:
        return True  # what was typed, or asked, is dropped
    except DatamonError as error:
        complain(error.message)
        return True
    except Exception:
        if not pressed:
            raise
        return True  # the engine makes something else of a KeyboardInterrupt that comes while it is at work


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Ctrl-C ends a question and not the program. Gives the list that is not empty once it was heard."""
    pressed: list[int] = []

    def stop(number: int, _frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=~completion_is_selected)
    def _enter(event: KeyPressEvent) -> None:
        _send_or_break(event.current_buffer)

    @keys.add("enter", filter=completion_is_selected)
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    return keys


def _send_or_break(buffer: Buffer) -> None:
    if is_done(buffer.text) and not buffer.document.text_after_cursor.strip():
        buffer.validate_and_handle()
    else:
        buffer.newline(copy_margin=False)


class _Completing(Completer):
    """Completes by the grammar and the store's names."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """The candidates at the cursor."""
        at = document.cursor_position
        for candidate in complete(document.text, at, self._session.known()):
            rest = document.text[at : candidate.end]  # stays behind the cursor
            if candidate.text.endswith(rest):
                text = candidate.text.removesuffix(rest)
                yield Completion(text, candidate.start - at, display=candidate.text, display_meta=candidate.what)


def _history(session: Session, redactor: Redactor) -> History:
    """Of an encrypted store nothing is kept: what its repos are called is not for a file that anyone can read."""
    state_dir = session.store.state_dir
    if state_dir is None or session.store.cover.hides:
        return InMemoryHistory()
    return _Kept(state_dir / HISTORY, redactor)


class _Kept(History):
    """The history in a file."""

    def __init__(self, file: Path, redactor: Redactor) -> None:
        super().__init__()
        self._file = file
        self._redactor = redactor

    def load_history_strings(self) -> Iterable[str]:
        """The statements, the newest first."""
        return reversed(read_history(self._file))

    def store_string(self, string: str) -> None:
        """Keeps a statement, if it may be kept."""
        if is_kept(string, self._redactor):
            add_to_history(self._file, string)
