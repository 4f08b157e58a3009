"""The fields of ``model.json``: all that is needed to use a model and to judge it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dlsim_ij.config import Settings

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Architecture(Settings):
    """What :func:`dlsim_ij.networks.create_network` is called with."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class Frames(Settings):
    """Which raw frames the model sees, and in which order."""

    total: PositiveInt  # frames of the acquisition it was made for
    selection: tuple[Annotated[int, Field(ge=0)], ...]  # counted from 0
    summary: Literal["mean", "max"] | None = None  # of all frames, as one more channel at the end
    order: str = "angle-major"  # all phases of angle 0 first

    @model_validator(mode="after")
    def _inside(self) -> Frames:
        outside = [number for number in self.selection if number >= self.total]
        if outside:
            raise ValueError(f"there is no frame {outside[0]} among {self.total}, counted from 0")
        return self


class Stretch(Settings):
    """Logarithm of the factor on the half widths of one image: see `inference.calibration`."""

    constant: float
    noise: float
    density: float
    grain: float
    ranges: dict[Literal["noise", "density", "grain"], tuple[float, float]]  # of the fields of the fit

    @model_validator(mode="after")
    def _complete(self) -> Stretch:
        if len(self.ranges) < 3 or any(not low <= high for low, high in self.ranges.values()):
            raise ValueError("ranges are (low, high) for noise, density and grain")
        return self


class Calibration(Settings):
    """What was learned about a network's half widths after its training."""

    images: tuple[Stretch, ...]  # one for each of the model's images
    fitted_on: dict[str, Any] = Field(default_factory=dict)


class Interval(Settings):
    """What the network's half widths mean."""

    level: Annotated[float, Field(gt=0, lt=1)] = 0.9  # share of pixels that they are to hold
    calibration: Calibration | None = None  # None: as the network tells them


class ModelCard(Settings):
    """Contents of ``model.json``.

    Free-form parts (`input`, `normalisation`, `optics`, `training`, `scores`) are written by whoever
    makes the inputs, trains or measures, and read by whoever uses them; the rest has fixed meaning.
    """

    format_version: Literal[1] = 1
    name: str
    description: str = ""
    architecture: Architecture
    in_channels: PositiveInt
    scale: PositiveInt  # side of the output over side of the network's input
    side_multiple: PositiveInt = 1  # sides of the network's input are multiples of this
    frames: Frames | None = None  # None: the training data did not tell
    input: dict[str, Any] = Field(
        default_factory=dict
    )  # how channels are made from frames: {"kind": ..., constants}
    outputs: tuple[str, ...] = ()  # names of the images that the network makes, if more than one kind
    interval: Interval | None = None  # None: it tells no half widths
    normalisation: dict[str, Any] = Field(default_factory=dict)
    pixel_size_um: PositiveFloat | None = None  # of the raw frames it was made for
    optics: dict[str, Any] = Field(default_factory=dict)
    batchnorm: Literal["none", "running", "per-image"] = "none"
    training: dict[str, Any] = Field(default_factory=dict)  # data and recipe
    scores: dict[str, Any] = Field(default_factory=dict)  # measured: {"validation": {...}, ...}
    licence: str = "not stated"
    weights_sha256: Sha256

    def takes(self, n_angles: int, n_phases: int) -> bool:
        """Tell whether the model is for stacks of so many angles and phases."""
        return n_angles * n_phases in self.stack_sizes and self.input.get("n_angles", n_angles) == n_angles

    @property
    def stack_sizes(self) -> tuple[int, ...]:
        """How many frames a stack for the model may have."""
        if self.frames is None:
            return ()
        n_angles = int(self.input.get("n_angles", 1))
        return tuple(n_angles * int(n) for n in self.input.get("n_phases", ())) or (self.frames.total,)
