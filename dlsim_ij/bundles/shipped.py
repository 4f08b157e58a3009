"""The models inside the package, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ModelError


def shipped_names() -> list[str]:
    """Return the names of the models in the package, sorted."""
    root = _root()
    if not root.is_dir():
        return []
    return sorted(folder.name for folder in root.iterdir() if (folder / "model.json").is_file())


def shipped_folder(name: str) -> Path:
    """Return the folder of a shipped model.

    Raises
    ------
    ModelError
        No shipped model has that name.
    """
    names = shipped_names()
    if name not in names:
        hint = did_you_mean(name, names) if names else "give the folder of a model"
        raise ModelError(f"no model is called '{name}', and no folder or file either", hint)
    return _root() / name


def _root() -> Path:
    return Path(str(files("dlsim_ij.bundles"))) / "weights"
