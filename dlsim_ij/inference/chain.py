"""Two networks in a row, as the paper uses them: dark frames to bright ones, bright frames to an image.

Jin et al., Nat. Commun. 11, 1934 (2020), :doi:`10.1038/s41467-020-15784-x`: U-Net-SNR, then U-Net-SIM.
The first network's output is in units of its own target, the normal-light frames; the second was trained
on such frames in units of its own input. Between the two stands therefore (constant of the first one's
output) / (constant of the second one's input), which is 1 if both were trained on one dataset. The seed's
script for whole fields took the constant of the super-resolved images instead of the frames', and fed the
second network with frames 2.89 times too bright.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.datasets.selection import frame_selection, select_frames
from dlsim_ij.errors import ModelError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference.network_input import Resize, make_input
from dlsim_ij.inference.predictor import Model, Prediction, Progress, run_network
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.torch_device import limited_threads


def cascade(
    denoiser: Model,
    model: Model,
    frames: NDArray[Any],
    *,
    target: str | None = None,
    patterns: Sequence[Pattern] | None = None,
    optics: Optics | None = None,
    resize: Resize = bicubic_enlarge,
    tile_px: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict one low-light stack: remove its noise, then make the image of the bright frames.

    Parameters
    ----------
    denoiser : Model
        Makes normal-light frames of low-light ones: the seed's U-Net-SNR, from `load_model`.
    model : Model
        Makes an image of normal-light frames of the same enlargement: U-Net-SIM15, SIM3 or SIM4.
    frames : (n_frames, Y, X) ndarray
        Native camera counts, all phases of the first angle first.
    target, patterns, optics
        Not used: these networks make one image and need no pattern. So a cascade can stand wherever
        `predict` does.
    resize, tile_px, threads, progress
        As for `predict`; the tiles of the two networks are counted one after the other.

    Returns
    -------
    Prediction
        Its scaling is that of the low-light frames. With the seed's normalisation the image is in counts of
        the second network's dataset; with the robust one, in counts of the low-light stack.

    Raises
    ------
    ModelError
        The two networks do not fit each other.
    LayoutError
        The stack does not have the first network's frames.
    """
    start = time.perf_counter()
    check_cascade(denoiser, model)
    made = make_input(denoiser.card, frames, patterns=None, optics=None, resize=resize)
    with limited_threads(threads):
        bright = run_network(denoiser, made.channels, tile_px=tile_px, progress=progress)
        # normalised by the one network's constant until here, by the other's from here on
        bright *= np.float32(between(denoiser, model))
        channels = select_frames(bright, str(model.card.input["selection"]))
        image = run_network(model, channels, tile_px=tile_px, progress=progress)[0]
    return Prediction(
        image=np.maximum(image * np.float32(_output_scale(model, made.scaling.scale)), 0),
        scaling=made.scaling,
        patterns=(),
        seconds=time.perf_counter() - start,
    )


def between(denoiser: Model, model: Model) -> float:
    """Return what stands between the two networks of a cascade.

    With the robust normalisation both sides are in units of the normal-light field's own scale: nothing.
    """
    if model.card.normalisation["kind"] != "seed":
        return 1.0
    return float(denoiser.card.normalisation["output"]) / float(model.card.normalisation["input"])


def _output_scale(model: Model, low_light_scale: float) -> float:
    """Return the counts of one unit of the second network's output."""
    normalisation = model.card.normalisation
    if normalisation["kind"] == "seed":
        return float(normalisation["output"])
    return low_light_scale * float(normalisation.get("truth_gain") or 1.0)


def removes_noise(model: Model) -> bool:
    """Whether a model makes frames of frames, as many as the acquisition has."""
    card = model.card
    if card.input.get("kind") != "raw-frames" or card.frames is None:
        return False
    return bool(model.network.out_channels == card.in_channels == card.frames.total)


def check_cascade(denoiser: Model, model: Model) -> None:
    """Raise `ModelError` unless the second network can take what the first one makes."""
    problem = _misfit(denoiser, model)
    if problem is not None:
        raise ModelError(
            f"the models '{denoiser.name}' and '{model.name}' do not make a cascade: {problem}",
            "a cascade is a network such as seed-snr, then one such as seed-sim15, of the same dataset",
        )


def _misfit(denoiser: Model, model: Model) -> str | None:
    first, second = denoiser.card, model.card
    if not removes_noise(denoiser):
        return f"'{denoiser.name}' makes no frames"
    if removes_noise(model):
        return f"'{model.name}' makes frames, not an image"
    if second.input.get("kind") != "raw-frames":
        return f"'{model.name}' takes no frames that another network made"
    if second.input.get("light", "normal") != "normal":
        return f"'{model.name}' was trained on {second.input['light']} light, not on bright frames"
    ours, theirs = first.normalisation.get("kind"), second.normalisation.get("kind")
    if ours != theirs:
        return f"one normalises in the way '{ours}', the other '{theirs}'"
    enlarged = [int(card.input.get("enlargement", 1)) for card in (first, second)]
    if enlarged[0] != enlarged[1]:
        return f"one works on frames enlarged {enlarged[0]} times, the other {enlarged[1]} times"
    selection = frame_selection(str(second.input["selection"]))
    assert first.frames is not None  # removes_noise has seen to it
    if selection.name == "srrf5" or selection.acquisition != first.frames.total:
        return f"one makes {first.frames.total} frames, the other takes those of '{selection.name}'"
    return None
