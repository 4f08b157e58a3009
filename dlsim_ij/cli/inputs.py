"""Working through the inputs of a verb: a bad one among several is told, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import DlsimError


class _Input(Protocol):
    @property
    def path(self) -> Path: ...


T = TypeVar("T", bound=_Input)


def work_through(items: Sequence[T], work: Callable[[T], None], *, label: str | None = None) -> int:
    """Do `work` for every input; return the exit code.

    Parameters
    ----------
    items : sequence
        Each with the ``path`` that messages name.
    work : callable
    label : str, optional
        Of a progress bar over the inputs; without it there is none.

    Returns
    -------
    int
        0, or 1 if some of several inputs failed.

    Raises
    ------
    DlsimError
        The only input failed, or all did.
    """
    failed = 0
    hidden = label is None or not options.show_progress() or len(items) == 1
    with click.progressbar(items, label=label, file=sys.stderr, hidden=hidden) as bar:
        for item in bar:
            try:
                work(item)
            except DlsimError as error:
                if len(items) == 1:
                    raise
                failed += 1
                options.show_failure(f"{item.path}: {error.message}", error.hint)
    if failed == len(items):
        raise DlsimError("none of the inputs could be used", "see the lines above")
    return 1 if failed else 0


def warn(path: Path, warnings: Iterable[str]) -> None:
    """Say on stderr what is doubtful about an input, unless it shall be quiet."""
    if options.show_progress():
        for warning in warnings:
            click.echo(f"warning: {path.name}: {warning}", err=True)


@contextmanager
def part_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a ``progress(done, of)`` that draws a bar for one input, if it has more than one part."""
    bars: list[Any] = []

    def progress(done: int, of: int) -> None:
        if not bars and of > 1:
            bar = click.progressbar(
                length=of, label=label, file=sys.stderr, hidden=not options.show_progress()
            )
            bars.append(stack.enter_context(bar))
        for bar in bars:
            bar.update(done - bar.pos)

    with ExitStack() as stack:
        yield progress
