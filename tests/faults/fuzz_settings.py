"""Readers of settings, parameters and records: YAML and JSON."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from fuzz_mutations import mutate_json, mutate_text_bytes
from fuzz_target import (
    ROOT,
    Refused,
    Target,
    command,
    made_by,
    raw_stack,
    require,
)


def _file(*places: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [path.read_bytes() for place in places for path in sorted(ROOT.glob(place))]


def _feed_config(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.config import read_settings
    from dlsim_ij.training.settings import TrainingConfig

    (folder / "x.yaml").write_bytes(data)
    config = read_settings(folder / "x.yaml", TrainingConfig)
    require(config.optimiser.lr > 0 and math.isfinite(config.optimiser.lr), f"lr {config.optimiser.lr}")
    require(config.batch_size > 0 and config.patch_px > 0, "no batch, or no patch")


def _recon_parameters(folder: Path) -> list[bytes]:
    made = made_by(folder, "recon", str(raw_stack(folder)))
    return [next(made.glob("*_wiener.json")).read_bytes()]


def _feed_recon(folder: Path, data: bytes, good: bytes) -> None:
    (folder / "x.json").write_bytes(data)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    words = ("recon", raw_stack(folder), "--parameters", folder / "x.json", "-o", out, "-q")
    try:
        require(command(folder)(*words) == 0, "neither done nor refused")
    except Refused:
        require(not out.exists() or not any(out.iterdir()), "refused, but there are files")
        raise
    values = tifffile.imread(next(out.glob("*_wiener.tif")))
    require(bool(np.isfinite(values).all()), "an image with nan")


def _simulated_parameters(folder: Path) -> list[bytes]:
    made = made_by(folder, "simulate", "--size", "32")
    return [next(made.glob("*_parameters.json")).read_bytes()]


def _feed_simulation(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.cli.simulate_inputs import read_parameters

    (folder / "x.json").write_bytes(data)
    read_parameters(folder / "x.json")


def _run_records(folder: Path) -> list[bytes]:
    made = made_by(folder, "run", str(raw_stack(folder)), "--engine", "none")
    return [next(made.rglob("*_run.json")).read_bytes()]


def _feed_record(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.report.records import load_record

    place = next((folder / "made").rglob("*_sr.tif")).parent
    (place / "raw_run.json").write_bytes(data)
    record = load_record(place / "raw_run.json")
    require(bool(record.name), "a record without a name")
    for image in record.images.values():
        inside = image.file is None or (place / image.file).resolve().is_relative_to(place.resolve())
        require(inside, f"a file outside of the folder: {image.file}")


def _curves(folder: Path) -> list[bytes]:
    made = made_by(folder, "run", str(raw_stack(folder)), "--engine", "none")
    return [path.read_bytes() for path in made.rglob("*_curves.json")]


def _feed_curves(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.report.curves import load_curves

    (folder / "x.json").write_bytes(data)
    load_curves(folder / "x.json")


TARGETS = [
    Target("training settings (YAML)", _file("configs/*.yaml"), mutate_text_bytes, _feed_config),
    Target("parameters of recon (JSON)", _recon_parameters, mutate_json, _feed_recon, (Refused,)),
    Target("parameters of simulate (JSON)", _simulated_parameters, mutate_json, _feed_simulation),
    Target("records of a run (JSON)", _run_records, mutate_json, _feed_record),
    Target("curves of a run (JSON)", _curves, mutate_json, _feed_curves),
]
