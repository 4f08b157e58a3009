"""All settings of a training run; `dlsim train` reads them from YAML."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from dlsim_ij.config import Settings, did_you_mean
from dlsim_ij.networks.registry import network_names
from dlsim_ij.training.losses import loss_names

Fraction = Annotated[FiniteFloat, Field(ge=0, lt=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]


def _require_known(name: str, known: list[str], what: str) -> None:
    if name not in known:
        raise ValueError(f"no {what} is called '{name}', {did_you_mean(name, known)}")


class NetworkSettings(Settings):
    """Which network, its options (see `dlsim_ij.networks.create_network`), and what it starts from."""

    name: str = "native"
    options: dict[str, Any] = Field(default_factory=dict)
    initial: str | None = None  # a model whose weights it starts from: shipped name or folder

    @model_validator(mode="after")
    def _known(self) -> NetworkSettings:
        _require_known(self.name, network_names(), "network")
        return self


class DataSettings(Settings):
    """Where samples come from; `options` belong to that source and are checked by it."""

    kind: Literal["simulated", "like", "blinking", "prepared", "mixed"]
    options: dict[str, Any] = Field(default_factory=dict)


class OptimiserSettings(Settings):
    """Adam or AdamW; `weight_decay` is decoupled from the gradient in AdamW alone."""

    name: Literal["adam", "adamw"] = "adamw"
    lr: Positive = 2e-3
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: Annotated[FiniteFloat, Field(ge=0)] = 0.0


class ScheduleSettings(Settings):
    """How the learning rate changes; see `dlsim_ij.training.schedules`."""

    name: Literal["cosine", "constant", "seed-intended", "seed-actual"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    final_factor: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.0  # cosine only
    epochs: tuple[PositiveInt, PositiveInt, PositiveInt] = (3, 8, 12)  # the seed's: where its steps stand

    @model_validator(mode="after")
    def _rising(self) -> ScheduleSettings:
        if not self.epochs[0] < self.epochs[1] < self.epochs[2]:
            raise ValueError("the epochs must rise")
        return self


class ModelSettings(Settings):
    """What the finished model's card tells about it."""

    name: str | None = None  # default: the name of the run folder
    description: str = ""
    licence: str = "not stated"
    half_precision: bool = False  # store its weights as float16: half the size


class TrainingConfig(Settings):
    """Everything that determines a training run, apart from the data themselves.

    The length is `steps` optimiser steps, or `epochs` passes over the training samples: one of them.
    """

    network: NetworkSettings = NetworkSettings()
    data: DataSettings | None = None  # None: the caller of train() hands samples over
    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    batch_size: PositiveInt = 8
    patch_px: PositiveInt = 64  # side of a training input, in input pixels

    loss: str = "relative-l1"
    train: Literal["all", "interval"] = "all"  # interval: the half widths alone, the images stay as they are
    interval_weight: Positive = 0.05  # of the interval loss, beside that of the images
    optimiser: OptimiserSettings = OptimiserSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    gradient_clip: Positive | None = 1.0  # largest norm of the whole gradient
    ema_decay: Fraction | None = 0.998  # average of the weights, which validation and the model use
    batchnorm: Literal["running", "per-image"] = "running"  # in validation and in the finished model

    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt | None = None  # None: as torch chooses
    channels_last: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    log_every: PositiveInt = 10
    validate_every: PositiveInt = 200
    checkpoint_every: PositiveInt = 200
    early_stop_patience: PositiveInt | None = None  # validations without a better one
    max_cpu_minutes: Positive | None = None  # of this process, over all starts: then the run is finished
    max_minutes: Positive | None = None  # the same by the clock
    keep_checkpoints: Annotated[int, Field(ge=0)] = 0  # numbered copies of the last checkpoint
    sample_pictures: Annotated[int, Field(ge=0, le=8)] = 4  # samples drawn at every validation; 0: none
    tensorboard: bool = False
    check_memory: bool = True  # refuse a run that will not fit; False: warn
    export: Literal["best", "last"] = "best"  # which weights become the finished model
    output: str | None = None  # the run folder
    model: ModelSettings = ModelSettings()

    @model_validator(mode="after")
    def _consistent(self) -> TrainingConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        _require_known(self.loss, loss_names(), "loss")
        return self
