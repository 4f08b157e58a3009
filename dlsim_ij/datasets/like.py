"""Training pairs like a user's own stacks: simulated under conditions that were fitted to them.

The fitted conditions are a JSON file, beside it, if there are any, the scenes of the stacks; so a training is
repeated without the raw files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveInt

import dlsim_ij
from dlsim_ij.config import make_settings
from dlsim_ij.datasets.pool import Sample
from dlsim_ij.datasets.simulated import FieldOptions, FieldPairs, Fraction
from dlsim_ij.datasets.simulated_field import draw_object, expose, pattern_error_of
from dlsim_ij.errors import DataError, DlsimError
from dlsim_ij.files import atomic_path, write_json
from dlsim_ij.results import Result
from dlsim_ij.simulation import Conditions, Spread, conditions_from_dict, draw_around

FloatArray = NDArray[np.floating]

_VERSION = 1
_PROOF_SEED = 55_555_333  # no training, validation or test has it


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStack(Result):
    """What was fitted to one stack, how sure it is, and what had to be assumed."""

    conditions: Conditions
    spread: Spread
    assumed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "conditions": self.conditions.to_dict(),
            "spread": self.spread.model_dump(mode="json"),
            "assumed": list(self.assumed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStacks(Result):
    """The stacks of one microscope.

    Attributes
    ----------
    stacks : tuple of FittedStack
        All of one layout and one pixel size.
    scenes : tuple of (2Y, 2X) float32 ndarray
        Objects with the layout of the stacks' own, see `shrunk_scene`; may be empty.
    """

    stacks: tuple[FittedStack, ...]
    scenes: tuple[FloatArray, ...] = field(default=(), repr=False, compare=False)

    @property
    def n_phases(self) -> int:
        """Phases per angle."""
        return len(self.stacks[0].conditions.patterns[0].steps_rad)

    @property
    def n_angles(self) -> int:
        """Number of angles."""
        return len(self.stacks[0].conditions.patterns)


class LikeOptions(FieldOptions):
    """The ``data`` options of a training configuration of the kind ``like``.

    Attributes
    ----------
    like : str
        File of fitted conditions, from ``dlsim train --like``.
    scenes : float
        Fraction of fields whose object is a scene of the stacks.
    proof_fields : int
        Fields per structure and light level (`validation_photons`) of the proof.
    """

    like: str
    scenes: Fraction = 0.0
    proof_fields: PositiveInt = 6


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> LikePairs:
    """Make the source of a training configuration; see `source.make_source`."""
    return LikePairs(make_settings(LikeOptions, options, where="data"), patch_px=patch_px, seed=seed)


class LikePairs(FieldPairs[LikeOptions]):
    """Samples like a user's stacks; see `FieldPairs`.

    Raises
    ------
    DataError
        The file of fitted conditions is missing or damaged.
    """

    def __init__(self, options: LikeOptions, *, patch_px: int, seed: int) -> None:
        self.fitted = read_fitted(options.like)
        super().__init__(options, patch_px=patch_px, seed=seed, draw=_sample)

    def options_held_out(self) -> LikeOptions:
        """Return the options without the scenes, which training has seen."""
        return self.options.model_copy(update={"scenes": 0.0})

    def proof(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield fields as `validation` does, others again, on which two models are compared."""
        yield from self._held_out(_PROOF_SEED, self.options.proof_fields)

    def describe(self) -> dict[str, Any]:
        """Return the recipe, and what a user of the model must know."""
        n_angles, n_phases = self.fitted.n_angles, self.fitted.n_phases
        total = n_angles * n_phases
        optics = self.fitted.stacks[0].conditions.optics
        return {
            "kind": "like",
            "seed": self.seed,
            **self.options.model_dump(mode="json", exclude={"workers", "like"}),
            "fitted": [stack.to_dict() for stack in self.fitted.stacks],
            "card": {
                "frames": {"total": total, "selection": list(range(total))},
                "input": {"kind": self.options.inputs, "n_angles": n_angles, "n_phases": [n_phases]},
                "outputs": list(self.options.targets),
                "normalisation": {"kind": "robust"},
                "pixel_size_um": optics.pixel_size_um,
                "optics": {"na": optics.na, "emission_nm": optics.emission_nm},
            },
        }


def write_fitted(path: Path, fitted: FittedStacks) -> None:
    """Write fitted conditions, and the scenes beside them as ``<stem>_scenes.npz``."""
    scenes = path.with_name(f"{path.stem}_scenes.npz") if fitted.scenes else None
    if scenes is not None:
        with atomic_path(scenes) as temporary:
            np.savez(temporary, *(scene.astype(np.float16) for scene in fitted.scenes))
    content = {
        "format_version": _VERSION,
        "dlsim_ij": dlsim_ij.__version__,
        "stacks": [stack.to_dict() for stack in fitted.stacks],
        "scenes": None if scenes is None else scenes.name,
    }
    write_json(path, content)


