"""What the person at the terminal sees: progress with a spinner on a terminal, plain lines elsewhere.

A terminal that went away is not an error; the platform then stops by its hang-up signal, silently.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.text import Text


class Report:
    """Lines for a person. `stream` is standard output unless a test gives another."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._running: list[str] = []
        self._console: Console | None = None
        self._status: Status | None = None
        if self._stream.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False)

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Show that something is being done; what is put into the list is shown beside the title when it is done."""
        details: list[str] = []
        began = time.perf_counter()
        self._running.append(title)
        self._spin()
        try:
            yield details
        except BaseException:
            self._running.remove(title)
            self._spin()
            raise
        self._running.remove(title)
        seconds = time.perf_counter() - began
        self._line("✓", "green", f"{title:<24} {' '.join(details)}", f"{seconds:.1f} s")
        self._spin()

    def note(self, text: str) -> None:
        """One line about something that happened."""
        self._line("·", "cyan", text)

    def problem(self, sentence: str, next_step: str = "") -> None:
        """One line about something that is wrong, and what to do."""
        self._line("✗", "red", f"{sentence} {next_step}".strip())

    def lines(self, texts: Iterable[str]) -> None:
        """Lines as they are."""
        for text in texts:
            if self._console is None:
                self._write(text)
            else:
                from rich.text import Text

                self._show(Text(text))

    def table(self, rows: Mapping[str, str], after: str = "") -> None:
        """Names and values in two columns, with a line after them."""
        self.quiet()
        width = max(map(len, rows), default=0)
        self._write("")
        for name, value in rows.items():
            if self._console is None:
                self._write(f"  {name:<{width}}  {value}")
            else:
                from rich.text import Text

                self._show(Text.assemble((f"  {name:<{width}}  ", "bold"), value))
        if after:
            self._write("")
            self._write(after)

    def quiet(self) -> None:
        """Take the spinner away."""
        if self._status is not None:
            with suppress(OSError, ValueError):
                self._status.stop()
            self._status = None

    def _spin(self) -> None:
        if self._console is None:
            return
        if not self._running:
            self.quiet()
            return
        text = ", ".join(self._running)
        if self._status is None:
            self._status = self._console.status(text, spinner="dots")
            with suppress(OSError, ValueError):
                self._status.start()
        else:
            self._status.update(text)

    def _line(self, sign: str, colour: str, text: str, faint: str = "") -> None:
        if self._console is None:
            self._write(f"{sign} {text} {faint}".rstrip())
            return
        from rich.text import Text

        line = Text.assemble((f"{sign} ", colour), text)
        if faint:
            line.append(f" {faint}", "dim")
        self._show(line)

    def _show(self, line: Text) -> None:
        assert self._console is not None
        with suppress(OSError, ValueError):
            self._console.print(line, soft_wrap=True)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            try:
                print(text, file=self._stream, flush=True)
            except UnicodeEncodeError:
                print(text.encode("ascii", "replace").decode(), file=self._stream, flush=True)
