"""Trainings as calls of `dlsim train`, one after the other: finished ones are passed over, others resumed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def training_call(what: str, run: Path, settings: Iterable[str]) -> list[str]:
    """Return the words that train a recipe or configuration file into a run folder, or go on there."""
    words = [sys.executable, "-m", "dlsim_ij", "train", what, "-o", str(run)]
    for setting in settings:
        words += ["--set", setting]
    return words + (["--resume"] if (run / "checkpoints" / "last.safetensors").exists() else [])


def call_all(calls: Iterable[list[str]], *, only_print: bool = False) -> int:
    """Print and make the calls up to the first that fails; return its exit code, else 0."""
    for words in calls:
        print(shlex.join(words), flush=True)
        if not only_print and (code := subprocess.call(words)):
            return code
    return 0
