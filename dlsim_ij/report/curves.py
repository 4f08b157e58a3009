"""The curves behind the numbers, in ``<name>_curves.json``, so that plots can be made again.

The file holds, under ``decorrelation`` and ``frc``, one entry per image by role (``sr``, ``wiener``,
``widefield``) with the fields of the classes below; frequencies are in cycles per pixel of `pixel_size_um`.
Numbers have six significant digits; null is a point without a value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import DataError
from dlsim_ij.files import write_text
from dlsim_ij.results import Result, plain

if TYPE_CHECKING:
    from dlsim_ij.quality import Frc
    from dlsim_ij.quality.resolution import ImageResolution

FORMAT = "dlsim-curves/1"
FloatVector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecorrelationCurve(Result):
    """One curve of a decorrelation analysis."""

    kind: str  # "unfiltered", "coarse" or "refined"
    sigma_px: float | None  # of the high-pass filter
    peak_frequency: float
    peak_height: float  # 0: no peak
    frequency: FloatVector = field(repr=False, compare=False)
    values: FloatVector = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecorrelationPlot(Result):
    """All curves of one image, and the frequency that decides."""

    pixel_size_um: float | None  # where it was measured, which is at native sampling
    pixel_px: float  # the same pixel in pixels of the result
    cutoff: float | None  # 1 / resolution; None without a peak
    curves: tuple[DecorrelationCurve, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrcPlot(Result):
    """The Fourier ring correlation of one image's two halves."""

    pixel_size_um: float | None
    pixel_px: float
    threshold: str
    cutoff: float | None  # where the curve crosses the threshold
    frequency: FloatVector = field(repr=False, compare=False)
    raw: FloatVector = field(repr=False, compare=False)
    smoothed: FloatVector = field(repr=False, compare=False)
    threshold_curve: FloatVector = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveSet(Result):
    """The curves of one run, by role."""

    decorrelation: Mapping[str, DecorrelationPlot] = field(default_factory=dict)
    frc: Mapping[str, FrcPlot] = field(default_factory=dict)


def curve_set(
    resolution: Mapping[str, ImageResolution], frc: Mapping[str, Frc], *, widefield_pixel_px: float
) -> CurveSet:
    """Take the curves out of measurements, by role.

    Parameters
    ----------
    resolution, frc : mapping
        By role, ``sr`` the result.
    widefield_pixel_px : float
        Pixels of the result per pixel of the widefield image, along an axis.
    """

    def pixel_px(role: str) -> float:
        return widefield_pixel_px if role == "widefield" else 1.0

    return CurveSet(
        decorrelation={
            role: DecorrelationPlot(
                pixel_size_um=found.native.pixel_size_um,
                pixel_px=pixel_px(role) * found.factor,
                cutoff=found.kc / 2 if found.status == "ok" and found.kc else None,
                curves=tuple(
                    DecorrelationCurve(
                        kind=curve.kind,
                        sigma_px=curve.sigma_px,
                        peak_frequency=curve.peak_radius / 2,
                        peak_height=curve.peak_height,
                        frequency=curve.radii / 2,
                        values=curve.values,
                    )
                    for curve in found.native.curves
                ),
            )
            for role, found in resolution.items()
        },
        frc={
            role: FrcPlot(
                pixel_size_um=found.pixel_size_um,
                pixel_px=pixel_px(role),
                threshold=found.threshold,
                cutoff=found.cutoff,
                frequency=found.frequency,
                raw=found.raw,
                smoothed=found.smoothed,
                threshold_curve=found.threshold_curve,
            )
            for role, found in frc.items()
        },
    )


def save_curves(curves: CurveSet, path: Path, *, overwrite: bool = False) -> Path:
    """Write the curves of a run.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    data = {
        "format": FORMAT,
        "decorrelation": {
            role: {
                **plot.to_dict(),
                "curves": [
                    {
                        **curve.to_dict(),
                        "frequency": _digits(curve.frequency),
                        "values": _digits(curve.values),
                    }
                    for curve in plot.curves
                ],
            }
            for role, plot in curves.decorrelation.items()
        },
        "frc": {
            role: {**plot.to_dict(), **{name: _digits(getattr(plot, name)) for name in _FRC_VECTORS}}
            for role, plot in curves.frc.items()
        },
    }
    write_text(path, json.dumps(plain(data), separators=(",", ":")) + "\n", overwrite=overwrite)
    return path


def load_curves(path: Path) -> CurveSet:
    """Read the curves of a run.

    Raises
    ------
    DataError
        The file is damaged or of another format.
    """
    hint = "run dlsim run again"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} holds no curves (no JSON)", hint) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(
            f"{path} does not hold curves of the format {FORMAT}", "was it written by a newer dlsim?"
        )
    try:
        return CurveSet(
            decorrelation={role: _decorrelation(entry) for role, entry in data["decorrelation"].items()},
            frc={role: _frc(entry) for role, entry in data["frc"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} is damaged ({error})", hint) from error


_FRC_VECTORS = ("frequency", "raw", "smoothed", "threshold_curve")


def _decorrelation(entry: Mapping[str, Any]) -> DecorrelationPlot:
    curves = []
    for curve in entry["curves"]:
        frequency, values = _vectors(curve, ("frequency", "values"))
        curves.append(
            DecorrelationCurve(
                kind=str(curve["kind"]),
                sigma_px=_number(curve["sigma_px"]),
                peak_frequency=float(curve["peak_frequency"]),
                peak_height=float(curve["peak_height"]),
                frequency=frequency,
                values=values,
            )
        )
    return DecorrelationPlot(
        pixel_size_um=_length(entry["pixel_size_um"]),
        pixel_px=_given(entry["pixel_px"]),
        cutoff=_length(entry["cutoff"]),
        curves=tuple(curves),
    )


def _frc(entry: Mapping[str, Any]) -> FrcPlot:
    frequency, raw, smoothed, threshold_curve = _vectors(entry, _FRC_VECTORS)
    return FrcPlot(
        pixel_size_um=_length(entry["pixel_size_um"]),
        pixel_px=_given(entry["pixel_px"]),
        threshold=str(entry["threshold"]),
        cutoff=_length(entry["cutoff"]),
        frequency=frequency,
        raw=raw,
        smoothed=smoothed,
        threshold_curve=threshold_curve,
    )


def _vectors(entry: Mapping[str, Any], names: Sequence[str]) -> list[FloatVector]:
    vectors: list[FloatVector] = []
    for name in names:
        vector = np.array([math.nan if v is None else v for v in entry[name]], dtype=np.float64)
        if vector.ndim != 1 or vector.size == 0 or (vectors and vector.size != vectors[0].size):
            raise ValueError(f"'{name}' has the size {vector.shape}")
        vectors.append(vector)
    return vectors


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _length(value: Any) -> float | None:
    number = _number(value)
    if number is not None and not (math.isfinite(number) and number > 0):
        raise ValueError(f"{number} where a positive number belongs")
    return number


def _given(value: Any) -> float:
    number = _length(value)
    if number is None:
        raise ValueError("null where a positive number belongs")
    return number


def _digits(values: ArrayLike) -> list[float]:
    """Return plain numbers of six digits: a curve is drawn, not computed with."""
    return [float(f"{v:.6g}") for v in np.asarray(values, dtype=np.float64)]
