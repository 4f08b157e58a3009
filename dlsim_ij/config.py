"""YAML to frozen, validated settings; a misspelt key is named with the one that was meant."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic
import yaml

from dlsim_ij.errors import ConfigError


class Settings(pydantic.BaseModel):
    """Base of all settings: frozen, unknown keys refused, defaults validated too."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True)


AnySettings = TypeVar("AnySettings", bound=Settings)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return a hint naming the closest candidate, or all of them.

    Examples
    --------
    >>> did_you_mean("bach_size", ["batch_size", "seed"])
    "did you mean 'batch_size'?"
    >>> did_you_mean("zzz", ["a", "b"])
    "choose from 'a', 'b'"
    """
    names = list(candidates)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return "choose from " + ", ".join(f"'{name}'" for name in names)


def read_settings(
    path: str | os.PathLike[str], settings: type[AnySettings], overrides: Mapping[str, Any] | None = None
) -> AnySettings:
    """Read settings from a YAML file; `overrides` (dotted keys) win over the file.

    Raises
    ------
    ConfigError
        The file is missing, not YAML, not a mapping, or a key or value is wrong.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text", "is it really a YAML file?") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{file}{where} is not valid YAML", "check colons and indentation there") from error
    except RecursionError as error:
        raise ConfigError(f"{file} is nested too deeply", "compare with docs/training.md") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file} must hold 'key: value' lines", "see docs/training.md for an example")
    return make_settings(settings, override(data, overrides or {}), where=str(file))


def override(data: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Set values under dotted keys in nested mappings, in place; return `data`.

    Examples
    --------
    >>> override({"optimiser": {"lr": 1}}, {"optimiser.lr": 2, "steps": 3})
    {'optimiser': {'lr': 2}, 'steps': 3}
    """
    for key, value in overrides.items():
        _set_dotted(data, key, value)
    return data


def parse_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """Turn ``key=value`` words of the command line into overrides; values are read as YAML.

    Examples
    --------
    >>> parse_overrides(["steps=10", "optimiser.name=adam"])
    {'steps': 10, 'optimiser.name': 'adam'}
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"'{pair}' is not key=value", "for example --set steps=100")
        try:
            overrides[key.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError(f"the value in '{pair}' cannot be read", "quote it") from error
    return overrides


def make_settings(settings: type[AnySettings], data: Mapping[str, Any], where: str) -> AnySettings:
    """Validate a mapping; the first problem is raised as one `ConfigError`."""
    try:
        return settings.model_validate(dict(data))
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        location = [str(part) for part in problem["loc"]]
        key = ".".join(location) or "(the file)"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(settings, location[:-1])
            hint = did_you_mean(location[-1], known)
            if "options" in known and not hint.startswith("did"):
                deeper = ".".join([*location[:-1], "options", location[-1]])
                hint = f"options stand one level deeper: '{deeper}'"
            raise ConfigError(f"{where}: unknown setting '{key}'", hint) from error
        message = problem["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        seen = "" if problem["type"] == "missing" else f" (got {problem['input']!r})"
        raise ConfigError(
            f"{where}: setting '{key}': {message}{seen}", "see docs/training.md for the settings"
        ) from error


def _known_keys(settings: type[Settings], location: list[str]) -> list[str]:
    current: Any = settings
    for part in location:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        if field is None:  # the tag of a union or an index: the innermost settings still hold
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, pydantic.BaseModel)]
        if nested:
            current = nested[0]
    return list(cast("type[Settings]", current).model_fields)


def _set_dotted(data: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        child = data.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"'{dotted}': '{parent}' holds a value, not settings", "check the dots")
        data = child
    data[last] = value


def read_parameters(path: Path | None) -> dict[str, Any] | None:
    """Return what a file of ``dlsim recon`` holds, the illumination of a stack; who uses it checks it.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds something else.
    """
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not JSON: {error!s:.100}", "dlsim recon writes parameters as NAME_wiener.json"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no parameters", "dlsim recon writes them as NAME_wiener.json")
    return data
