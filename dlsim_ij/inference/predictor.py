"""Load a model once, predict many images."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlsim_ij.bundles.bundle import load_bundle, read_bundle
from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.datasets.inputs import FieldLevels, input_kind, input_kinds
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.errors import ModelError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import kept
from dlsim_ij.inference.calibration import half_width_stretch
from dlsim_ij.inference.device import exact_inference
from dlsim_ij.inference.ensemble import TURNINGS, mean_of_turnings
from dlsim_ij.inference.network_input import NetworkInput, Resize, known_input, make_input
from dlsim_ij.inference.tiles import plan_axis
from dlsim_ij.networks.blocks import BatchNormMode, set_batchnorm_mode
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.quality.doubtful import HALF_WIDTH_SD
from dlsim_ij.results import Result
from dlsim_ij.torch_device import choose_device, limited_threads

Progress = Callable[[int, int], None]

# Up to this side of the network's input a field runs whole: margins cost time. The network's own memory for a
# larger field is that for one tile of this size.
WHOLE_FIELD_PX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Result):
    """A network with its card, ready to predict.

    Attributes
    ----------
    ensemble : bool
        Whether its images are means over the eight turnings of its input.
    """

    name: str
    card: ModelCard = field(repr=False)
    network: nn.Module = field(repr=False, compare=False)
    device: torch.device = field(repr=False)
    ensemble: bool = False

    @property
    def tells_uncertainty(self) -> bool:
        """Whether it tells how far its images may be wrong."""
        return self.card.interval is not None

    def describe(self) -> dict[str, Any]:
        """Return what a record of a run must tell of the model."""
        return {
            "name": self.name,
            "weights_sha256": self.card.weights_sha256,
            "architecture": self.card.architecture.model_dump(),
            "normalisation": self.card.normalisation,
            "batchnorm": self.card.batchnorm,
            "device": str(self.device),
            "ensemble": self.ensemble,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Result):
    """What a network made of one stack.

    Attributes
    ----------
    image : (2Y, 2X) float32 ndarray
        In counts above the field's background; (15, Y, X) from a network that only removes noise,
        (5Y, 5X) from one for blinking samples.
        Pixel j lies at native coordinate (j + 0.5) / 2 - 0.5.
    uncertainty : (2Y, 2X) float32 ndarray or None
        One standard deviation of the image's error in every pixel, in counts: image +- 1.645 times it holds
        the truth in 90 % of the pixels. None from a network that does not tell it.
    stretch : float
        Factor on the network's half widths that is in `uncertainty`: see `dlsim_ij.inference.calibration`.
    target : str
        Which of the model's images it is; empty if it makes only one.
    scaling : Scaling
        Offset and scale of the input.
    patterns : tuple of Pattern
        Illumination that was used; empty for a network on raw frames.
    seconds : float
        Everything, without loading the model.
    """

    image: NDArray[np.float32] = field(repr=False, compare=False)
    uncertainty: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    stretch: float = 1.0
    target: str = ""
    scaling: Scaling
    patterns: tuple[Pattern, ...]
    seconds: float


def load_model(
    name_or_path: str | os.PathLike[str],
    *,
    device: str = "auto",
    batchnorm: BatchNormMode | None = None,
    ensemble: bool = False,
) -> Model:
    """Load a shipped model by its name, or one of your own by its folder.

    Parameters
    ----------
    name_or_path : str or path-like
        As ``sim15``, or a folder with ``weights.safetensors`` and ``model.json``.
    device : {"auto", "cpu", "cuda"}
        Where to run it.
    batchnorm : {"running", "per-image"}, optional
        Statistics that a network with BatchNorm uses, if not those of its card: ``per-image`` is what the
        seed's test scripts did, ``running`` allows tiles.
    ensemble : bool
        Average its images over the eight turnings of its input: eight times the time, slightly better.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        The model is unknown, damaged, or does not tell how its input is made; it has no BatchNorm to choose
        a mode of; or its input cannot be turned.
    """
    bundle = read_bundle(name_or_path)
    key = kept.key_of((bundle.weights_path, bundle.card_path), device, batchnorm, ensemble)
    found = kept.find(key)
    if found is not None:
        return found
    bundle = load_bundle(bundle.folder)  # read after the key was made: a change in between makes another key
    card = bundle.card
    if not known_input(card):
        raise ModelError(
            f"the model '{card.name}' does not tell how its input is made from raw frames",
            "train it from data of dlsim prepare or the simulator, or complete its model.json",
        )
    if ensemble and card.input["kind"] not in input_kinds():
        raise ModelError(
            f"the model '{card.name}' sees frames with their patterns, which it knows in one direction only",
            "leave the ensemble away",
        )
    chosen = choose_device(device)
    network = bundle.create().to(chosen)
    if batchnorm is not None:
        if card.batchnorm == "none":
            raise ModelError(f"the model '{card.name}' has no BatchNorm", "leave the choice of its mode away")
        set_batchnorm_mode(network, batchnorm)
        card = card.model_copy(update={"batchnorm": batchnorm})
    if chosen.type == "cpu":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    made = Model(name=card.name, card=card, network=network, device=chosen, ensemble=ensemble)
    return kept.keep(key, made)


def predict(
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
    levels: FieldLevels | None = None,
    stretch: float | None = None,
) -> Prediction:
    """Predict one stack.

    Parameters
    ----------
    model : Model
        From `load_model`.
    frames : (n_frames, Y, X) ndarray
        Native camera counts, all phases of the first angle first; of a blinking sample, in any order.
    target : str, optional
        Which of the model's images, if it makes several: ``wiener``, the first, as a well set Wiener filter
        shows a bright stack; ``object``, the sample itself, without haze and halos.
    patterns : sequence of Pattern, optional
        Illumination, if it is known already; fitted otherwise. Networks on raw frames need none.
    optics : Optics, optional
        What the model was made for, by default.
    resize : callable
        ``resize(image, scale)``, for networks on enlarged frames.
    tile_px : int, optional
        Side of a tile, in pixels of the network's input; by default fields run whole up to
        `WHOLE_FIELD_PX`, larger ones in tiles of that size.
    threads : int, optional
        Processor threads of the network; as torch has chosen by default.
    progress : callable, optional
        Called with the number of tiles done and of all tiles.
    levels : FieldLevels, optional
        Of the field that the frames are a part of; measured in the frames by default.
    stretch : float, optional
        Factor on the half widths; made of the image by default, as the model's card wants it.

    Returns
    -------
    Prediction

    Raises
    ------
    LayoutError
        The stack does not have the model's frames.
    ModelError
        The model makes no image of that name.
    """
    start = time.perf_counter()
    number = _output_number(model.card, target)
    made = make_input(model.card, frames, patterns=patterns, optics=optics, resize=resize, levels=levels)
    with limited_threads(threads):
        output = run_network(model, made.channels, tile_px=tile_px, progress=progress)
    return _prediction(model, made, output, number, start, stretch)


def predict_every(
    model: Model,
    frames: NDArray[Any],
    *,
    patterns: Sequence[Pattern] | None = None,
    optics: Optics | None = None,
) -> dict[str, Prediction]:
    """Predict every image that the model makes of one stack, in the time of one.

    Parameters
    ----------
    model, frames, patterns, optics
        As for `predict`.

    Returns
    -------
    dict of str to Prediction
        By the image's name, "" if it makes only one without a name; what `predict` gives for that target.
    """
    start = time.perf_counter()
    made = make_input(model.card, frames, patterns=patterns, optics=optics, resize=bicubic_enlarge)
    output = run_network(model, made.channels)
    names = model.card.outputs or ("",)
    return {name: _prediction(model, made, output, number, start) for number, name in enumerate(names)}


def _prediction(
    model: Model,
    made: NetworkInput,
    output: NDArray[np.float32],
    number: int,
    start: float,
    stretch: float | None = None,
) -> Prediction:
    """Take one image out of a network's output, back in counts."""
    card, images, uncertainty = model.card, output, None
    if card.interval is not None:
        images, half_widths = np.split(output, 2)
        if stretch is None:
            stretch = half_width_stretch(card, made.channels, images[number], number)
        uncertainty = half_widths[number] * np.float32(stretch * made.counts.scale / HALF_WIDTH_SD)
    if card.outputs:
        images = images[number : number + 1]
    images = made.counts.undo(images)
    if not made.negative:
        images = np.maximum(images, 0)
    return Prediction(
        image=images if len(images) > 1 else images[0],
        uncertainty=uncertainty,
        stretch=1.0 if stretch is None else stretch,
        target=card.outputs[number] if card.outputs else "",
        scaling=made.scaling,
        patterns=made.patterns,
        seconds=time.perf_counter() - start,
    )


