"""A model on disk: a folder with ``weights.safetensors`` and ``model.json``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.bundles.shipped import shipped_folder, shipped_names
from dlsim_ij.config import make_settings
from dlsim_ij.errors import ConfigError, ModelError, OutputError
from dlsim_ij.files import atomic_path, make_folder, write_json
from dlsim_ij.networks.registry import create_network

if TYPE_CHECKING:
    from torch import nn

WEIGHTS, CARD = "weights.safetensors", "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model that was found and read, with no network made yet."""

    folder: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """Name of the model, as its card tells it."""
        return self.card.name

    @property
    def weights_path(self) -> Path:
        """The weights file."""
        return self.folder / WEIGHTS

    @property
    def card_path(self) -> Path:
        """The file that tells what the model is."""
        return self.folder / CARD

    def verify(self) -> None:
        """Raise `ModelError` unless the weights are those that the card was written for."""
        found = _sha256(self.weights_path)
        if found != self.card.weights_sha256:
            raise ModelError(
                f"{self.weights_path} is not the file that {CARD} describes "
                f"(sha256 {found[:12]}..., expected {self.card.weights_sha256[:12]}...)",
                "the file is damaged or was replaced: copy the model folder again",
            )

    def create(self) -> nn.Module:
        """Make the network with its weights, in evaluation mode, on the CPU.

        Raises
        ------
        ModelError
            The weights are damaged or do not belong to the architecture.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from dlsim_ij.networks.blocks import set_batchnorm_mode

        network = create_network(self.card.architecture.name, **self.card.architecture.options)
        try:
            network.load_state_dict(load_file(self.weights_path))
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{self.weights_path} cannot be read: {error}", "copy the model again"
            ) from error
        except RuntimeError as error:
            raise ModelError(
                f"the weights of model '{self.name}' do not fit its architecture "
                f"'{self.card.architecture.name}': {_first_problem(error)}",
                f"check 'architecture' in {self.folder / CARD}",
            ) from error
        if self.card.batchnorm != "none":
            set_batchnorm_mode(network, self.card.batchnorm)
        return network.eval()


def save_bundle(
    folder: str | os.PathLike[str],
    network: nn.Module,
    card: Mapping[str, Any],
    overwrite: bool = False,
    *,
    half_precision: bool = False,
) -> Bundle:
    """Write a network and its card as a model folder.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    network : torch.nn.Module
        Its state dict becomes ``weights.safetensors``.
    card : mapping
        The fields of `ModelCard`, without `weights_sha256`, which is computed here.
    overwrite : bool
        Replace a model that is there.
    half_precision : bool
        Store weights as float16, in half the space. The network still computes in float32.

    Raises
    ------
    ModelError
        A field of the card is missing, unknown or wrong; nothing was written then.
    OutputError
        The folder holds a model already, or cannot be written.
    """
    from safetensors.torch import save

    target = Path(folder)
    if not overwrite and any((target / name).exists() for name in (WEIGHTS, CARD)):
        raise OutputError(
            f"{target} holds a model already", "give another name, or allow it with --overwrite"
        )
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if half_precision:
        state = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    data = save(state)
    checked = _make_card({**card, "weights_sha256": hashlib.sha256(data).hexdigest()}, where="the model card")
    make_folder(target)
    # weights first: a stop in between leaves a sum that does not match, never a wrong model
    with atomic_path(target / WEIGHTS, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)
    write_json(target / CARD, checked.model_dump(mode="json"), overwrite=overwrite)
    return Bundle(folder=target, card=checked)


def load_bundle(name_or_path: str | os.PathLike[str]) -> Bundle:
    """Find a model by its shipped name or its folder, and verify its weights.

    Parameters
    ----------
    name_or_path : str or path-like
        A shipped name, as ``sim15`` (it wins over a folder of that name in the current folder); a model
        folder; or one of the two files in it.

    Raises
    ------
    ModelError
        There is no such model, a file is missing, the card is wrong, or the weights were changed.
    """
    bundle = read_bundle(name_or_path)
    bundle.verify()
    return bundle


def read_bundle(name_or_path: str | os.PathLike[str]) -> Bundle:
    """Find a model and read its card, without looking at its weights."""
    folder = _find(name_or_path)
    card_path = folder / CARD
    try:
        data = json.loads(card_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{folder} is no model: {CARD} cannot be read ({error.strerror})",
            f"a model is a folder with {WEIGHTS} and {CARD}",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{card_path} is not valid JSON: {error}", "copy the model again") from error
    if not isinstance(data, dict):
        raise ModelError(f"{card_path} does not hold a JSON object", "copy the model again")
    card = _make_card(data, where=str(card_path))
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} has no {WEIGHTS}", "copy the whole model folder")
    return Bundle(folder=folder, card=card)


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    path = Path(name_or_path)
    bare = path.name == str(name_or_path)
    if bare and path.name in shipped_names():  # wins over a folder of that name here: say ./sim15 for it
        return shipped_folder(path.name)
    if path.is_dir():
        return path
    if path.is_file():
        if path.suffix.lower() in (".pkl", ".pth", ".pt"):
            raise ModelError(
                f"{path} is a pickle file, which can run any code when it is opened",
                "weights of the seed, if you trust their origin: dlsim models --import FILE -o FOLDER "
                "--trust-pickle --recipe seed-sim15 --maxima 5315,15383",
            )
        return path.parent
    if not bare:
        raise ModelError(f"there is no model at {path}", "check the path; shipped names: dlsim models")
    return shipped_folder(path.name)


def _make_card(data: Mapping[str, Any], where: str) -> ModelCard:
    version = data.get("format_version", 1)
    if version != 1:
        raise ModelError(
            f"{where} has format_version {version!r}, this dlsim reads 1", "install a newer dlsim-ij"
        )
    try:
        return make_settings(ModelCard, data, where=where)
    except ConfigError as error:
        hint = error.hint if error.hint and error.hint.startswith("did you") else "see docs/model-format.md"
        raise ModelError(error.message, hint) from error


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", "copy the model again") from error


def _first_problem(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0]
