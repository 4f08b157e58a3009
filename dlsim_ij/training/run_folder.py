"""The folder of one run: what was asked, in which environment, what came out.

config.yaml         every setting, defaults included
environment.json    one entry per start: versions, revision, threads, device
history.csv         the log; loss.png shows it
validations.csv     the learning curve of every group
samples/            pictures of validation samples, the newest as latest.png
tensorboard/        the same for TensorBoard, if asked for
checkpoints/        last.safetensors to go on from, best.safetensors with the best weights
model/              the finished model
metrics.csv         its scores, group by group; table.md is the same for people
"""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

import dlsim_ij
from dlsim_ij.config import make_settings
from dlsim_ij.errors import ConfigError, DataError, OutputError
from dlsim_ij.files import atomic_path, make_folder, write_json, write_text
from dlsim_ij.training.history import read_history
from dlsim_ij.training.settings import TrainingConfig

# Settings that a resumed run may have changed: they leave every step of the run as it was.
_FREE = {
    "steps", "epochs", "threads", "device", "log_every", "validate_every", "checkpoint_every",
    "early_stop_patience", "max_cpu_minutes", "max_minutes", "export", "output", "model", "sample_pictures",
    "tensorboard", "check_memory", "keep_checkpoints",
}  # fmt: skip


class RunFolder:
    """Paths of a run, and the files that are not tensors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.history = path / "history.csv"
        self.validations = path / "validations.csv"
        self.samples = path / "samples"
        self.tensorboard = path / "tensorboard"
        self.metrics = path / "metrics.csv"
        self.table = path / "table.md"
        self.last = path / "checkpoints" / "last.safetensors"
        self.best = path / "checkpoints" / "best.safetensors"
        self.plot = path / "loss.png"
        self.model = path / "model"

    def refuse_used(self) -> None:
        """Raise `OutputError` if anything is there already: days of training are never replaced."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            hint = "go on with --resume, or give another -o" if self.last.exists() else "give another -o"
            raise OutputError(f"the run folder {self.path} is not empty", hint)

    def check_resumable(self, config: TrainingConfig) -> None:
        """Refuse a folder without a run, or one whose run had other settings."""
        if not self.last.is_file() or not self.config.is_file():
            raise DataError(f"{self.path} holds no run to resume", "leave --resume away to start one")
        try:
            before = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise DataError(f"{self.config} cannot be read", "the run cannot be resumed") from error
        if not isinstance(before, dict):
            raise DataError(f"{self.config} holds no settings", "the run cannot be resumed")
        old = _flat(make_settings(TrainingConfig, before, where=str(self.config)))
        new = _flat(config)
        for key in sorted(old.keys() | new.keys()):
            if key.partition(".")[0] not in _FREE and old.get(key) != new.get(key):
                raise ConfigError(
                    f"setting '{key}' is {new.get(key)!r}, but the run in {self.path} has {old.get(key)!r}",
                    "resume with the same setting, or start another run with -o",
                )

    def write_start(self, config: TrainingConfig, environment: dict[str, Any]) -> None:
        """Make the folders, write the settings, and add to the list of starts."""
        make_folder(self.path)
        make_folder(self.last.parent)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_text(self.config, text, overwrite=True)
        write_json(self.environment, [*self._starts(), environment], overwrite=True)

    def _starts(self) -> list[Any]:
        """Return what is noted of earlier starts."""
        if not self.environment.exists():
            return []
        try:
            starts = json.loads(self.environment.read_text("utf-8"))
            if not isinstance(starts, list):
                raise ValueError("no list")
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(
                f"{self.environment}, the note of earlier starts, cannot be read", "move it out of the folder"
            ) from error
        return starts

    def draw_history(self) -> None:
        """Draw ``loss.png``: both losses over the steps."""
        from matplotlib.figure import Figure

        rows = read_history(self.history)
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for name, label in (("train_loss", "training"), ("valid_loss", "validation")):
            points = [(row["step"], row[name]) for row in rows if row[name] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 50 else "")
        if axes.lines:
            axes.set_yscale("log")
            axes.legend()
        axes.set(xlabel="step", ylabel="loss")
        with atomic_path(self.plot, overwrite=True) as temporary:
            figure.savefig(temporary, dpi=120)


def describe_environment(step: int, device: str) -> dict[str, Any]:
    """Return what a reader needs to repeat the run from `step` on."""
    import torch

    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "dlsim_ij": dlsim_ij.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in ("torch", "numpy", "scipy", "safetensors")},
        "device": device,
        "threads": torch.get_num_threads(),
    }


def _flat(config: TrainingConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), item)
        else:
            flat[prefix] = value

    walk("", config.model_dump(mode="json"))
    return flat


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Return the git revision of a checkout, with + behind it if files differ from it."""
    root = Path(dlsim_ij.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # a record less; nothing depends on it
    return done.stdout.strip()
