"""Training pairs of blinking samples: five frames, and the SRRF image of the 200 they are from.

A pool of fields is simulated once; every field gives several groups of five consecutive frames, which
share its target. Input: `blinking_inputs`. Target: SRRF of all frames above their background, times the
mean brightness of the five over that of all (see `brightness_of`), in the units of the input.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from dlsim_ij.config import Settings, did_you_mean, make_settings
from dlsim_ij.datasets.blinking_fields import (
    FRAMES_OF_TRUTH,
    brightness_of,
    group_starts,
    make_field,
    with_hot_pixels,
)
from dlsim_ij.datasets.blinking_inputs import (
    MAGNIFICATION,
    N_CHANNELS,
    N_FRAMES,
    SRRF_UNIT,
    normalised_signal,
    radiality_image,
    stack_channels,
)
from dlsim_ij.errors import DataError
from dlsim_ij.simulation import STRUCTURES

FloatArray = NDArray[np.floating]

_BORDER_PX = (
    4  # camera pixels at a field's border that no training patch touches: SRRF lacks neighbours there
)
_HOT_FRACTION = 5e-4
_VALIDATION_SEED = 987_654_321  # far from any training field
_MOST_GROUPS = FRAMES_OF_TRUTH // N_FRAMES


class BlinkingOptions(Settings):
    """The ``data`` options of a training configuration of the kind ``blinking``.

    Attributes
    ----------
    fields : int
        Fields in the pool.
    groups : int
        Groups of five frames that are taken from each.
    field_px : int
        Side of a field, in camera pixels.
    structures : list of str
        Drawn in turn.
    mixtures : float
        Fraction of fields with a second structure over the first.
    hot_pixels : float
        Fraction of fields with hot pixels in the frames (never in the target).
    workers : int
        Processes that make the pool; the fields do not depend on it.
    validation_fields : int
        Per structure.
    """

    fields: PositiveInt = 480
    groups: Annotated[int, Field(ge=1, le=_MOST_GROUPS)] = 8
    field_px: Annotated[int, Field(ge=24)] = 64
    structures: tuple[str, ...] = ("microtubules", "mitochondria", "adhesions", "actin")
    mixtures: Annotated[float, Field(ge=0, le=1)] = 0.25
    hot_pixels: Annotated[float, Field(ge=0, le=1)] = 0.25
    workers: PositiveInt = 1
    validation_fields: PositiveInt = 2

    @model_validator(mode="after")
    def _known(self) -> BlinkingOptions:
        for name in self.structures:
            if name not in STRUCTURES:
                raise ValueError(f"no structure is called '{name}', {did_you_mean(name, STRUCTURES)}")
        if not self.structures:
            raise ValueError("at least one structure is needed")
        return self


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> BlinkingPairs:
    """Make the source of a training configuration; see `source.make_source`."""
    return BlinkingPairs(make_settings(BlinkingOptions, options, where="data"), patch_px=patch_px, seed=seed)


class BlinkingPairs:
    """Samples cut from simulated blinking fields (a `SampleSource`).

    Parameters
    ----------
    options : BlinkingOptions
        What to simulate.
    patch_px : int
        Side of a training input, in camera pixels.
    seed : int
        Seed of the fields.
    """

    in_channels = N_CHANNELS
    scale = MAGNIFICATION
    view_channels = (N_CHANNELS - 2,)  # the mean frame

    def __init__(self, options: BlinkingOptions, *, patch_px: int, seed: int) -> None:
        largest = options.field_px - 2 * _BORDER_PX
        if patch_px > largest:
            raise DataError(
                f"patches of {patch_px} px do not fit into fields of {options.field_px} px",
                f"set patch_px to {largest} or less, or make field_px larger",
            )
        self.options = options
        self.patch_px = patch_px
        self.seed = seed
        side, fine = options.field_px, MAGNIFICATION * options.field_px
        samples = options.fields * options.groups
        # float16 holds what the noise leaves meaningful, at half the memory
        self._frames = np.empty((samples, N_FRAMES, side, side), dtype=np.float16)
        self._images = np.empty((samples, fine, fine), dtype=np.float16)
        self._truths = np.empty((options.fields, fine, fine), dtype=np.float16)
        self._factors = np.empty(samples, dtype=np.float32)
        self._held_out: list[tuple[torch.Tensor, torch.Tensor, str]] = []
        self._fill()

    def _fill(self) -> None:
        options = self.options
        jobs = [(options, self.seed, number) for number in range(options.fields)]
        if options.workers == 1:
            self._collect(map(_make_samples, jobs))
            return
        spawn = multiprocessing.get_context("spawn")  # a fork would copy a running JVM's locks
        with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
            self._collect(pool.map(_make_samples, jobs, chunksize=4))

    def _collect(self, made: Iterable[_Samples]) -> None:
        groups = self.options.groups
        for number, (frames, images, factors, truth) in enumerate(made):
            own = slice(number * groups, (number + 1) * groups)
            self._frames[own], self._images[own], self._factors[own] = frames, images, factors
            self._truths[number] = truth

    def __len__(self) -> int:
        return len(self._frames)

    def batch(
        self, indices: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return random crops, turned and mirrored, their frames in random order."""
        side, fine = self.patch_px, MAGNIFICATION * self.patch_px
        last = self.options.field_px - _BORDER_PX - side
        inputs = np.empty((len(indices), N_CHANNELS, side, side), dtype=np.float32)
        targets = np.empty((len(indices), 1, fine, fine), dtype=np.float32)
        for row, index in enumerate(indices):
            y, x = rng.integers(_BORDER_PX, last + 1, 2)
            turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
            order = rng.permutation(N_FRAMES)
            coarse_cut = np.s_[..., y : y + side, x : x + side]
            top, left = MAGNIFICATION * y, MAGNIFICATION * x
            fine_cut = np.s_[top : top + fine, left : left + fine]
            frames = self._frames[index][order][coarse_cut].astype(np.float32)
            image = self._images[index][fine_cut].astype(np.float32)
            inputs[row] = stack_channels(_turn(frames, turns, mirrored), _turn(image, turns, mirrored))
            truth = self._truths[index // self.options.groups][fine_cut].astype(np.float32)
            targets[row, 0] = _turn(truth, turns, mirrored) * self._factors[index]
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def validation(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield one group of each of some fields of every structure; none is ever trained on."""
        if not self._held_out:  # 200 frames each: made once, when they are first asked for
            self._held_out = list(self._make_held_out())
        yield from self._held_out

    def _make_held_out(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        # sides that the network can halve three times
        inner = (self.options.field_px - 2 * _BORDER_PX) // 8 * 8
        coarse = slice(_BORDER_PX, _BORDER_PX + inner)
        fine = slice(MAGNIFICATION * _BORDER_PX, MAGNIFICATION * (_BORDER_PX + inner))
        one = self.options.model_copy(update={"groups": 1, "mixtures": 0.0, "hot_pixels": 0.0})
        for place, structure in enumerate(one.structures):
            for number in range(one.validation_fields):
                rng = np.random.default_rng([_VALIDATION_SEED, place, number])
                frames, images, factors, truth = _samples(structure, one, rng)
                order = np.argsort(frames[0].mean(axis=(1, 2)), kind="stable")
                channels = stack_channels(frames[0][order], images[0])[:, coarse, coarse]
                target = (truth * factors[0])[fine, fine]
                yield torch.from_numpy(channels[None]), torch.from_numpy(target[None, None]), structure

    def describe(self) -> dict[str, Any]:
        """Return the recipe, and what a user of the model must know."""
        return {
            "kind": "blinking",
            "seed": self.seed,
            **self.options.model_dump(mode="json", exclude={"workers"}),
            "card": {
                "frames": {"total": N_FRAMES, "selection": list(range(N_FRAMES)), "order": "any"},
                "input": {"kind": "srrf-channels", "n_frames": N_FRAMES, "magnification": MAGNIFICATION},
                "normalisation": {"kind": "robust"},
            },
        }


_Samples = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def _make_samples(job: tuple[BlinkingOptions, int, int]) -> _Samples:
    options, seed, number = job
    structure = options.structures[number % len(options.structures)]
    return _samples(structure, options, np.random.default_rng([seed, number]))


def _samples(structure: str, options: BlinkingOptions, rng: np.random.Generator) -> _Samples:
    """Return frames (groups, 5, Y, X), their SRRF images, factors (groups,) and the truth they scale.

    Frames and images are normalised; truth times factor is the target of a group.
    """
    field = make_field(structure, options.field_px, rng, mixtures=options.mixtures)
    raw = field.raw
    if rng.random() < options.hot_pixels:
        raw = with_hot_pixels(raw, _HOT_FRACTION, rng)
    signals, images, factors = [], [], []
    for start in group_starts(options.groups, rng):
        few = slice(start, start + N_FRAMES)
        signal, scaling = normalised_signal(raw[few])
        signals.append(signal)
        images.append(radiality_image(signal, threads=1))
        relative = brightness_of(field.raw[few], field.raw)
        factors.append(relative * field.scaling.scale / (scaling.scale * SRRF_UNIT))
    truth = field.truth / np.float32(field.scaling.scale)  # in a range that float16 resolves
    return np.stack(signals), np.stack(images), np.array(factors, dtype=np.float32), truth


def _turn(image: FloatArray, turns: int, mirrored: bool) -> FloatArray:
    turned = np.rot90(image, turns, axes=(-2, -1))
    return turned[..., ::-1] if mirrored else turned
