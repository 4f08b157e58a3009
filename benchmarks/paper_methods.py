"""The rows of the paper's tables: every way to make an image of one test field, and what it was made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from fixed_fields import STRUCTURES, Field

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.datasets.inputs import input_kinds
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import Model, cascade, load_model, predict
from dlsim_ij.reconstruction import widefield, wiener_sim
from dlsim_ij.reconstruction.wiener_filter import FILTERS

Light = Literal["normal", "low"]
WIDEFIELD, WIENER = "widefield", "Wiener"
SHORT = "(short)"
SCHEDULES = ("actual", "intended")
# networks of the seed by the name of their run folder, and the light they are made for
SEED_RUNS: dict[str, Light] = {
    "sim15": "normal", "sim3": "normal", "sim4": "normal", "sim4-max": "normal", "sim15-low": "low",
    "scunet": "low",
}  # fmt: skip
OWN_LIGHT: dict[str, Light] = {"sim15": "normal", "sim3": "normal", "lowlight": "low"}
EXPECTED_OWN = tuple(OWN_LIGHT)
EXPECTED_SEED = ("seed SIM15", "seed SIM3", "seed scU-Net", "seed cascade")
_TITLES = {
    "sim15": "seed SIM15", "sim3": "seed SIM3", "sim4": "seed SIM4 mean", "sim4-max": "seed SIM4 max",
    "sim15-low": "seed SIM15-L", "scunet": "seed scU-Net",
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """One row: how an image is made of a field.

    `light` is the only light it is made for, None: any. `trained_on` is the only structure a network was
    trained on, "" if it was all of them, or none. `sum` tells the weights of its networks.
    """

    name: str
    make: Callable[[Field], np.ndarray]
    light: Light | None = None
    trained_on: str = ""
    sum: str = ""


def conventional() -> list[Method]:
    """Return widefield and the Wiener images, one for each setting."""
    wieners = [Method(f"{WIENER} {name}", partial(_wiener, setting=name)) for name in FILTERS]
    return [Method(WIDEFIELD, lambda field: bicubic_enlarge(widefield(field.stack.raw), 2)), *wieners]


def _wiener(field: Field, *, setting: str) -> np.ndarray:
    raw = field.stack.raw
    signal = equalise_frames(raw, estimate_offset(raw))
    return wiener_sim(signal, field.patterns, field.stack.conditions.optics, filter=FILTERS[setting])


def own_models(names: list[str], *, device: str = "auto") -> Iterator[Method]:
    """Give one row for every image that the package's models, or those in folders, make."""
    for given in names:
        model = load_model(given, device=device)
        if model.card.input["kind"] not in input_kinds():
            raise SystemExit(f"{given} works on raw frames: give networks of the seed with --seed-runs")
        path = Path(given)
        label = (path.parent if path.name == "model" else path).name
        for target in model.card.outputs or ("",):
            name = f"{label}: {target}" if target else label
            make = partial(_own, model=model, target=target)
            yield Method(name, make, sum=model.card.weights_sha256)


def short_models(folder: Path, *, device: str = "auto") -> Iterator[Method]:
    """Give the rows of the package's recipes, trained no longer than the seed's: FOLDER/NAME/model."""
    for name, light in OWN_LIGHT.items():
        if (path := folder / name / "model").is_dir():
            for method in own_models([str(path)], device=device):
                yield replace(method, name=f"{method.name} {SHORT}", light=light)


def _own(field: Field, *, model: Model, target: str) -> np.ndarray:
    optics = field.stack.conditions.optics
    return predict(
        model, field.stack.raw, target=target or None, patterns=field.patterns, optics=optics
    ).image


def seed_networks(folder: Path, trained_on: str = "", *, device: str = "auto") -> Iterator[Method]:
    """Give the rows of the run folders NAME-SCHEDULE in a folder, and of the cascades they allow."""
    for schedule in SCHEDULES:
        runs = {
            name: load_model(path, device=device)
            for name in (*SEED_RUNS, "snr")
            if (path := folder / f"{name}-{schedule}" / "model").is_dir()
        }
        for name, light in SEED_RUNS.items():
            if name in runs:
                title, told = f"{_TITLES[name]} ({schedule})", runs[name].card.weights_sha256
                yield Method(title, partial(_raw, runs[name]), light, trained_on, told)
        if "snr" in runs and "sim15" in runs:
            both = [runs["snr"], runs["sim15"]]
            told = " ".join(model.card.weights_sha256 for model in both)
            yield Method(f"seed cascade ({schedule})", partial(_cascade, *both), "low", trained_on, told)


def _raw(model: Model, field: Field) -> np.ndarray:
    return predict(model, field.stack.raw).image


def _cascade(first: Model, second: Model, field: Field) -> np.ndarray:
    return cascade(first, second, field.stack.raw).image


def per_structure(folder: Path, *, device: str = "auto") -> Iterator[Method]:
    """Give the networks of the seed that were trained on one structure: FOLDER/<structure>/NAME-SCHEDULE."""
    for structure in STRUCTURES:
        yield from seed_networks(folder / structure, structure, device=device)


def left_out(methods: list[Method]) -> list[str]:
    """Name the rows that belong to the tables and for which nothing was given."""
    names = {method.name for method in methods if not method.trained_on}
    seed = [f"{name} ({s})" for name in EXPECTED_SEED for s in SCHEDULES]
    own = [name for name in EXPECTED_OWN if not any(n == name or n.startswith(f"{name}:") for n in names)]
    return [name for name in seed if name not in names] + own