@lru_cache(maxsize=4)  # every field asks for it
def read_fitted(path: str) -> FittedStacks:
    """Read what `write_fitted` wrote.

    Raises
    ------
    DataError
        The file, or that of the scenes, is missing or damaged.
    """
    file = Path(path)
    hint = "give the JSON file that dlsim train --like wrote into its folder"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the fitted conditions {file} cannot be read: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON", hint) from error
    if not isinstance(content, dict) or content.get("format_version") != _VERSION:
        raise DataError(f"{file} holds no fitted conditions of this version", hint)
    entries = content.get("stacks")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{file} holds no stacks", hint)
    stacks = tuple(_stack(entry, f"{file}: stack {n}") for n, entry in enumerate(entries, start=1))
    first = stacks[0].conditions
    layout = [len(p.steps_rad) for p in first.patterns]
    for number, stack in enumerate(stacks, start=1):
        own = stack.conditions
        shape = [len(angle) for angle in stack.spread.modulation]
        if [len(p.steps_rad) for p in own.patterns] != layout or own.optics != first.optics:
            raise DataError(f"{file}: stack {number} is not of the same layout and optics as the first", hint)
        if shape != [p.orders for p in own.patterns]:
            raise DataError(f"{file}: stack {number} has a spread that does not fit its patterns", hint)
    return FittedStacks(stacks=stacks, scenes=_scenes(file, content.get("scenes")))


def _stack(entry: Any, where: str) -> FittedStack:
    if not isinstance(entry, dict) or not {"conditions", "spread"} <= entry.keys():
        raise DataError(f"{where} has no conditions with their spread", "compare with a file dlsim wrote")
    try:
        return FittedStack(
            conditions=conditions_from_dict(entry["conditions"]),
            spread=make_settings(Spread, entry["spread"], where="its spread"),
            assumed=tuple(str(sentence) for sentence in entry.get("assumed", ())),
        )
    except (DlsimError, TypeError, AttributeError) as error:
        told = error.message if isinstance(error, DlsimError) else "its parts are of another kind"
        raise DataError(f"{where}: {told}", "compare with a file dlsim wrote") from error


def _scenes(file: Path, name: Any) -> tuple[FloatArray, ...]:
    if name is None:
        return ()
    path = file.with_name(str(name))
    try:
        with np.load(path, allow_pickle=False) as content:
            return tuple(content[key].astype(np.float32) for key in content.files)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"the scenes {path} cannot be read", "copy them beside the JSON file, or set its 'scenes' to null"
        ) from error


def shrunk_scene(density: FloatArray) -> FloatArray:
    """Return a scene at half its size, four times, mirrored: as fine as its microscope does not show it.

    A reconstruction is blurred. Taken as the object it would teach that objects are, so it is made half as
    large first (as Shocher et al. 2018, doi 10.1109/CVPR.2018.00329, train on an image's own smaller copies).

    Parameters
    ----------
    density : (2Y, 2X) ndarray
        From `scene_of`; even sides.

    Returns
    -------
    (2Y, 2X) float32 ndarray
        Without a step at its border; mean 1.
    """
    height, width = density.shape
    small = density.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float64)
    rows = np.concatenate([small, small[::-1]])
    whole = np.concatenate([rows, rows[:, ::-1]], axis=1)
    return (whole / max(float(whole.mean()), 1e-12)).astype(np.float32)


def _sample(
    structure: str, photons: Sequence[tuple[float, float]], options: LikeOptions, rng: np.random.Generator
) -> list[Sample]:
    """Draw one object under a pattern like that of a stack, and expose it at every light level."""
    fitted = read_fitted(options.like)
    of_scene = rng.random() < options.scenes
    stack = fitted.stacks[int(rng.integers(len(fitted.stacks)))]
    conditions = draw_around(stack.conditions, stack.spread, rng)
    grid_um = conditions.optics.pixel_size_um / 2
    if of_scene and fitted.scenes:
        density = _part(fitted.scenes[int(rng.integers(len(fitted.scenes)))], 2 * options.field_px, rng)
    else:
        density = draw_object(
            structure, options.field_px, grid_um, rng, others=options.structures, mixtures=options.mixtures
        )
    haze = draw_object(structure, options.field_px, grid_um, rng)
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


def _part(scene: FloatArray, side: int, rng: np.random.Generator) -> FloatArray:
    """Return a square of a scene that has something in it, turned at random; small scenes go on mirrored."""
    missing = [(0, max(0, side - n)) for n in scene.shape]
    whole = np.pad(scene, missing, mode="symmetric")
    corners = [tuple(int(rng.integers(n - side + 1)) for n in whole.shape) for _ in range(4)]
    parts = [whole[y : y + side, x : x + side] for y, x in corners]
    part = max(parts, key=lambda p: float(p.mean()))
    turned = np.rot90(part, int(rng.integers(4)))
    mean = float(turned.mean())
    return np.ascontiguousarray(turned / mean if mean > 0 else turned + 1, dtype=np.float32)