def _output_number(card: ModelCard, target: str | None) -> int:
    if target is None:
        return 0
    if target not in card.outputs:
        names = ", ".join(f"'{name}'" for name in card.outputs) or "one without a name"
        raise ModelError(
            f"the model '{card.name}' makes no image called '{target}'",
            f"it makes {names}: leave the target away, or choose another model",
        )
    return card.outputs.index(target)


def run_network(
    model: Model,
    channels: NDArray[np.float32],
    *,
    tile_px: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Apply the network to normalised channels, whole or tile by tile, once or as an ensemble.

    Parameters
    ----------
    model : Model
        From `load_model`.
    channels : (C, Y, X) float32 ndarray
        Any size; padded by repeating the border where the network wants a multiple.
    tile_px, progress
        See `predict`.

    Returns
    -------
    (K, scale * Y, scale * X) float32 ndarray

    Raises
    ------
    ModelError
        Tiles were asked of a network that normalises by the statistics of the whole image, or the memory
        does not suffice.
    ConfigError
        The tiles are too small.
    """
    if not model.ensemble:
        return _run_once(model, channels, tile_px, progress)
    done, rounds = itertools.count(), len(TURNINGS)

    def one(turned: NDArray[np.float32]) -> NDArray[np.float32]:
        before = next(done)

        def told(number: int, of: int) -> None:
            assert progress is not None
            progress(before * of + number, rounds * of)

        return _run_once(model, turned, tile_px, told if progress else None)

    return mean_of_turnings(one, channels, input_kind(model.card.input["kind"]))


def _run_once(
    model: Model, channels: NDArray[np.float32], tile_px: int | None, progress: Progress | None
) -> NDArray[np.float32]:
    card, network = model.card, model.network
    height, width = channels.shape[1:]
    multiple, scale = card.side_multiple, card.scale
    padded_height, padded_width = (-(-side // multiple) * multiple for side in (height, width))
    longest = max(padded_height, padded_width)
    if card.batchnorm == "per-image":
        if tile_px is not None and tile_px < longest:
            raise ModelError(
                f"the model '{model.name}' normalises by the whole image and cannot run on tiles",
                "leave --tile-px away, or load it with BatchNorm in the mode 'running'",
            )
        tile = longest
    else:
        tile = tile_px or WHOLE_FIELD_PX
    padding = [(0, 0), (0, padded_height - height), (0, padded_width - width)]
    padded = np.pad(channels, padding, mode="edge") if any(after for _, after in padding) else channels
    layout = torch.channels_last if model.device.type == "cpu" else torch.contiguous_format
    margin = cast(int, network.receptive_radius_px)
    rows, columns = (plan_axis(side, tile, margin, multiple) for side in padded.shape[1:])
    tiles = list(itertools.product(rows, columns))
    out_channels = cast(int, network.out_channels)
    whole = np.empty((out_channels, scale * height, scale * width), dtype=np.float32)
    with exact_inference(model.device):
        for number, (y, x) in enumerate(tiles, start=1):
            piece = torch.from_numpy(padded[:, y.read, x.read])[None]
            result = network(piece.to(model.device, memory_format=layout))[0]
            place = whole[:, y.output(scale), x.output(scale)]  # cut where the padding begins
            core = result[:, y.core(scale), x.core(scale)][:, : place.shape[1], : place.shape[2]]
            place[...] = core.float().cpu().numpy()
            if progress is not None:
                progress(number, len(tiles))
    return whole
