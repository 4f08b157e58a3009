"""A weights file of the seed as a model: the file holds numbers alone, the rest must be told."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlsim_ij.bundles import Bundle, load_seed_weights, save_bundle
from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.datasets.selection import frame_selection
from dlsim_ij.errors import ConfigError
from dlsim_ij.inference.predictor import Model
from dlsim_ij.networks.blocks import BatchNormMode, set_batchnorm_mode
from dlsim_ij.torch_device import choose_device


def load_seed_model(
    path: str | os.PathLike[str],
    architecture: str,
    *,
    frames: str,
    maxima: tuple[float, float],
    trust_pickle: bool = False,
    light: str = "normal",
    batchnorm: BatchNormMode = "per-image",
    device: str = "auto",
) -> Model:
    """Load weights that the seed's training scripts saved, ready for `predict` and `cascade`.

    Parameters
    ----------
    path : path-like
        A ``.pkl`` or ``.pth`` file, or ``.safetensors``.
    architecture : str
        ``unet-sim15``, ``unet-sim3``, ``unet-sim4``, ``unet-snr``, ``unet-srrf5`` or ``scunet``.
    frames : str
        Frame selection, see `dlsim_ij.datasets.select_frames`.
    maxima : (float, float)
        What inputs and targets were divided by in training, for example (5315, 15383); they stand in the
        seed's scripts, not in the file.
    trust_pickle : bool
        Required for anything but safetensors.
    light : {"normal", "low"}
        Light of the frames that it was trained on.
    batchnorm : {"per-image", "running"}
        Statistics to predict with; the seed's test scripts take each image's own.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    ModelError
        See `dlsim_ij.bundles.load_seed_weights`.
    ConfigError, DataError
        The maxima are not two positive numbers; the selection is unknown.
    """
    file = Path(path)
    network, fields = _read(file, architecture, frames, maxima, trust_pickle, light, batchnorm)
    card = ModelCard(**fields, weights_sha256=_sha256(file))
    chosen = choose_device(device)
    network = network.to(chosen)
    if chosen.type == "cpu":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(name=card.name, card=card, network=network, device=chosen)


def import_seed_model(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    architecture: str,
    *,
    frames: str,
    maxima: tuple[float, float],
    trust_pickle: bool = False,
    light: str = "normal",
    batchnorm: BatchNormMode = "per-image",
    overwrite: bool = False,
) -> Bundle:
    """Write weights that the seed's training scripts saved as a model folder, once and for all.

    The folder holds safetensors and a card; nothing in it can run, and no trust is asked for again.

    Parameters
    ----------
    path, architecture, frames, maxima, trust_pickle, light, batchnorm
        See `load_seed_model`.
    folder : path-like
        Made if it does not exist; its name becomes the model's.
    overwrite : bool
        Replace a model that is there.

    Raises
    ------
    ModelError, ConfigError, DataError
        See `load_seed_model`.
    OutputError
        The folder holds a model already, or cannot be written.
    """
    file, target = Path(path), Path(folder)
    network, fields = _read(file, architecture, frames, maxima, trust_pickle, light, batchnorm)
    origin = {"file": file.name, "sha256": _sha256(file), "by": "training scripts of the seed"}
    card = {**fields, "name": target.resolve().name, "training": {"imported": origin}}
    return save_bundle(target, network, card, overwrite)


def _read(
    file: Path,
    architecture: str,
    frames: str,
    maxima: tuple[float, float],
    trust_pickle: bool,
    light: str,
    batchnorm: BatchNormMode,
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network, and the fields of its card but the sum of the weights."""
    if len(maxima) != 2 or not all(0 < value < float("inf") for value in maxima):
        raise ConfigError(f"the maxima {maxima} are not two positive numbers", "for example 5315,15383")
    selection = frame_selection(frames)
    network = load_seed_weights(file, architecture, trust_pickle)
    set_batchnorm_mode(network, batchnorm)
    if network.in_channels != selection.channels:
        raise ConfigError(
            f"the selection '{frames}' makes {selection.channels} channels, {architecture} takes "
            f"{network.in_channels}",
            "name the recipe that these weights were trained by",
        )
    return network, {
        "name": file.stem,
        "description": f"Weights of the seed ({file.name})",
        "architecture": {"name": architecture},
        "in_channels": network.in_channels,
        "scale": 1,
        "side_multiple": network.side_multiple,
        "frames": {
            "total": selection.acquisition,
            "selection": selection.frames,
            "summary": selection.summary,
        },
        "input": {
            "kind": "raw-frames",
            "selection": frames,
            "light": light,
            "enlargement": 5 if frames == "srrf5" else 2,
        },
        "normalisation": {"kind": "seed", "input": maxima[0], "output": maxima[1], "truth_gain": 1.0},
        "batchnorm": batchnorm,
    }


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
