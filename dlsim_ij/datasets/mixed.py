"""Several sources of samples as one: prepared datasets and simulated pools, each with its share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat, model_validator

from dlsim_ij.config import Settings, make_settings
from dlsim_ij.datasets.source import SampleSource, close_source, samples_of_test
from dlsim_ij.datasets.source import make_source as make_part
from dlsim_ij.errors import DataError

logger = logging.getLogger(__name__)

Sample = tuple[torch.Tensor, torch.Tensor, str]


class PartOptions(Settings):
    """One source of a mixture.

    Attributes
    ----------
    kind : {"simulated", "prepared"}
        As in ``data.kind`` of a training configuration.
    options : mapping
        Settings of that kind.
    weight : float
        Its share of the samples is this over the sum of all weights.
    name : str or None
        In front of its validation groups; None takes the kind, numbered where it stands twice.
    """

    kind: Literal["simulated", "prepared"]
    options: dict[str, Any] = Field(default_factory=dict)
    weight: Annotated[FiniteFloat, Field(gt=0)] = 1.0
    name: str | None = None


class MixedOptions(Settings):
    """The ``data`` options of a training configuration of the kind ``mixed``."""

    sources: Annotated[tuple[PartOptions, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> MixedOptions:
        names = self.names()
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called '{name}'")
        return self

    def names(self) -> list[str]:
        """Return the name of every source."""
        kinds = [part.kind for part in self.sources]
        names = []
        for number, part in enumerate(self.sources):
            twin = f" {kinds[:number].count(part.kind) + 1}" if kinds.count(part.kind) > 1 else ""
            names.append(part.name or part.kind + twin)
        return names


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> MixedSource:
    """Make the source of a training configuration; see `source.make_source`.

    Source number i (from 0) gets ``seed + i``, so that two simulated ones do not draw the same fields.
    """
    settings = make_settings(MixedOptions, options, where="data")
    parts: list[SampleSource] = []
    try:
        for number, part in enumerate(settings.sources):
            parts.append(make_part(part.kind, part.options, patch_px=patch_px, seed=seed + number))
        return MixedSource(parts, [part.weight for part in settings.sources], settings.names())
    except BaseException:
        for made in parts:  # their worker processes would stay
            close_source(made)
        raise


class MixedSource:
    """Samples of several sources (a `SampleSource`).

    An epoch holds every sample of every source at least once; the sources that are too small for their
    share are gone through again. So the shares are exact, up to less than one sample each, and which
    sample a number stands for depends on nothing but the sizes and the weights.

    Parameters
    ----------
    parts : sequence of SampleSource
        With the same channels and scale, and a card that tells the same frames and inputs.
    weights : sequence of float
        Above zero, one per source.
    names : sequence of str
        Distinct, one per source.

    Raises
    ------
    DataError
        The sources do not fit together, or one has no samples.
    """

    def __init__(self, parts: Sequence[SampleSource], weights: Sequence[float], names: Sequence[str]) -> None:
        self.parts, self.names, self.weights = list(parts), list(names), list(weights)
        self._descriptions = [part.describe() for part in parts]
        self._check()
        first = self.parts[0]
        self.in_channels, self.scale = first.in_channels, first.scale
        self.out_channels = int(getattr(first, "out_channels", 1))
        for name in ("patch_px", "view_channels", "output_names"):  # all alike, where a source tells them
            told = {getattr(part, name, None) for part in parts}
            if len(told) == 1 and None not in told:
                setattr(self, name, told.pop())
        # where one source needs intervals over groups, those over samples would be too short for all
        self.one_group_one_field = any(getattr(part, "one_group_one_field", False) for part in parts)
        unit = max(len(part) / weight for part, weight in zip(parts, weights, strict=True))
        counts = [
            max(len(part), ceil(weight * unit - 1e-9)) for part, weight in zip(parts, weights, strict=True)
        ]
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        """Return the samples of an epoch, repeated ones counted."""
        return int(self._ends[-1])

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the samples in the order of `indices`; the sources draw from `rng` one after another."""
        owners = np.searchsorted(self._ends, indices, side="right")
        inputs: list[torch.Tensor] = [torch.empty(0)] * len(indices)
        targets = list(inputs)
        for number in np.unique(owners):
            places = np.flatnonzero(owners == number)
            part = self.parts[number]
            start = self._ends[number - 1] if number else 0
            given = part.batch((indices[places] - start) % len(part), rng)
            for place, one, truth in zip(places, *given, strict=True):
                inputs[place], targets[place] = one, truth
        return torch.stack(inputs), torch.stack(targets)

    def start_epoch(self, epoch: int) -> None:
        """Let the sources renew their samples; an epoch is one of the mixture."""
        for part in self.parts:
            getattr(part, "start_epoch", lambda epoch: None)(epoch)

    def close(self) -> None:
        """End the processes of all sources."""
        for part in self.parts:
            close_source(part)

    def validation(self) -> Iterator[Sample]:
        """Yield the validation samples of all sources; groups begin with the source's name."""
        for name, part in zip(self.names, self.parts, strict=True):
            for inputs, targets, group in part.validation():
                yield inputs, targets, f"{name}: {group}"

    def test(self) -> Iterator[Sample]:
        """Yield the test samples of the sources that have some."""
        for name, part in zip(self.names, self.parts, strict=True):
            for inputs, targets, group in samples_of_test(part):
                yield inputs, targets, f"{name}: {group}"

    def describe(self) -> dict[str, Any]:
        """Return what each source tells; the card has what all of them say alike."""
        cards = [told.get("card", {}) for told in self._descriptions]
        card = {
            key: value
            for key, value in cards[0].items()
            if key == "normalisation" or all(other.get(key) == value for other in cards[1:])
        }
        return {
            "kind": "mixed",
            "sources": [
                {"name": name, "weight": weight, **{k: v for k, v in told.items() if k != "card"}}
                for name, weight, told in zip(self.names, self.weights, self._descriptions, strict=True)
            ],
            "card": card,
        }

    def _check(self) -> None:
        for name, part in zip(self.names, self.parts, strict=True):
            if len(part) < 1:
                raise DataError(f"the source '{name}' holds no training sample", "check its options")
            for key in ("in_channels", "out_channels", "scale"):
                wanted, given = getattr(self.parts[0], key, 1), getattr(part, key, 1)
                if wanted != given:
                    raise _misfit(f"{key} {wanted}", self.names[0], f"{given}", name)
        first = _meaning(self._descriptions[0])
        for name, told in zip(self.names[1:], self._descriptions[1:], strict=True):
            for key, value in _meaning(told).items():
                if value != first[key]:
                    raise _misfit(f"{key} {first[key]}", self.names[0], f"{value}", name)
        scalings = [told.get("card", {}).get("normalisation") for told in self._descriptions]
        if any(scaling != scalings[0] for scaling in scalings[1:]):
            logger.warning(
                "the sources are normalised by different constants; the model's card gets those of '%s'",
                self.names[0],
            )


def _meaning(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one model cannot have in two ways: frames, inputs, outputs, kind of normalisation."""
    card = told.get("card", {})
    inputs = {key: value for key, value in card.get("input", {}).items() if key != "light"}
    normalisation = card.get("normalisation", {}).get("kind")
    return {
        "frames": card.get("frames"),
        "input": inputs,
        "outputs": card.get("outputs"),
        "normalisation": normalisation,
    }


def _misfit(wanted: str, first: str, given: str, name: str) -> DataError:
    return DataError(
        f"the sources do not fit together: '{first}' has {wanted}, '{name}' has {given}",
        "give all sources options that make the same inputs and targets",
    )
