"""Configurations as short functions: the seed's trainings, and fine-tuning to a user's microscope.

The seed's is what Jin et al. did, to be compared with:
Nat. Commun. 11, 1934 (2020), :doi:`10.1038/s41467-020-15784-x`, and its released code: Adam 1e-3,
batch 1, 2000 epochs, no augmentation, inputs and targets divided by the maxima of the dataset, frames
enlarged beforehand to the size of the output. The code's learning rate falls to 5e-6 after the first
boundary and stays (`seed-actual`, the default here); it was meant to go in steps (`seed-intended`).
Its networks predict with each image's own BatchNorm statistics, and its last weights are the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.config import did_you_mean, make_settings, override
from dlsim_ij.errors import ConfigError
from dlsim_ij.training.settings import (
    DataSettings,
    ModelSettings,
    NetworkSettings,
    OptimiserSettings,
    ScheduleSettings,
    TrainingConfig,
)

SeedSchedule = Literal["seed-actual", "seed-intended"]
Light = Literal["normal", "low"]


def seed_sim15(
    dataset: str, *, light: Light = "normal", schedule: SeedSchedule = "seed-actual"
) -> TrainingConfig:
    """U-Net from all 15 frames; with ``light="low"`` the seed's SIM15-L."""
    return _seed("unet-sim15", dataset, "sim15", light=light, schedule=schedule)


def seed_sim3(dataset: str, *, schedule: SeedSchedule = "seed-actual") -> TrainingConfig:
    """U-Net from the first phase of each angle."""
    return _seed("unet-sim3", dataset, "sim3", schedule=schedule)


def seed_sim4(
    dataset: str, *, summary: Literal["mean", "max"] = "mean", schedule: SeedSchedule = "seed-actual"
) -> TrainingConfig:
    """U-Net from the first phase of each angle and the mean (or maximum) of all frames."""
    return _seed("unet-sim4", dataset, f"sim4-{summary}", schedule=schedule)


def seed_snr(dataset: str, *, schedule: SeedSchedule = "seed-actual") -> TrainingConfig:
    """U-Net from 15 low-light frames to 15 normal-light frames, which a SIM network then takes."""
    return _seed(
        "unet-snr", dataset, "sim15", light="low", target="frames", schedule=schedule, epochs=(2, 6, 8)
    )


def seed_scunet(dataset: str, *, schedule: SeedSchedule = "seed-actual") -> TrainingConfig:
    """ScU-Net from 15 low-light frames to the super-resolved image of normal light."""
    return _seed("scunet", dataset, "sim15", light="low", schedule=schedule)


def seed_srrf5(dataset: str, *, schedule: SeedSchedule = "seed-actual") -> TrainingConfig:
    """U-Net from 5 frames, enlarged fivefold, to the SRRF image of 200."""
    return _seed("unet-srrf5", dataset, "srrf5", schedule=schedule, patch_px=320)


def _seed(
    network: str,
    dataset: str,
    frames: str,
    *,
    schedule: SeedSchedule,
    light: Light = "normal",
    target: Literal["truth", "frames"] = "truth",
    epochs: tuple[int, int, int] = (3, 8, 12),
    patch_px: int = 256,
) -> TrainingConfig:
    return TrainingConfig(
        network=NetworkSettings(name=network),
        data=DataSettings(
            kind="prepared",
            options={
                "dataset": dataset,
                "frames": frames,
                "light": light,
                "target": target,
                "normalisation": "seed",
            },
        ),
        epochs=2000,
        batch_size=1,
        patch_px=patch_px,
        loss="seed",
        optimiser=OptimiserSettings(name="adam", lr=1e-3),
        schedule=ScheduleSettings(name=schedule, epochs=epochs),
        gradient_clip=None,
        ema_decay=None,
        batchnorm="per-image",
        validate_every=1000,
        checkpoint_every=1000,
        log_every=100,
        export="last",
        model=ModelSettings(description=f"The seed's {network} ({light} light)"),
    )


