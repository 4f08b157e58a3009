"""How far a batch is: a bar, or where there is no terminal a line a minute."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from dlsim_ij.cli import options

if TYPE_CHECKING:
    from dlsim_ij.batch_job.drive import State
    from dlsim_ij.batch_job.stopping import Stop

_LINE_SECONDS = 60.0


class Progress:
    """Shows the states of a batch on stderr, and each failure as it comes.

    Parameters
    ----------
    shown : bool
    stop : Stop
        Asked whether somebody wants an end, which is said once.
    """

    def __init__(self, shown: bool, stop: Stop) -> None:
        self._shown, self._stop = shown, stop
        self._terminal = sys.stderr.isatty()
        self._start = self._said = time.monotonic()
        self._bar: Any = None
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def tell(self, state: State) -> None:
        """Show a state."""
        if state.error:
            message, _, hint = state.error.partition("\nHint: ")
            if self._bar is not None:
                click.echo(err=True)
            where = "" if message.startswith(state.last) else f"{state.last}: "
            options.show_failure(f"{where}{message}", hint or None)
        if self._stop.signal is not None and not self._stopping and self._shown:
            self._stopping = True
            seconds = self._stop.grace_seconds
            click.echo(f"stopping: what was begun may go on for {seconds:g} s; again to stop now", err=True)
        if not self._shown:
            return
        if self._terminal:
            self._draw(state)
        elif time.monotonic() > self._said + _LINE_SECONDS:
            self._said = time.monotonic()
            click.echo(_line(state, self._said - self._start), err=True)

    def _draw(self, state: State) -> None:
        if self._bar is None:
            self._bar = click.progressbar(length=state.total, label="batch", file=sys.stderr)
            self._bar.__enter__()
        ended = state.done + state.failed
        self._bar.update(ended - self._bar.pos)


def _line(state: State, seconds: float) -> str:
    ended = state.done + state.failed
    words = f"batch: {ended} of {state.total}, {state.failed} failed, {state.workers} workers"
    if not state.workers:
        return words + ", waiting for one"
    if not ended:
        return words
    left = (state.total - ended) * seconds / ended
    return f"{words}, {60 * ended / seconds:.3g} a minute, {left / 60:.0f} min left"
