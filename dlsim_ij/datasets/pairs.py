"""Training pairs from a prepared dataset: random crops of kept tiles, normalised, turned when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dlsim_ij.config import Settings, make_settings
from dlsim_ij.datasets.augment import augment, check_kind
from dlsim_ij.datasets.field_file import open_field
from dlsim_ij.datasets.index import DatasetIndex, FieldEntry, read_index
from dlsim_ij.datasets.layouts import SEED_NAMES
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.selection import check_frame_count, frame_selection, select_frames
from dlsim_ij.errors import DataError

Array = NDArray[Any]
Light = Literal["normal", "low"]
_OPEN_FIELDS = 64  # each open map holds a file descriptor; systems allow about a thousand


class PreparedOptions(Settings):
    """The ``data`` settings of a training configuration of the kind ``prepared``.

    Attributes
    ----------
    dataset : Path
        Folder that ``dlsim prepare`` wrote.
    frames : str
        Frame selection: sim15, sim3, sim4-mean, sim4-max or srrf5.
    light : {"normal", "low"}
        Light level of the inputs.
    target : {"truth", "frames"}
        The reconstructed image, or (for a network that removes noise) the normal-light frames.
    normalisation : {"robust", "seed"}
        Per field by `normalise.robust_scaling`, or division by the maxima of the dataset.
    augmentation : {"none", "flips", "all"}
        See `augment`; whatever turns raw frames turns the pattern angles too.
    """

    dataset: Path
    frames: str = "sim15"
    light: Light = "normal"
    target: Literal["truth", "frames"] = "truth"
    normalisation: Literal["robust", "seed"] = "robust"
    augmentation: str = "none"


def make_source(options: Mapping[str, Any], *, patch_px: int, seed: int) -> PreparedPairs:
    """Make the source of a training configuration; see `source.make_source`.

    A prepared dataset draws nothing once, so `seed` is not used.
    """
    settings = make_settings(PreparedOptions, options, where="data")
    return PreparedPairs(patch_px=patch_px, **settings.model_dump())


class PreparedPairs:
    """Samples of a prepared dataset (a `SampleSource`).

    Sample number i is a random crop of kept tile i of the training fields; a crop as large as the tile is
    the tile. Field files are memory-mapped, so a crop costs what it holds and a dataset may be larger than
    memory. Instances can be sent to spawned workers.

    Parameters
    ----------
    dataset : Path
        Folder that ``dlsim prepare`` wrote.
    patch_px : int or None
        Side of the inputs, in pixels of the stored frames; None takes whole tiles.
    frames, light, target, normalisation, augmentation
        As in `PreparedOptions`.

    Attributes
    ----------
    in_channels, out_channels : int
        Channels of inputs and targets.
    scale : int
        Side of the target over side of the input.
    one_group_one_field : bool
        A group holds the tiles of one field, which resemble each other.

    Raises
    ------
    DataError
        The dataset is unfinished or damaged, lacks what is asked for, or has no tile to train on.
    LayoutError
        Its stacks do not have the frames of the selection.
    """

    one_group_one_field = True

    def __init__(
        self,
        dataset: Path | str,
        *,
        patch_px: int | None = None,
        frames: str = "sim15",
        light: Light = "normal",
        target: Literal["truth", "frames"] = "truth",
        normalisation: Literal["robust", "seed"] = "robust",
        augmentation: str = "none",
    ) -> None:
        self.dataset = Path(dataset)
        self.index = read_index(self.dataset)
        self.selection = frame_selection(frames)
        check_frame_count(self.selection, self.index.frames, str(self.dataset))
        check_kind(augmentation)
        self.light: Light = light
        self.target_kind = "truth" if target == "truth" else "normal"
        self.normalisation = normalisation
        self.augmentation = augmentation
        for kind in (light, self.target_kind):
            _require(self.index, kind, self.dataset)
        self.in_channels = self.selection.channels
        self.out_channels = 1 if target == "truth" else self.in_channels
        self.scale = self.index.truth_scale if target == "truth" else 1
        self._tile_px = self.index.tile_px // self.index.truth_scale
        self.patch_px = self._tile_px if patch_px is None else patch_px
        if not 1 <= self.patch_px <= self._tile_px:
            raise DataError(
                f"patches of {self.patch_px} pixels do not fit into tiles of {self._tile_px}",
                f"train on patches of at most {self._tile_px}, or prepare larger tiles",
            )
        self._train = _tiles(self.index, "train")
        if not self._train:
            raise DataError(
                f"no tile of the training fields of {self.dataset} passed the background test",
                "prepare it again with another --background",
            )
        self._open: dict[str, dict[str, Array]] = {}

    def __len__(self) -> int:
        """Return the number of training tiles."""
        return len(self._train)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open maps behind: a worker opens its own."""
        return {**self.__dict__, "_open": {}}

    def batch(self, indices: Array, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs (B, C, h, w) and targets (B, K, s*h, s*w) of some samples, float32."""
        inputs, targets = [], []
        spare = self._tile_px - self.patch_px
        for number in indices:
            entry, y, x = self._train[int(number)]
            shift_y, shift_x = rng.integers(0, spare, size=2, endpoint=True)
            pair = self._crop(entry, y + int(shift_y), x + int(shift_x), self.patch_px)
            turned = augment(*pair, rng, self.augmentation)
            inputs.append(turned.frames)
            targets.append(turned.truth)
        return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets))

    def validation(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield the whole tiles of the validation fields, one by one, with the name of their field."""
        return self.tiles_of("validation")

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield the whole tiles of the test fields, as `validation` does; none where the split has none."""
        return self.tiles_of("test")

    def tiles_of(self, part: str) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """Yield the whole tiles of a part (``train``, ``validation``, ``test``), as `validation` does."""
        for entry, y, x in _tiles(self.index, part):
            frames, truth = self._crop(entry, y, x, self._tile_px)
            yield torch.from_numpy(frames[None]), torch.from_numpy(truth[None]), entry.name

    @cached_property
    def truth_gain(self) -> float:
        """Units of the truth per unit of the frames: median over the training fields.

        Reconstruction software scales as it likes; with this one number for the whole dataset robust targets
        are of order 1, and a prediction goes back to units of the truth.
        """
        if self.target_kind != "truth" or self.normalisation == "seed":
            return 1.0
        ratios = [
            entry.scaling["truth"].scale / entry.scaling[self.light].scale
            for entry in self.index.of_part("train")
            if "truth" in entry.scaling
        ]
        if not ratios:
            raise DataError(f"no truth of {self.dataset} has any contrast", "use --normalisation seed")
        return float(np.median(ratios))

    def describe(self) -> dict[str, Any]:
        """Return what a model card must tell: dataset, selection, normalisation and constants."""
        return {
            "kind": "prepared",
            "dataset": self.dataset.name,
            "fields": {part: len(names) for part, names in self.index.split().items()},
            "tiles": len(self),
            "frames": self.selection.name,
            "light": self.light,
            "target": self.target_kind,
            "normalisation": self.normalisation,
            "constants": self.index.constants,
            "truth_gain": self.truth_gain,
            "enlargement": self.index.enlargement,
            "truth_scale": self.index.truth_scale,
            "augmentation": self.augmentation,
            "layout": self.index.parameters.get("layout"),
            "card": {
                "frames": {
                    "total": self.selection.acquisition,
                    "selection": list(self.selection.frames),
                    "summary": self.selection.summary,
                },
                "input": {
                    "kind": "raw-frames",
                    "selection": self.selection.name,
                    "light": self.light,
                    "enlargement": self.index.enlargement,
                },
                "normalisation": {
                    "kind": self.normalisation,
                    "input": self._card_scale(self.light),
                    "output": self._card_scale(self.target_kind),
                    "truth_gain": self.truth_gain,
                },
            },
        }

    def _card_scale(self, kind: str) -> float | None:
        """Return the constant of the whole dataset, if the scale is not each field's own."""
        return self.index.constants[SEED_NAMES[kind]] if self.normalisation == "seed" else None

    def _crop(self, entry: FieldEntry, y: int, x: int, side: int) -> tuple[Array, Array]:
        """Return normalised channels and target of a square; y, x and side in pixels of the frames."""
        tensors = self._tensors(entry)
        stack = tensors[self.light][:, y : y + side, x : x + side]
        frames = self._input_scaling(entry).apply(select_frames(stack, self.selection.name))
        if self.target_kind == "truth":
            s = self.scale
            truth = tensors["truth"][None, s * y : s * (y + side), s * x : s * (x + side)]
        else:
            truth = select_frames(tensors["normal"][:, y : y + side, x : x + side], self.selection.name)
        return frames, self._target_scaling(entry).apply(truth)

    def _input_scaling(self, entry: FieldEntry) -> Scaling:
        if self.normalisation == "seed":
            return Scaling(offset=0.0, scale=self.index.constants[SEED_NAMES[self.light]])
        return Scaling(**entry.scaling[self.light].model_dump())

    def _target_scaling(self, entry: FieldEntry) -> Scaling:
        if self.normalisation == "seed":
            return Scaling(offset=0.0, scale=self.index.constants[SEED_NAMES[self.target_kind]])
        if self.target_kind == "normal":
            return Scaling(**entry.scaling["normal"].model_dump())
        offset = entry.scaling["truth"].offset if "truth" in entry.scaling else 0.0
        return Scaling(offset=offset, scale=entry.scaling[self.light].scale * self.truth_gain)

    def _tensors(self, entry: FieldEntry) -> dict[str, Array]:
        tensors = self._open.pop(entry.file, None)
        if tensors is None:
            tensors = open_field(self.dataset / entry.file)
            if len(self._open) >= _OPEN_FIELDS:
                del self._open[next(iter(self._open))]  # the one not used for longest
        self._open[entry.file] = tensors
        return tensors


def _tiles(index: DatasetIndex, part: str) -> list[tuple[FieldEntry, int, int]]:
    """Return (field, y, x) of the tiles of a part, in pixels of the stored frames."""
    s = index.truth_scale
    return [(entry, y // s, x // s) for entry in index.of_part(part) for y, x in entry.tiles]


def _require(index: DatasetIndex, kind: str, dataset: Path) -> None:
    if kind not in index.kinds:
        raise DataError(
            f"{dataset} holds no {kind} images ({SEED_NAMES[kind]}), only {', '.join(index.kinds)}",
            "choose another light or target, or prepare a dataset that has them",
        )