def like(
    model: str,
    card: ModelCard,
    fitted: str,
    *,
    photons: tuple[float, float],
    steps: int,
    workers: int = 1,
    scenes: float = 0.1,
    seed: int = 1,
) -> TrainingConfig:
    """Fine-tune a model of ours to fitted conditions, see `dlsim_ij.tuning_job`.

    Parameters
    ----------
    model : str
        What to start from: shipped name or folder.
    card : ModelCard
        Its card.
    fitted : str
        File of `datasets.like.write_fitted`.
    photons : (float, float)
        Range of the light level. Every field is exposed at its darker and at its brighter half.
    steps, workers, seed
        As in the configuration; `workers` make fields.
    scenes : float
        See `datasets.like.LikeOptions`.

    Notes
    -----
    The learning rate is a seventh of what the model was trained with: it has to move, not to begin again.
    The average of the weights is short, since there are few steps.
    """
    low, high = photons
    middle = _rounded((low * high) ** 0.5)
    every = max(1, steps // 4)
    return TrainingConfig(
        network=NetworkSettings(
            name=card.architecture.name, options=card.architecture.options, initial=model
        ),
        data=DataSettings(
            kind="like",
            options={
                "like": fitted,
                "inputs": card.input["kind"],
                "targets": list(card.outputs) or ["wiener"],
                "fields": 160,
                "field_px": 128,
                "renew_epochs": 6,
                "photons": [[low, middle], [middle, high]],
                "mixtures": 0.25,
                "scenes": scenes,
                "workers": workers,
                "validation_photons": [_rounded((low * middle) ** 0.5), _rounded((middle * high) ** 0.5)],
                "validation_fields": 1,
                "test_fields": 1,
                "proof_fields": 6,
            },
        ),
        steps=steps,
        batch_size=8,
        patch_px=56,
        optimiser=OptimiserSettings(name="adamw", lr=3e-4),
        schedule=ScheduleSettings(name="cosine", warmup_steps=min(30, max(1, steps // 10))),
        ema_decay=0.99,
        channels_last=True,
        threads=1,
        seed=seed,
        validate_every=every,
        checkpoint_every=every,
        export="last",
        model=ModelSettings(
            name=f"{card.name}-tuned",
            description=f"{card.name}, tuned to one microscope",
            licence=card.licence,
        ),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


_RECIPES: dict[str, Callable[[str], TrainingConfig]] = {
    "seed-sim15": seed_sim15,
    "seed-sim15-low": partial(seed_sim15, light="low"),
    "seed-sim3": seed_sim3,
    "seed-sim4": seed_sim4,
    "seed-sim4-max": partial(seed_sim4, summary="max"),
    "seed-snr": seed_snr,
    "seed-scunet": seed_scunet,
    "seed-srrf5": seed_srrf5,
}


def recipe_names() -> list[str]:
    """Return the names that :func:`make_recipe` knows; configs/ has a file of each."""
    return list(_RECIPES)


def make_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Return the configuration of that name; `overrides` (dotted keys) win over it.

    Parameters
    ----------
    name : str
        As ``seed-sim15``.
    overrides : mapping, optional
        Usually with ``data.options.dataset``, the folder that ``dlsim prepare`` wrote; without it, the
        folder ``dataset``.

    Raises
    ------
    ConfigError
        No recipe has that name, or a setting is wrong.

    Examples
    --------
    >>> make_recipe("seed-snr", {"data.options.dataset": "cells"}).data.options["target"]
    'frames'
    """
    if name not in _RECIPES:
        raise ConfigError(f"no recipe is called '{name}', and no file either", did_you_mean(name, _RECIPES))
    settings = override(_RECIPES[name]("dataset").model_dump(mode="json"), overrides or {})
    return make_settings(TrainingConfig, settings, where=f"recipe {name}")
