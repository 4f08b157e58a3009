"""Errors meant for users: what is wrong, where, and what to do next."""

from __future__ import annotations


class DlsimError(Exception):
    """A refusal meant for users; anything else that reaches them is our bug.

    Parameters
    ----------
    message : str
        What is wrong and where, with the numbers seen; one line.
    hint : str, optional
        The next thing to do or to type; one line.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        # both go into args, so the error survives pickling on its way home from a worker
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class ImageError(DlsimError, ValueError):
    """A file or array is not an image we can use."""


class LayoutError(DlsimError, ValueError):
    """The frames do not form angles times phases."""


class ConfigError(DlsimError, ValueError):
    """A setting is unknown, misspelt or out of range."""


class DataError(DlsimError, ValueError):
    """A dataset or results folder is incomplete or inconsistent."""


class ModelError(DlsimError, ValueError):
    """A model is unknown, damaged, or does not fit the data."""


class OutputError(DlsimError, OSError):
    """An output cannot be written, or exists already."""


class NoRoomError(OutputError):
    """The place of the outputs is full or cannot be written any more, so the next one will fail as well."""


class FijiError(DlsimError, RuntimeError):
    """ImageJ, Fiji or the Java virtual machine cannot do what was asked."""


class WorkerError(DlsimError, RuntimeError):
    """The warm worker cannot be used, or was lost in the middle of a job."""


class MacroError(FijiError):
    """An ImageJ macro failed.

    Parameters
    ----------
    message : str
        The interpreter's own words.
    line : int or None
        Line of the macro, counted from 1; None when ImageJ did not say.
    hint : str, optional
        What to do next.
    """

    def __init__(self, message: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.args = (message, line, hint)
        self.line = line
