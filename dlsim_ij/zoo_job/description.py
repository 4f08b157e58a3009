"""The package's rdf.yaml: what the BioImage Model Zoo wants to know of a model (format 0.5).

Written as plain data, so that the same model gives the same text whatever version of bioimageio.spec is
installed; that library checks it in `check.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dlsim_ij
from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.zoo_job.channels import Channel, frame_names, is_blinking
from dlsim_ij.zoo_job.example import is_never_negative, seed_maxima
from dlsim_ij.zoo_job.sizes import Sizes

FORMAT = "0.5.4"  # old enough for today's readers, new enough for all that is told here
TOLERANCE = 1e-3  # for other machines: graphics cards round the factors of a convolution to 10 bits
_HUGE = 1e9  # readers of the format's first versions want both ends of a clip

PAPER = (
    "Jin et al., Deep learning enables structured illumination microscopy with low light levels and enhanced "
    "speed, Nature Communications 11, 1934 (2020)",
    "10.1038/s41467-020-15784-x",
)
SRRF_PAPER = (
    "Gustafsson et al., Fast live-cell conventional fluorophore nanoscopy with ImageJ through "
    "super-resolution radial fluctuations, Nature Communications 7, 12471 (2016)",
    "10.1038/ncomms12471",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One entry of the weights: its file, sum, and what else its format wants."""

    kind: str
    file: str
    sha256: str
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a description and a README are written from."""

    card: ModelCard
    inputs: Sequence[Channel]
    outputs: Sequence[Channel]
    sizes: Sizes
    authors: Sequence[str]
    parameters: int
    shipped: bool

    @property
    def title(self) -> str:
        """The package's name, in the letters that the zoo allows."""
        return re.sub(r"[^A-Za-z0-9_+\- ()]", "_", f"dlsim_ij {self.card.name}")[:128]

    @property
    def licence(self) -> str | None:
        """The licence as SPDX writes it; None if the card states none."""
        stated = self.card.licence
        return stated if re.fullmatch(r"[A-Za-z0-9.+-]+", stated) else None

    @property
    def citations(self) -> list[tuple[str, str]]:
        """Text and DOI of what is to be cited."""
        return [PAPER, SRRF_PAPER] if is_blinking(self.card) else [PAPER]


def describe(facts: Facts, weights: Sequence[WeightsFile], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the contents of rdf.yaml.

    Parameters
    ----------
    facts : Facts
    weights : sequence of WeightsFile
        The first is what the others were made from.
    files : mapping of str to str
        SHA-256 of README.md, cover.png, test_input.npy and test_output.npy.
    """
    card = facts.card

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": files[name]}

    described: dict[str, Any] = {
        "format_version": FORMAT,
        "type": "model",
        "name": facts.title,
        "description": (card.description or f"Network of dlsim_ij, model {card.name}")[:1024],
        "version": dlsim_ij.__version__,
        "authors": [{"name": name} for name in facts.authors],
        "cite": [{"text": text, "doi": doi} for text, doi in facts.citations],
        "license": facts.licence,
        "documentation": file("README.md"),
        "covers": [file("cover.png")],
        "tags": _tags(card),
        "inputs": [_input(facts, file("test_input.npy"))],
        "outputs": [_output(facts, file("test_output.npy"))],
        "weights": _weights(weights),
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {"relative_tolerance": TOLERANCE, "absolute_tolerance": TOLERANCE}
                ],
                "architecture_type": card.architecture.name[:32],
                "model_parameter_count": facts.parameters,
                "modality": "fluorescence microscopy",
            },
            "dlsim_ij": {
                "model": card.name,
                "frames_of_the_stack": frame_names(card),
                "weights_sha256": card.weights_sha256,
                "card": card.model_dump(mode="json", exclude={"training", "scores"}),
            },
        },
    }
    return {key: value for key, value in described.items() if value not in (None, [])}


def _tags(card: ModelCard) -> list[str]:
    kinds = ["srrf", "blinking"] if is_blinking(card) else ["sim", "structured-illumination"]
    return [
        "super-resolution-microscopy", "fluorescence-light-microscopy", "2d", "cells", "pytorch", "unet",
        "image-reconstruction", "image-restoration", "imagej", "fiji", "deepimagej", "dlsim", *kinds,
    ]  # fmt: skip


def _input(facts: Facts, test: dict[str, str]) -> dict[str, Any]:
    sizes = facts.sizes

    def axis(name: str) -> dict[str, Any]:
        return {"type": "space", "id": name, "size": {"min": sizes.min_px, "step": sizes.step_px}}

    described: dict[str, Any] = {
        "id": "channels",
        "description": "made by dlsim_ij of one raw stack, see README.md",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "id": "channel", "channel_names": [c.name for c in facts.inputs]},
            axis("y"),
            axis("x"),
        ],
        "test_tensor": test,
        "data": {"type": "float32"},
    }
    maxima = seed_maxima(facts.card)
    if maxima is not None:
        gain = {"gain": 1 / maxima[0], "offset": 0.0}
        described["preprocessing"] = [{"id": "scale_linear", "kwargs": gain}]
    return described


def _output(facts: Facts, test: dict[str, str]) -> dict[str, Any]:
    card = facts.card
    halo = {"halo": card.scale * facts.sizes.halo_px} if facts.sizes.halo_px else {}

    def axis(name: str) -> dict[str, Any]:
        size = {"tensor_id": "channels", "axis_id": name, "offset": 0}
        return {"type": "space", "id": name, "size": size, "scale": 1 / card.scale, **halo}

    described: dict[str, Any] = {
        "id": "images",
        "description": "what each channel is: see README.md",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "id": "channel", "channel_names": [c.name for c in facts.outputs]},
            axis("y"),
            axis("x"),
        ],
        "test_tensor": test,
        "data": {"type": "float32"},
    }
    steps: list[dict[str, Any]] = []
    maxima = seed_maxima(card)
    if maxima is not None:
        steps.append({"id": "scale_linear", "kwargs": {"gain": maxima[1], "offset": 0.0}})
    if is_never_negative(card):
        steps.append({"id": "clip", "kwargs": {"min": 0.0, "max": _HUGE}})
    if steps:
        described["postprocessing"] = steps
    return described


def _weights(weights: Sequence[WeightsFile]) -> dict[str, Any]:
    entries = {}
    for number, entry in enumerate(weights):
        parent = {"parent": weights[0].kind} if number else {}
        entries[entry.kind] = {"source": entry.file, "sha256": entry.sha256, **parent, **entry.more}
    return entries
