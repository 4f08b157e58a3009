"""What ``--macro`` answers: one line on stdout for ImageJ's ``exec()``, and two files with the results.

The macro language hands back stdout and nothing else: no exit code, no stderr. It has no JSON parser either,
but ``List.setList`` reads Java's properties. So the results stand in ``results.json`` and, key by key, in
``results.properties`` beside it, whose plain ASCII survives whatever encoding that Java uses for files.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import click

from dlsim_ij.errors import OutputError

_ENDS = {
    2: ("no verb was given", "see dlsim --help"),
    130: ("interrupted: nothing is half written", None),
}


class MacroAnswer:
    """Collects what a verb has to say until it has ended.

    Parameters
    ----------
    path : path-like, optional
        Where ``results.json`` goes; by default into a new folder among the temporary files.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.given = False  # by somebody else: the warm worker
        self._path = None if path is None else Path(path)
        self._results: list[Any] = []
        self._failed: list[dict[str, str | None]] = []
        self._refusal: tuple[str | None, str | None] = (None, None)

    def add_result(self, result: Mapping[str, Any]) -> None:
        """Keep one record, as ``--json`` would print it."""
        from dlsim_ij.results import plain  # numpy, which `dlsim --help` does without

        self._results.append(plain(dict(result)))

    def add_failure(self, message: str, hint: str | None) -> None:
        """Keep what is wrong with one of several inputs."""
        self._failed.append({"message": _one_line(message), "hint": hint and _one_line(hint)})

    def refuse(self, message: str, hint: str | None) -> None:
        """Say why the verb did not come to its end."""
        self._refusal = (_one_line(message), hint and _one_line(hint))

    def write(self, exit_code: int) -> str:
        """Write both files and return the line for stdout.

        Parameters
        ----------
        exit_code : int
            0; 1 if some of several inputs failed or a check said no, which is told in the files; else the
            verb did not come to its end.
        """
        message, hint = self._refusal
        if message is None and exit_code not in (0, 1):
            message, hint = _ENDS.get(exit_code, (f"dlsim ended with the code {exit_code}", None))
        answer = {
            "status": "error" if message is not None else ("ok" if exit_code == 0 else "incomplete"),
            "exit_code": exit_code,
            "message": message,
            "hint": hint,
            "results": self._results,
            "failed": self._failed,
        }
        try:
            path = self._write_files(answer)
        except (OutputError, OSError) as error:
            if message is None:
                reason = error.message if isinstance(error, OutputError) else str(error)
                message = f"the answer for the macro cannot be written: {reason}"
                hint = "check space and permissions"
            return _error_line(message, hint)
        return f"DLSIM OK {path.absolute()}" if message is None else _error_line(message, hint)

    def _write_files(self, answer: Mapping[str, Any]) -> Path:
        from dlsim_ij.files import write_text

        path = self._path
        if path is None:
            import tempfile

            path = Path(tempfile.mkdtemp(prefix="dlsim_macro_")) / "results.json"
        elif len(str(path).splitlines()) != 1 or path.suffix != ".json":
            raise OutputError(f"--macro-results '{path}' must end in .json and stand in one line")
        # surrogates stand for bytes of a file name that are no UTF-8; a JSON escape keeps them
        ascii_only = not _is_utf8(json.dumps(answer, ensure_ascii=False))
        write_text(path, json.dumps(answer, indent=2, ensure_ascii=ascii_only) + "\n", overwrite=True)
        write_text(path.with_suffix(".properties"), properties_text(answer), overwrite=True)
        return path


_CURRENT: ContextVar[MacroAnswer | None] = ContextVar("dlsim_macro_answer", default=None)


def current() -> MacroAnswer | None:
    """Return where results go under ``--macro``; None: to stdout."""
    return _CURRENT.get()


@contextmanager
def asked_for_in(arguments: Sequence[str]) -> Iterator[MacroAnswer | None]:
    """Collect results meanwhile if the command line asks for it, before any of it has been checked."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    answer = None
    if "--macro" in words:
        path = None
        for i, word in enumerate(words):
            if word == "--macro-results" and i + 1 < len(words):
                path = words[i + 1]
            elif word.startswith("--macro-results="):
                path = word.partition("=")[2]
        answer = MacroAnswer(path)
    token = _CURRENT.set(answer)
    try:
        yield answer
    finally:
        _CURRENT.reset(token)


def print_line(line: str) -> None:
    """Print on stdout in UTF-8, on Windows too, where it would be the code page."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.flush()
        stream.buffer.write((line + os.linesep).encode("utf-8", "surrogateescape"))
        stream.buffer.flush()
    else:  # somebody collects what we print
        click.echo(line)


def properties_text(value: Mapping[str, Any]) -> str:
    r"""Write nested records as Java properties in ASCII, one ``key=value`` a line.

    The records of ``results`` are numbered from 1 and stand at the top, lists are numbered too and have a
    ``count``: ``1.outputs.sr``, ``1.warnings.count``, ``1.warnings.1``.

    Examples
    --------
    >>> print(properties_text({"status": "ok", "results": [{"sr": "C:\\ü.tif", "kc": None}]}), end="")
    status=ok
    count=1
    1.sr=C:\\\u00fc.tif
    1.kc=
    """
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        pairs += _numbered("", item) if key == "results" else _flat(key, item)
    return "".join(f"{_escaped(key, ' :=#!')}={_escaped(text, '')}\n" for key, text in pairs)


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{key}.{name}", item)
    elif isinstance(value, (list, tuple)):
        yield from _numbered(f"{key}.", value)
    elif value is None:
        yield key, ""
    elif isinstance(value, bool):
        yield key, "true" if value else "false"
    else:
        yield key, str(value)


def _numbered(prefix: str, items: Sequence[Any]) -> Iterator[tuple[str, str]]:
    yield f"{prefix}count", str(len(items))
    for i, item in enumerate(items, 1):
        yield from _flat(f"{prefix}{i}", item)


def _escaped(text: str, also: str) -> str:
    """Escape what `java.util.Properties.load` would not read back: spaces at the start get lost."""
    signs = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", **{sign: f"\\{sign}" for sign in also}}
    escaped = "".join(signs.get(sign) or (sign if " " <= sign <= "~" else _utf16(sign)) for sign in text)
    return f"\\{escaped}" if escaped.startswith(" ") else escaped


def _utf16(sign: str) -> str:
    data = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _error_line(message: str, hint: str | None) -> str:
    return "DLSIM ERROR " + _one_line(message if not hint else f"{message}; hint: {hint}")


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
