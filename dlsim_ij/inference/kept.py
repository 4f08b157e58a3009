"""Models that stay loaded from call to call: the warm worker switches this on, nobody else does."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlsim_ij.inference.predictor import Model

LARGEST_NUMBER = 8  # of models; the one that was not used for longest goes

Key = tuple[object, ...]

_kept: OrderedDict[Key, Model] | None = None


def keep_models() -> None:
    """Keep what `load_model` loads from now on."""
    global _kept
    if _kept is None:
        _kept = OrderedDict()


def kept_models() -> dict[str, str]:
    """Return the models that are loaded: folder to name."""
    return {_folder(key): model.name for key, model in (_kept or {}).items()}


def find(key: Key | None) -> Model | None:
    """Return the model that was loaded from these very files in this way."""
    if _kept is None or key is None or key not in _kept:
        return None
    _kept.move_to_end(key)
    return _kept[key]


def keep(key: Key | None, model: Model) -> Model:
    """Keep a model, if models are kept at all, and return it."""
    if _kept is not None and key is not None:
        _kept[key] = model
        while len(_kept) > LARGEST_NUMBER:
            _kept.popitem(last=False)
    return model


def key_of(files: tuple[Path, ...], *how: object) -> Key | None:
    """Return what tells files that were changed from those that were not; None where nothing is kept.

    Size and time of change alone would miss a file that took the place of another with its time copied, as
    rsync and ``cp -p`` do. The file's number, and the time of its last change of any kind, which nobody can
    set, do not.
    """
    if _kept is None:
        return None
    try:
        states = [(os.path.realpath(file), os.stat(file)) for file in files]
    except OSError:
        return None
    return (
        *((path, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev) for path, s in states),
        *how,
    )


def _folder(key: Key) -> str:
    return os.path.dirname(key[0][0])  # type: ignore[index]
