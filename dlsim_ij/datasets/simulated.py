"""Training pairs from the simulator: a pool of fields is made once, batches are cut from it.

Input: the channels of `inputs.network_inputs`, with patterns that are slightly wrong, as fitted ones
are. Target: the sharp Wiener filter on the frames without noise, under the true patterns (what a good
microscope's own software makes of a bright acquisition), or the object itself under the ideal SIM
transfer.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dlsim_ij.acquisition.pattern_fit import CLEAR_PEAK
from dlsim_ij.config import Settings, did_you_mean, make_settings
from dlsim_ij.datasets.inputs import network_inputs
from dlsim_ij.errors import DataError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.reconstruction import CHANNELS_PER_STACK, wiener_sim
from dlsim_ij.reconstruction.channels import unshuffle
from dlsim_ij.simulation import STRUCTURES, SimulatedStack, draw_structure, random_conditions, simulate_sim

FloatArray = NDArray[np.floating]

_BORDER_PX = 8  # native pixels at a field's border that no training patch touches
_VALIDATION_SEED = 987_654_321  # far from any training field


class SimulatedOptions(Settings):
    """The ``data`` options of a training configuration of the kind ``simulated``.

    Attributes
    ----------
    fields : int
        Fields in the pool; each is exposed once per entry of `photons`.
    field_px : int
        Side of a field, in native pixels.
    photons : list of (float, float)
        Ranges of the light level, in photo-electrons at the 99.5 % level of the wide-field image.
    structures : list of str
        Drawn in turn.
    like_paper : float
        Fraction with the paper's periods and camera.
    target : {"wiener", "object"}
        See the module.
    workers : int
        Processes that make the pool; the fields do not depend on it.
    validation_photons, validation_fields
        Light levels, and fields per structure and level.
    """

    fields: PositiveInt = 1000
    field_px: Annotated[int, Field(ge=64, multiple_of=16)] = 128
    photons: tuple[tuple[PositiveFloat, PositiveFloat], ...] = ((30.0, 1000.0), (1.2, 30.0))
    structures: tuple[str, ...] = tuple(STRUCTURES)
    like_paper: Annotated[float, Field(ge=0, le=1)] = 0.5
    target: Literal["wiener", "object"] = "wiener"
    workers: PositiveInt = 1
    validation_photons: tuple[PositiveFloat, ...] = (300.0, 3.0)
    validation_fields: PositiveInt = 2

    @model_validator(mode="after")
    def _known(self) -> SimulatedOptions:
        for name in self.structures:
            if name not in STRUCTURES:
                raise ValueError(f"no structure is called '{name}', {did_you_mean(name, STRUCTURES)}")
        if not self.structures or not self.photons or any(low > high for low, high in self.photons):
            raise ValueError("at least one structure and one range of photons (low, high) are needed")
        return self


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> SimulatedPairs:
    """Make the source of a training configuration; see `source.make_source`."""
    return SimulatedPairs(
        make_settings(SimulatedOptions, options, where="data"), patch_px=patch_px, seed=seed
    )


class SimulatedPairs:
    """Samples cut from simulated fields (a `SampleSource`).

    Parameters
    ----------
    options : SimulatedOptions
        What to simulate.
    patch_px : int
        Side of a training input, in native pixels.
    seed : int
        Seed of the fields.
    """

    in_channels = CHANNELS_PER_STACK
    scale = 2

    def __init__(self, options: SimulatedOptions, *, patch_px: int, seed: int) -> None:
        largest = options.field_px - 2 * _BORDER_PX
        if patch_px > largest:
            raise DataError(
                f"patches of {patch_px} px do not fit into fields of {options.field_px} px",
                f"set patch_px to {largest} or less, or make field_px larger",
            )
        self.options = options
        self.patch_px = patch_px
        self.seed = seed
        self._inputs, self._targets = _make_pool(options, seed)

    def __len__(self) -> int:
        return len(self._inputs)

    def batch(
        self, indices: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return random crops, turned and mirrored: the channels hold no pattern that would object."""
        side = self.patch_px
        last = self.options.field_px - _BORDER_PX - side
        inputs = np.empty((len(indices), CHANNELS_PER_STACK, side, side), dtype=np.float32)
        targets = np.empty((len(indices), 1, 2 * side, 2 * side), dtype=np.float32)
        for row, index in enumerate(indices):
            y, x = rng.integers(_BORDER_PX, last + 1, 2)
            turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
            channels = self._inputs[index][:, y : y + side, x : x + side]
            target = self._targets[index][2 * y : 2 * (y + side), 2 * x : 2 * (x + side)]
            inputs[row] = turn_channels(channels, turns, mirrored)
            targets[row, 0] = _turn(target, turns, mirrored)
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def validation(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield whole fields of every structure at every light level; none is ever trained on."""
        number = 0
        for structure in self.options.structures:
            for photons in self.options.validation_photons:
                for _ in range(self.options.validation_fields):
                    number += 1
                    rng = np.random.default_rng([_VALIDATION_SEED, number])
                    channels, target = _sample(structure, (photons, photons), self.options, rng, None)[0]
                    inside = slice(_BORDER_PX, self.options.field_px - _BORDER_PX)
                    doubled = slice(2 * _BORDER_PX, 2 * (self.options.field_px - _BORDER_PX))
                    yield (
                        torch.from_numpy(channels[None, :, inside, inside].astype(np.float32)),
                        torch.from_numpy(target[None, None, doubled, doubled].astype(np.float32)),
                        f"{structure}, {photons:g} photons",
                    )

    def describe(self) -> dict[str, Any]:
        """Return the recipe, and what a user of the model must know."""
        optics = Optics()
        return {
            "kind": "simulated",
            "seed": self.seed,
            **self.options.model_dump(mode="json", exclude={"workers"}),
            "card": {
                "frames": {"total": 15, "selection": list(range(15))},
                "input": {"kind": "wiener-channels", "n_angles": 3},
                "normalisation": {"kind": "robust"},
                "pixel_size_um": optics.pixel_size_um,
                "optics": {"na": optics.na, "emission_nm": optics.emission_nm},
            },
        }


def turn_channels(channels: FloatArray, turns: int, mirrored: bool) -> FloatArray:
    """Turn and mirror the channels of `wiener_channels`; the sub-grids of the Wiener images change places."""
    turned = np.empty_like(channels)
    height, width = channels.shape[1:]
    for start in (0, 4):
        image = channels[start : start + 4].reshape(2, 2, height, width).transpose(2, 0, 3, 1)
        turned[start : start + 4] = unshuffle(_turn(image.reshape(2 * height, 2 * width), turns, mirrored))
    turned[8:] = _turn(channels[8:], turns, mirrored)
    return turned


def _turn(image: FloatArray, turns: int, mirrored: bool) -> FloatArray:
    turned = np.rot90(image, turns, axes=(-2, -1))
    return turned[..., ::-1] if mirrored else turned


def _make_pool(options: SimulatedOptions, seed: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Make all fields; float16 holds what the noise leaves meaningful, at half the memory."""
    side, exposures = options.field_px, len(options.photons)
    inputs = np.empty((options.fields * exposures, CHANNELS_PER_STACK, side, side), dtype=np.float16)
    targets = np.empty((options.fields * exposures, 2 * side, 2 * side), dtype=np.float16)
    jobs = [(options, seed, number) for number in range(options.fields)]
    if options.workers == 1:
        made = map(_make_field, jobs)
        _collect(made, inputs, targets, exposures)
    else:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy a running JVM's locks
        with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
            _collect(pool.map(_make_field, jobs, chunksize=8), inputs, targets, exposures)
    return inputs, targets


def _collect(made: Any, inputs: NDArray[np.float16], targets: NDArray[np.float16], exposures: int) -> None:
    for number, pairs in enumerate(made):
        for exposure, (channels, target) in enumerate(pairs):
            inputs[number * exposures + exposure] = channels
            targets[number * exposures + exposure] = target


def _make_field(job: tuple[SimulatedOptions, int, int]) -> list[tuple[FloatArray, FloatArray]]:
    options, seed, number = job
    rng = np.random.default_rng([seed, number])
    structure = options.structures[number % len(options.structures)]
    first, *others = options.photons
    return _sample(structure, first, options, rng, others)


def _sample(
    structure: str,
    photons: tuple[float, float],
    options: SimulatedOptions,
    rng: np.random.Generator,
    others: list[tuple[float, float]] | None,
) -> list[tuple[FloatArray, FloatArray]]:
    """Draw one object under one pattern and expose it at every light level."""
    optics = Optics()
    fine = 2 * options.field_px
    grid_um = optics.pixel_size_um / 2
    density = draw_structure(structure, (fine, fine), grid_um, rng)
    haze_density = draw_structure(structure, (fine, fine), grid_um, rng)
    conditions = random_conditions(rng, optics=optics, photons=photons, like_paper=options.like_paper)
    pairs = []
    for level in [photons, *(others or [])]:
        electrons = float(np.exp(rng.uniform(*np.log(level))))
        exposed = dataclasses.replace(conditions, photons=electrons)
        stack = simulate_sim(density, exposed, rng, haze_density=haze_density)
        pairs.append(_pair(stack, optics, options.target, rng))
    return pairs


def _pair(
    stack: SimulatedStack, optics: Optics, target: str, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    conditions = stack.conditions
    patterns = [_as_fitted(p, conditions.photons, rng) for p in conditions.patterns]
    channels, scaling = network_inputs(stack.raw, patterns, optics)
    gain, offset = conditions.camera.gain_adu_per_electron, conditions.camera.offset_adu
    if target == "object":
        return channels, stack.object * np.float32(gain / scaling.scale)
    brightness = np.array(conditions.intensity, dtype=np.float32)[:, None, None]
    clean = stack.electrons / brightness * np.float32(gain) + np.float32(offset)
    clean = (clean - np.float32(scaling.offset)) / np.float32(scaling.scale)
    return channels, wiener_sim(clean, conditions.patterns, optics)


def _as_fitted(pattern: Pattern, photons: float, rng: np.random.Generator) -> Pattern:
    """Return the pattern as a fit would give it: nearly right, with equal phase steps.

    The spreads are those of `fit_patterns` on simulated fields of this size; in the dark, where order
    2 has no clear peak, its phase follows order 1.
    """
    dark = photons < 4 * CLEAR_PEAK
    first = pattern.phases_rad[0] + float(np.mean(pattern.steps_rad) - np.mean(equal_steps(5)))
    first += rng.normal(0, 0.08 if dark else 0.04)
    second = 2 * first if dark else pattern.phases_rad[1] + rng.normal(0, 0.08)
    y, x = pattern.frequency_px
    spread = 3e-4 if dark else 1e-4
    return dataclasses.replace(
        pattern,
        frequency_px=(y + rng.normal(0, spread), x + rng.normal(0, spread)),
        phases_rad=(first, second),
        steps_rad=equal_steps(len(pattern.steps_rad)),
    )
