"""Measure a model: on held-out simulated fields, and against the user's raw frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.inference.calibration import half_width_stretch
from dlsim_ij.inference.predictor import Model, predict_every, run_network
from dlsim_ij.quality import physics_residual
from dlsim_ij.quality.physics_residual import PhysicsResidual
from dlsim_ij.quality.pixelwise import fair_scores
from dlsim_ij.tuning_job.judge import FieldScores, StackScore
from dlsim_ij.tuning_job.stacks import UserStack

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK_PX = 64  # side of a block, on the grid of the image


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One simulated field that no training sees.

    Attributes
    ----------
    channels : (C, Y, X) float32 ndarray
    truths : (K, 2Y, 2X) float32 ndarray
    group : str
        Structure and light level.
    """

    channels: NDArray[np.float32]
    truths: NDArray[np.float32]
    group: str


def held_out(samples: Iterable[tuple[Tensor, Tensor, str]]) -> list[HeldOut]:
    """Keep the fields of `LikePairs.proof`."""
    return [
        HeldOut(channels=inputs[0].numpy(), truths=targets[0].numpy(), group=group)
        for inputs, targets, group in samples
    ]


def score_fields(model: Model, fields: Sequence[HeldOut], targets: Sequence[str]) -> dict[str, FieldScores]:
    """Return the scores of a model's images, by target."""
    rows: dict[str, list[tuple[float, float, float | None]]] = {name: [] for name in targets}
    for one in fields:
        output = run_network(model, one.channels)
        images, half_widths = output[: len(targets)], output[len(targets) :]
        for number, name in enumerate(targets):
            truth = one.truths[number]
            found = fair_scores(truth, images[number])
            within = None
            if len(half_widths) == len(targets):
                factor = half_width_stretch(model.card, one.channels, images[number], number)
                within = float((np.abs(images[number] - truth) <= factor * half_widths[number]).mean())
            rows[name].append((found.psnr_db, found.nrmse, within))
    return {name: _scores(own) for name, own in rows.items()}


def _scores(rows: Sequence[tuple[float, float, float | None]]) -> FieldScores:
    within = [row[2] for row in rows if row[2] is not None]
    return FieldScores(
        psnr_db=tuple(row[0] for row in rows),
        nrmse=tuple(row[1] for row in rows),
        within=tuple(within) if len(within) == len(rows) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnStacks:
    """A model on the user's stacks: what the frames say, and the images of the first stack by target."""

    scores: list[StackScore]
    images: dict[str, NDArray[np.float32]]


def score_stacks(model: Model, stacks: Sequence[UserStack], targets: Sequence[str]) -> OnStacks:
    """Compare the raw frames of each stack with those that the model's images would have given."""
    found: list[StackScore] = []
    images: dict[str, NDArray[np.float32]] = {}
    for number, stack in enumerate(stacks):
        acquisition = stack.acquisition
        every = predict_every(model, stack.frames, patterns=acquisition.patterns, optics=acquisition.optics)
        for name in targets:
            made = every[name if model.card.outputs else ""]
            if number == 0:
                images[name] = made.image
            residual = physics_residual(made.image, stack.frames, acquisition)
            found.append(_stack_score(stack.name, name, residual))
    return OnStacks(scores=found, images=images)


def _stack_score(stack: str, target: str, found: PhysicsResidual) -> StackScore:
    limit = found.expected[1]
    top, bottom, left, right = found.scored_px
    inner = np.abs(found.map[top:bottom, left:right])
    rows, columns = (max(1, side // _BLOCK_PX) for side in inner.shape)
    blocks = [
        max(0.0, float(block.max()) - limit)
        for row in np.array_split(inner, rows, axis=0)
        for block in np.array_split(row, columns, axis=1)
    ]
    return StackScore(
        stack=stack,
        target=target,
        value=found.value,
        limit=limit,
        frames_rms=found.frames_rms,
        finest_image_px=found.finest_image_px,
        blocks=tuple(blocks),
    )
