"""Readers of models, prepared datasets and trainings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tifffile
from fuzz_mutations import mutate_bytes, mutate_json
from fuzz_target import (
    ROOT,
    Target,
    a_stack,
    made_by,
    require,
    saved,
)

_WEIGHTS = ROOT / "dlsim_ij" / "bundles" / "weights"


def _bundle(folder: Path, name: str) -> Path:
    place = folder / "model"
    if not place.exists():
        shutil.copytree(_WEIGHTS / name, place)
    return place


def _cards(folder: Path) -> list[bytes]:
    _bundle(folder, "sim15")
    return [(folder / "model" / "model.json").read_bytes()]


def _feed_card(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.inference import load_model

    (_bundle(folder, "sim15") / "model.json").write_bytes(data)
    model = load_model(folder / "model")
    require(model.card.scale >= 1, f"scale {model.card.scale}")


def _weights(folder: Path) -> list[bytes]:
    return [next(_bundle(folder, "sim15").glob("*.safetensors")).read_bytes()]


def _feed_weights(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.inference import load_model

    next(_bundle(folder, "sim15").glob("*.safetensors")).write_bytes(data)
    load_model(folder / "model")
    require(data == good, "weights that are not those of the card")


def _tensors(folder: Path) -> list[bytes]:
    from safetensors.numpy import save

    header = {"format": "1", "about": json.dumps({"step": 1})}
    return [save({"raw": a_stack(), "truth": np.ones((2, 48, 64), np.float32)}, metadata=header)]


def _feed_field(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.datasets.field_file import open_field, read_header

    (folder / "x.safetensors").write_bytes(data)
    read_header(folder / "x.safetensors")
    tensors = open_field(folder / "x.safetensors")
    require(sum(t.nbytes for t in tensors.values()) <= len(data), "more pixels than the file holds")
    for tensor in tensors.values():
        float(np.asarray(tensor, dtype=np.float64).sum())


def _checkpoints(folder: Path) -> list[bytes]:
    import torch

    from dlsim_ij.training.checkpoint import save_checkpoint

    tensors = {"network/a": torch.ones(4, 3), "optimiser/a": torch.zeros(4)}
    return [saved(folder, lambda p: save_checkpoint(p, tensors, {"step": 3, "best": 0.25}), "x.safetensors")]


def _feed_checkpoint(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.training.checkpoint import load_checkpoint

    (folder / "x.safetensors").write_bytes(data)
    _, values = load_checkpoint(folder / "x.safetensors")
    require(isinstance(values, dict), f"values of a checkpoint that are a {type(values).__name__}")


def _indices(folder: Path) -> list[bytes]:
    raw = folder / "raw_fields" / "HE"
    truth = folder / "raw_fields" / "HER"
    for place, image in ((raw, a_stack()), (truth, np.repeat(np.repeat(a_stack()[0], 2, 0), 2, 1))):
        place.mkdir(parents=True, exist_ok=True)
        for n in range(4):
            tifffile.imwrite(place / f"cell_{n:02}.tif", image + np.uint16(n))
    made = made_by(folder, "prepare", str(raw.parent), "--tile-px", "16", "--engine", "none")
    return [(made / "dataset.json").read_bytes()]


def _feed_index(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.datasets.index import read_index

    (folder / "made" / "dataset.json").write_bytes(data)
    index = read_index(folder / "made")
    require(index.tile_px > 0 and index.frames > 0, "tiles or frames of size 0")
    for entry in index.fields:
        require(
            not Path(entry.file).is_absolute() and ".." not in Path(entry.file).parts,
            f"a file at {entry.file}",
        )


TARGETS = [
    Target("model cards (JSON)", _cards, mutate_json, _feed_card),
    Target("weights (safetensors)", _weights, mutate_bytes, _feed_weights),
    Target("prepared fields (safetensors)", _tensors, mutate_bytes, _feed_field),
    Target("index of a dataset (JSON)", _indices, mutate_json, _feed_index),
    Target("training checkpoints (safetensors)", _checkpoints, mutate_bytes, _feed_checkpoint),
]
