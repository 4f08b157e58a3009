"""What client, worker and engine say to each other: a job as JSON, and the answer as lines of JSON."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

# Verbs that are quicker, or leave a second Java unstarted, with all loaded; the others answer at once
# (doctor, models, serve) or hold their process for hours (train).
WARM_VERBS = frozenset(
    [
        *("run", "check", "predict", "recon", "srrf", "dose", "report"),
        *("resolution", "squirrel", "score", "prepare", "simulate", "macro"),
    ]
)

LARGEST_JOB = 8 * 2**20  # bytes; a system's own limit for a command line is smaller
BEAT_SECONDS = 5.0  # between signs of life while a job says nothing
SILENCE_SECONDS = 60.0  # after which a client takes the worker for dead
LINES = "application/x-ndjson"

# settings that a job brings along; all others are those that the worker was started with
_SETTINGS = frozenset(
    ["COLUMNS", "LINES", "JAVA_HOME", "NO_COLOR", "SOURCE_DATE_EPOCH", "TMPDIR", "TEMP", "TMP",
     "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]
)  # fmt: skip


def is_setting(name: str) -> bool:
    """Whether an environment variable goes along with a job."""
    return name.startswith("DLSIM_") or name in _SETTINGS


def settings_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that go along with a job.

    Examples
    --------
    >>> settings_of({"DLSIM_FIJI": "/opt/Fiji.app", "LANG": "C"})
    {'DLSIM_FIJI': '/opt/Fiji.app'}
    """
    return {name: value for name, value in environ.items() if is_setting(name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command line and all that its outcome depends on.

    Attributes
    ----------
    arguments : list of str
        What stands behind ``dlsim``.
    folder : str
        The client's working directory.
    settings : dict
        Environment variables, see `settings_of`.
    umask : int
        Which permissions new files are denied.
    encoding, errors : str
        Of the client's stdout.
    out_is_terminal, err_is_terminal : bool
        Whether a person looks at it; progress bars depend on that.
    """

    arguments: list[str]
    folder: str
    settings: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    encoding: str = "utf-8"
    errors: str = "strict"
    out_is_terminal: bool = False
    err_is_terminal: bool = False

    @classmethod
    def here(cls, arguments: Sequence[str]) -> Request:
        """Describe a command line in this process."""
        umask = os.umask(0o077)
        os.umask(umask)
        settings = settings_of(os.environ)
        out_is_terminal, err_is_terminal = _is_terminal(sys.stdout), _is_terminal(sys.stderr)
        if out_is_terminal or err_is_terminal:
            import shutil

            settings["COLUMNS"], settings["LINES"] = map(str, shutil.get_terminal_size())
        return cls(
            arguments=list(arguments), folder=os.getcwd(), settings=settings, umask=umask,
            encoding=getattr(sys.stdout, "encoding", None) or "utf-8",
            errors=getattr(sys.stdout, "errors", None) or "strict",
            out_is_terminal=out_is_terminal, err_is_terminal=err_is_terminal,
        )  # fmt: skip

    def to_json(self) -> bytes:
        """Return one line of JSON, in ASCII: names of files that are no UTF-8 survive as escapes."""
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Request:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            It is something else.
        """
        try:
            given = json.loads(data)
        except RecursionError as error:
            raise ValueError("the JSON is nested too deeply") from error
        if not isinstance(given, dict):
            raise ValueError("a job is a JSON object")
        expected = {each.name: str(each.type) for each in fields(cls)}
        if unknown := set(given) - set(expected):
            raise ValueError(f"a job has no '{min(map(str, unknown))}'")
        for name, value in given.items():
            if not _fits(value, expected[name]):
                raise ValueError(f"'{name}' of a job is {expected[name]}")
        if not {"arguments", "folder"} <= set(given):
            raise ValueError("a job has 'arguments' and 'folder'")
        _check_words([given["folder"], *given["arguments"], *given.get("settings", {}).values()])
        if not all(is_setting(name) for name in given.get("settings", {})):
            raise ValueError("'settings' of a job are variables of dlsim")
        _check_encoding(given.get("encoding", "utf-8"), given.get("errors", "strict"))
        if not 0 <= given.get("umask", 0) <= 0o777:
            raise ValueError("'umask' of a job is out of range")
        return cls(**given)


def _fits(value: Any, kind: str) -> bool:
    if kind == "list[str]":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if kind == "dict[str, str]":
        return isinstance(value, dict) and all(isinstance(word, str) for word in value.values())
    # bool is an int to Python, not to us
    return type(value) is {"str": str, "int": int, "bool": bool}[kind]


def _check_words(words: list[str]) -> None:
    if any("\0" in word for word in words):
        raise ValueError("a word of a job holds a NUL")
    try:
        for word in words:
            os.fsencode(word)
    except UnicodeError as error:
        raise ValueError("a word of a job cannot stand on a command line") from error
    if not os.path.isabs(words[0]):
        raise ValueError("'folder' of a job is no absolute path")


def _check_encoding(encoding: str, errors: str) -> None:
    try:
        "é\udc80".encode(encoding, "surrogateescape")
        "a".encode(encoding, errors)
    except UnicodeError:
        return  # a narrow encoding, which is as good as any
    except (LookupError, ValueError) as error:
        raise ValueError("'encoding' of a job is unknown") from error


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def frame(**content: Any) -> bytes:
    r"""Return one line of an answer; bytes are written in base64.

    Examples
    --------
    >>> frame(out=b"done", exit=0)
    b'{"out": "ZG9uZQ==", "exit": 0}\n'
    """
    plain = {
        key: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for key, value in content.items()
    }
    return json.dumps(plain).encode("ascii") + b"\n"


class MarkedStream:
    r"""Finds the end of a job in what an engine writes.

    What a job prints, Java and the C libraries included, goes through a pipe as it is; behind it the engine
    writes a random word of 16 bytes, drawn anew for each engine, and a newline ends the fact behind that.

    Parameters
    ----------
    mark : bytes
        The word; its first byte is zero, so ordinary text is passed on without delay.

    Examples
    --------
    >>> stream = MarkedStream(b"\0MARK")
    >>> stream.feed(b"text\0MA"), stream.feed(b"RK{}\nmore")
    ([('text', b'text')], [('fact', b'{}'), ('text', b'more')])
    """

    def __init__(self, mark: bytes) -> None:
        self._mark, self._held = mark, b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Take what was read; return pieces of ``text``, and a ``fact`` behind each mark."""
        pieces: list[tuple[str, bytes]] = []
        rest = self._held + data
        while (at := rest.find(self._mark)) >= 0 and (end := rest.find(b"\n", at)) >= 0:
            if at:
                pieces.append(("text", rest[:at]))
            pieces.append(("fact", rest[at + len(self._mark) : end]))
            rest = rest[end + 1 :]
        keep = len(rest) - at if at >= 0 else self._half_a_mark(rest)
        if len(rest) > keep:
            pieces.append(("text", rest[: len(rest) - keep]))
        self._held = rest[len(rest) - keep :]
        return pieces

    def _half_a_mark(self, data: bytes) -> int:
        tail = data[-len(self._mark) + 1 :]
        at = tail.find(self._mark[:1])
        while at >= 0:
            if self._mark.startswith(tail[at:]):
                return len(tail) - at
            at = tail.find(self._mark[:1], at + 1)
        return 0
