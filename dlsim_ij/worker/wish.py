"""What a job asks of the process that does it: which processor, and which Java if it needs one.

A process starts one Java, once, and chooses its graphics cards once. A job that asks for others than the
engine has gets a fresh engine, as it would get a fresh process without a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CARDS = "CUDA_VISIBLE_DEVICES"

# verbs that start Java if there is one, without being asked to
_VERBS = frozenset(["run", "prepare", "macro"])
_SETTINGS = ("JAVA_HOME", "DLSIM_IJ_JAR", "DLSIM_IMGLYB", "DLSIM_JAVA_HEAP", "DLSIM_JAVA_OPTIONS")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job asks for.

    Attributes
    ----------
    cards : str or None
        The graphics cards, as CUDA's own variable names them.
    java : tuple or None
        Engine, path and settings; None if no Java has a part in it.
    """

    cards: str | None
    java: tuple[str | None, ...] | None

    def is_met_by(self, engine: Wish) -> bool:
        """Whether an engine of that kind will do; one whose `java` is None has not started any."""
        return self.cards == engine.cards and (None in (self.java, engine.java) or self.java == engine.java)


def wish_of(arguments: Sequence[str], settings: Mapping[str, str]) -> Wish:
    """Return what a command line asks for.

    Examples
    --------
    >>> wish_of(["score", "--truth", "a.tif"], {}).java is None
    True
    >>> wish_of(["run", "a.tif", "--engine=none"], {}).java is None
    True
    >>> wish_of(["macro", "a.ijm", "--engine", "imagej"], {}).java[:2]
    ('imagej', None)
    """
    given = {name: _option(arguments, name) for name in ("--engine", "--fiji")}
    cards = settings.get(CARDS)
    uses_java = any(given.values()) or bool(_VERBS & set(arguments[:1]))
    if given["--engine"] == "none" or not uses_java:
        return Wish(cards, None)
    return Wish(cards, java_wish(given["--engine"], given["--fiji"], settings))


def java_wish(engine: str | None, path: str | None, settings: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return what tells one Java from another."""
    place = path or settings.get("DLSIM_FIJI")
    return engine or "auto", place, *(settings.get(name) for name in _SETTINGS)


def _option(arguments: Sequence[str], name: str) -> str | None:
    value = None
    for i, word in enumerate(arguments):
        if word == "--":
            break
        if word == name and i + 1 < len(arguments):
            value = arguments[i + 1]
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value
