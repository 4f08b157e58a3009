"""From the frames of a stack to the channels that a model wants, and how its output becomes counts again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.datasets.blinking_inputs import SRRF_UNIT, srrf_channels
from dlsim_ij.datasets.inputs import FieldLevels, input_kind, input_kinds, network_inputs
from dlsim_ij.datasets.normalise import Scaling, robust_scaling
from dlsim_ij.datasets.selection import frame_selection, select_frames
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.results import Result

Resize = Callable[[NDArray[Any], float], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInput(Result):
    """What a network sees of one stack.

    Attributes
    ----------
    channels : (C, Y, X) float32 ndarray
        Normalised.
    scaling : Scaling
        Of the input.
    counts : Scaling
        Takes the output back to counts.
    patterns : tuple of Pattern
        Illumination that was used; empty for a network on raw frames.
    negative : bool
        Whether the output may be negative.
    """

    channels: NDArray[np.float32] = field(repr=False, compare=False)
    scaling: Scaling
    counts: Scaling
    patterns: tuple[Pattern, ...] = ()
    negative: bool = True


def known_input(card: ModelCard) -> bool:
    """Whether the card tells how the input is made, in a way that this version knows."""
    return card.frames is not None and card.input.get("kind") in (
        *input_kinds(),
        "raw-frames",
        "srrf-channels",
    )


def make_input(
    card: ModelCard,
    frames: NDArray[Any],
    *,
    patterns: Sequence[Pattern] | None,
    optics: Optics | None,
    resize: Resize,
    levels: FieldLevels | None = None,
) -> NetworkInput:
    """Make the channels of one stack.

    Parameters
    ----------
    card : ModelCard
        Of a model with a `known_input`.
    frames : (n_frames, Y, X) ndarray
        Native camera counts, all phases of the first angle first.
    patterns, optics, resize, levels
        See `dlsim_ij.inference.predict`.

    Raises
    ------
    LayoutError
        The stack does not have the model's frames.
    """
    _check_frames(card, frames)
    if card.input["kind"] == "raw-frames":
        return _raw_input(card, frames, resize, levels)
    if card.input["kind"] == "srrf-channels":
        return _blinking_input(frames)
    optics = optics or _own_optics(card)
    n_angles = int(card.input.get("n_angles", 3))
    if patterns is None:
        if len(frames) == n_angles:
            raise LayoutError(
                f"one frame for each of {n_angles} angles does not tell its own illumination pattern",
                "give the patterns of a whole stack of the same session: --parameters FILE of dlsim recon",
            )
        signal = equalise_frames(frames, estimate_offset(frames))
        patterns = fit_patterns(signal, n_angles, len(frames) // n_angles, optics)
    channels, scaling = network_inputs(frames, patterns, optics, card.input["kind"], levels=levels)
    # the channels are above the background already
    counts = Scaling(offset=0.0, scale=scaling.scale)
    return NetworkInput(channels=channels, scaling=scaling, counts=counts, patterns=tuple(patterns))


def _check_frames(card: ModelCard, frames: NDArray[Any]) -> None:
    counts = _frame_counts(card)
    if frames.ndim != 3 or len(frames) not in counts:
        seen = " x ".join(map(str, frames.shape))
        raise LayoutError(
            f"the model '{card.name}' takes {' or '.join(map(str, counts))} frames, the stack is {seen}",
            "choose the model that fits: dlsim models",
        )
    if not np.isfinite(frames).all():
        raise LayoutError("the frames hold NaN or infinity", "repair the file first")


def _frame_counts(card: ModelCard) -> list[int]:
    """Return how many frames may be given: those of a stack, or for some models one of each angle."""
    counts = list(card.stack_sizes)
    kind = card.input["kind"]
    if kind in input_kinds() and input_kind(kind).one_per_angle:
        counts.append(int(card.input.get("n_angles", 3)))
    return counts


def _own_optics(card: ModelCard) -> Optics:
    settings = dict(card.optics)
    if card.pixel_size_um is not None:
        settings["pixel_size_um"] = card.pixel_size_um
    return Optics(**settings)


def _raw_input(
    card: ModelCard, frames: NDArray[Any], resize: Resize, levels: FieldLevels | None
) -> NetworkInput:
    enlargement = int(card.input.get("enlargement", 1))
    selection = frame_selection(str(card.input["selection"]))
    if selection.summary == "max":  # of the enlarged frames, as in training: the order matters
        channels = select_frames(_enlarged(frames, enlargement, resize), selection.name)
    else:
        channels = _enlarged(select_frames(frames, selection.name), enlargement, resize)
    if card.normalisation.get("kind") == "seed":
        scaling = Scaling(offset=0.0, scale=float(card.normalisation["input"]))
        counts = Scaling(offset=0.0, scale=float(card.normalisation["output"]))
    else:
        scaling = robust_scaling(frames) if levels is None else levels.scaling
        gain = float(card.normalisation.get("truth_gain") or 1.0)
        counts = Scaling(offset=0.0, scale=scaling.scale * gain)
    # the seed cast negative numbers to huge unsigned ones; they are noise about zero
    return NetworkInput(channels=scaling.apply(channels), scaling=scaling, counts=counts, negative=False)


def _blinking_input(frames: NDArray[Any]) -> NetworkInput:
    channels, scaling = srrf_channels(frames)
    counts = Scaling(offset=0.0, scale=scaling.scale * SRRF_UNIT)
    # radiality times intensity is never negative
    return NetworkInput(channels=channels, scaling=scaling, counts=counts, negative=False)


def _enlarged(frames: NDArray[Any], enlargement: int, resize: Resize) -> NDArray[np.float32]:
    if enlargement == 1:
        return np.asarray(frames, dtype=np.float32)
    return np.asarray(resize(np.asarray(frames, dtype=np.float32), enlargement), dtype=np.float32)
