"""Training pairs from the simulator: fields are made once or renewed as training goes, batches cut from them.

Input: the channels of `datasets.inputs`, with patterns that are slightly wrong, as fitted ones are. Targets:
see `datasets.simulated_field`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dlsim_ij.config import Settings, did_you_mean, make_settings
from dlsim_ij.datasets.inputs import input_kind, input_kinds, turn
from dlsim_ij.datasets.pool import FieldPool, Sample
from dlsim_ij.datasets.simulated_field import draw_object, expose, pattern_error_of, random_optics
from dlsim_ij.errors import DataError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import STRUCTURES, random_conditions

_BORDER_PX = 8  # native pixels at a field's border that no training patch touches
_VALIDATION_SEED, _TEST_SEED = 987_654_321, 123_456_789  # far from any training field

Fraction = Annotated[float, Field(ge=0, le=1)]


class FieldOptions(Settings):
    """What all sources of simulated fields are told.

    Attributes
    ----------
    inputs : {"wiener-channels", "three-frames"}
        What the network sees, see `datasets.inputs`.
    targets : list of {"wiener", "object"}
        What it is to make of it, one image each, see `datasets.simulated_field`.
    fields : int
        Fields in the pool; each is exposed once per entry of `photons`.
    field_px : int
        Side of a field, in native pixels.
    photons : list of (float, float)
        Ranges of the light level, in photo-electrons at the 99.5 % level of the wide-field image.
    structures : list of str
        Drawn in turn.
    mixtures : float
        Fraction of fields with a second structure among the first.
    renew_epochs : int, optional
        Every field is replaced by a new one after so many epochs; not given: never.
    workers : int
        Processes that make fields; the fields do not depend on it.
    validation_photons, validation_fields
        Light levels, and fields per structure and level.
    test_fields : int
        Fields per structure and level of the table at the end of a run.
    """

    inputs: str = "wiener-channels"
    targets: tuple[Literal["wiener", "object"], ...] = ("wiener",)
    fields: PositiveInt = 1000
    field_px: Annotated[int, Field(ge=64, multiple_of=16)] = 128
    photons: tuple[tuple[PositiveFloat, PositiveFloat], ...] = ((30.0, 1000.0), (1.2, 30.0))
    structures: tuple[str, ...] = tuple(STRUCTURES)
    mixtures: Fraction = 0.0
    renew_epochs: PositiveInt | None = None
    workers: PositiveInt = 1
    validation_photons: tuple[PositiveFloat, ...] = (300.0, 3.0)
    validation_fields: PositiveInt = 2
    test_fields: PositiveInt = 4

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.inputs not in input_kinds():
            hint = did_you_mean(self.inputs, input_kinds())
            raise ValueError(f"no kind of network input is called '{self.inputs}', {hint}")
        for name in self.structures:
            if name not in STRUCTURES:
                raise ValueError(f"no structure is called '{name}', {did_you_mean(name, STRUCTURES)}")
        if not self.structures or not self.photons or any(low > high for low, high in self.photons):
            raise ValueError("at least one structure and one range of photons (low, high) are needed")
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ValueError("at least one target is needed, and each once")
        return self


class SimulatedOptions(FieldOptions):
    """The ``data`` options of a training configuration of the kind ``simulated``.

    Attributes
    ----------
    like_paper : float
        Fraction with the paper's periods and camera.
    three_phases : float
        Fraction of two-beam acquisitions with 3 phases; the others are three-beam with 5.
    other_optics : float
        Fraction with another aperture, wavelength and pixel than the paper's.
    """

    like_paper: Fraction = 0.5
    three_phases: Fraction = 0.0
    other_optics: Fraction = 0.0


Options = TypeVar("Options", bound=FieldOptions)
Draw = Callable[[str, Sequence[tuple[float, float]], Options, np.random.Generator], list[Sample]]


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> SimulatedPairs:
    """Make the source of a training configuration; see `source.make_source`."""
    return SimulatedPairs(
        make_settings(SimulatedOptions, options, where="data"), patch_px=patch_px, seed=seed
    )


class FieldPairs(Generic[Options]):
    """Samples cut from fields (all of a `SampleSource` but `describe`).

    Parameters
    ----------
    options : FieldOptions
        What to simulate.
    patch_px : int
        Side of a training input, in native pixels.
    seed : int
        Seed of the fields.
    draw : callable
        ``draw(structure, photons, options, rng)`` gives one sample of a field for each range of photons; it
        can be pickled.
    """

    scale = 2

    def __init__(self, options: Options, *, patch_px: int, seed: int, draw: Draw[Options]) -> None:
        largest = options.field_px - 2 * _BORDER_PX
        if patch_px > largest:
            raise DataError(
                f"patches of {patch_px} px do not fit into fields of {options.field_px} px",
                f"set patch_px to {largest} or less, or make field_px larger",
            )
        self.options, self._draw = options, draw
        self.patch_px = patch_px
        self.seed = seed
        self.kind = input_kind(options.inputs)
        self.in_channels = self.kind.channels
        self.out_channels = len(options.targets)
        self.output_names = options.targets
        self._pool = FieldPool(
            partial(_make_field, draw, options, seed),
            options.fields,
            renew_epochs=options.renew_epochs,
            workers=options.workers,
        )

    def __len__(self) -> int:
        return len(self._pool)

    def start_epoch(self, epoch: int) -> None:
        """Renew what is to be renewed before that epoch."""
        self._pool.start_epoch(epoch)

    def close(self) -> None:
        """End the processes that make fields."""
        self._pool.close()

    def batch(
        self, indices: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return random crops, turned and mirrored: the channels hold no pattern that would object."""
        side = self.patch_px
        last = self.options.field_px - _BORDER_PX - side
        inputs = np.empty((len(indices), self.in_channels, side, side), dtype=np.float32)
        targets = np.empty((len(indices), self.out_channels, 2 * side, 2 * side), dtype=np.float32)
        for row, index in enumerate(indices):
            y, x = rng.integers(_BORDER_PX, last + 1, 2)
            turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
            channels = self._pool.inputs[index][:, y : y + side, x : x + side]
            target = self._pool.targets[index][:, 2 * y : 2 * (y + side), 2 * x : 2 * (x + side)]
            inputs[row] = self.kind.turn(channels, turns, mirrored)
            targets[row] = turn(target, turns, mirrored)
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def validation(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield whole fields of every structure at every light level; none is ever trained on."""
        yield from self._held_out(_VALIDATION_SEED, self.options.validation_fields)

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield fields as `validation` does, others, for the table at the end: nothing was chosen by them."""
        yield from self._held_out(_TEST_SEED, self.options.test_fields)

    def options_held_out(self) -> Options:
        """Return the options of fields that are never trained on."""
        return self.options

    def _held_out(self, seed: int, fields: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        inside = slice(_BORDER_PX, self.options.field_px - _BORDER_PX)
        doubled = slice(2 * _BORDER_PX, 2 * (self.options.field_px - _BORDER_PX))
        options, number = self.options_held_out(), 0
        for structure in self.options.structures:
            for photons in self.options.validation_photons:
                for _ in range(fields):
                    number += 1
                    rng = np.random.default_rng([seed, number])
                    ((channels, target),) = self._draw(structure, [(photons, photons)], options, rng)
                    yield (
                        torch.from_numpy(channels[None, :, inside, inside].astype(np.float32)),
                        torch.from_numpy(target[None, :, doubled, doubled].astype(np.float32)),
                        f"{structure}, {photons:g} photons",
                    )


class SimulatedPairs(FieldPairs[SimulatedOptions]):
    """Samples of the simulator's own microscopes; see `FieldPairs`."""

    def __init__(self, options: SimulatedOptions, *, patch_px: int, seed: int) -> None:
        super().__init__(options, patch_px=patch_px, seed=seed, draw=_sample)

    def describe(self) -> dict[str, Any]:
        """Return the recipe, and what a user of the model must know."""
        optics = Optics()
        phases = [5] * (self.options.three_phases < 1) + [3] * (self.options.three_phases > 0)
        step = phases[0] if self.kind.one_per_angle else 1
        return {
            "kind": "simulated",
            "seed": self.seed,
            **self.options.model_dump(mode="json", exclude={"workers"}),
            "card": {
                "frames": {"total": 3 * phases[0], "selection": list(range(0, 3 * phases[0], step))},
                "input": {"kind": self.options.inputs, "n_angles": 3, "n_phases": phases},
                "outputs": list(self.options.targets),
                "normalisation": {"kind": "robust"},
                "pixel_size_um": optics.pixel_size_um,
                "optics": {"na": optics.na, "emission_nm": optics.emission_nm},
            },
        }


def _make_field(
    draw: Draw[Options], options: Options, seed: int, number: int, generation: int
) -> list[Sample]:
    rng = np.random.default_rng([seed, number, generation] if generation else [seed, number])
    structure = options.structures[number % len(options.structures)]
    return draw(structure, options.photons, options, rng)


def _sample(
    structure: str,
    photons: Sequence[tuple[float, float]],
    options: SimulatedOptions,
    rng: np.random.Generator,
) -> list[Sample]:
    """Draw one object under one pattern and expose it at every light level."""
    optics = random_optics(rng) if rng.random() < options.other_optics else Optics()
    n_phases = 3 if rng.random() < options.three_phases else 5
    grid_um = optics.pixel_size_um / 2
    density = draw_object(
        structure, options.field_px, grid_um, rng, others=options.structures, mixtures=options.mixtures
    )
    haze = draw_object(structure, options.field_px, grid_um, rng)
    conditions = random_conditions(
        rng, optics=optics, photons=photons[0], n_phases=n_phases, like_paper=options.like_paper
    )
    return expose(
        density,
        haze,
        conditions,
        [float(np.exp(rng.uniform(*np.log(level)))) for level in photons],
        rng,
        inputs=options.inputs,
        targets=options.targets,
        pattern_error=pattern_error_of(options.inputs),
    )
