"""What a run tells while it goes, and where it stands at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlsim_ij.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Result):
    """What a progress display may show; given at every row of the history."""

    step: int
    total_steps: int
    epoch: int
    train_loss: float | None
    valid_psnr_db: float | None
    seconds_left: float | None
    samples_per_s: float | None = None  # in training, since the row before


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult(Result):
    """Where a run stands at its end."""

    run_dir: Path
    model_dir: Path
    step: int
    epoch: int
    stopped: str  # "finished" or "early stop"
    best: dict[str, Any] | None  # step and validation of the best weights; None without validation
    metrics: dict[str, Any] = field(default_factory=dict)  # of the exported weights
