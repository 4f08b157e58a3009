"""What a package shows and is tested with: a stack simulated for the model, and the model's own answer."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference.network_input import make_input
from dlsim_ij.inference.predictor import Model, run_network
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.results import Result
from dlsim_ij.simulation import (
    BlinkingConditions,
    draw_structure,
    random_conditions,
    simulate_blinking,
    simulate_sim,
)
from dlsim_ij.zoo_job.channels import angles_and_phases, is_blinking

_SEED = 1
_PHOTONS = 100.0  # where the card does not tell the light of its training
_POINTS = 4  # of the structure's grid along a camera pixel
_COVER_PX = 384


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Result):
    """A simulated stack and what a model makes of it.

    Attributes
    ----------
    frames : (n_frames, Y, X) uint16 ndarray
        Camera counts.
    channels : (1, C, Y, X) float32 ndarray
        What the package is given: normalised channels, or enlarged frames in counts where the package
        divides them itself.
    output : (1, K, scale Y, scale X) float32 ndarray
        What it must answer, computed by our own predictor.
    """

    frames: NDArray[np.uint16] = field(repr=False, compare=False)
    channels: NDArray[np.float32] = field(repr=False, compare=False)
    output: NDArray[np.float32] = field(repr=False, compare=False)


def make_example(model: Model, side_px: int) -> Example:
    """Simulate a stack for a model and predict it.

    Parameters
    ----------
    model : Model
        From `load_model`.
    side_px : int
        Side of the network's input; a multiple of the enlargement that the model wants.

    Returns
    -------
    Example
        The same for the same model.
    """
    card = model.card
    enlargement = int(card.input.get("enlargement", 1))
    frames, patterns, optics = _simulate(card, side_px // enlargement)
    made = make_input(card, frames, patterns=patterns, optics=optics, resize=bicubic_enlarge)
    output = run_network(model, made.channels)
    constants = seed_maxima(card)
    given = made.channels
    if constants is not None:
        given = made.scaling.undo(made.channels)
        output = output * np.float32(constants[1])
    if is_never_negative(card):
        output = np.maximum(output, 0)
    return Example(frames=frames, channels=given[None], output=output[None])


def seed_maxima(card: ModelCard) -> tuple[float, float] | None:
    """Return what input and output are divided by, where these are constants that a package can hold."""
    if card.input["kind"] == "raw-frames" and card.normalisation.get("kind") == "seed":
        return float(card.normalisation["input"]), float(card.normalisation["output"])
    return None


def is_never_negative(card: ModelCard) -> bool:
    """Whether `predict` takes negative values of the output for zero."""
    return card.input["kind"] in ("raw-frames", "srrf-channels")


def light_of_training(card: ModelCard) -> float:
    """Return the middle, on a log scale, of the light that the model was trained on, in photo-electrons."""
    data = card.training.get("data")
    ranges = data.get("photons") if isinstance(data, dict) else None
    try:
        levels = [float(level) for pair in ranges or () for level in pair]
    except (TypeError, ValueError):  # a card of another making
        return _PHOTONS
    if not levels or min(levels) <= 0:
        return _PHOTONS
    return sqrt(min(levels) * max(levels))


def _simulate(card: ModelCard, side_px: int) -> tuple[NDArray[np.uint16], tuple[Pattern, ...], Optics]:
    rng = np.random.default_rng(_SEED)
    settings = dict(card.optics)
    if card.pixel_size_um is not None:
        settings["pixel_size_um"] = card.pixel_size_um
    optics = Optics(**settings)
    grid = (_POINTS * side_px, _POINTS * side_px)
    density = draw_structure("microtubules", grid, optics.pixel_size_um / _POINTS, rng)
    if is_blinking(card):
        assert card.frames is not None
        blinking = BlinkingConditions(optics=optics, n_frames=card.frames.total, photons_per_emitter=1000.0)
        return simulate_blinking(density, blinking, rng, points_per_pixel=_POINTS).raw, (), optics
    n_angles, n_phases = angles_and_phases(card)
    photons = light_of_training(card)
    conditions = random_conditions(
        rng, optics=optics, photons=(photons, photons), n_angles=n_angles, n_phases=n_phases, like_paper=1.0
    )
    stack = simulate_sim(density, conditions, rng, points_per_pixel=_POINTS)
    return stack.raw, conditions.patterns, optics


def draw_cover(example: Example) -> bytes:
    """Draw the mean of the frames beside the first output: PNG, twice as wide as high."""
    before = _grey(example.frames.mean(axis=0))
    after = _grey(example.output[0, 0])
    both = Image.new("L", (2 * _COVER_PX, _COVER_PX))
    for number, picture in enumerate((before, after)):
        resized = picture.resize((_COVER_PX, _COVER_PX), Image.Resampling.BICUBIC)
        both.paste(resized, (number * _COVER_PX, 0))
    buffer = io.BytesIO()
    both.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _grey(image: NDArray[np.floating]) -> Image.Image:
    low, high = np.percentile(image, (1, 99.7))
    span = max(float(high - low), 1e-9)
    return Image.fromarray((255 * np.clip((image - low) / span, 0, 1)).astype(np.uint8))
