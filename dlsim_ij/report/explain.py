"""What each number of a report is called, its unit, and what it means in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlsim_ij.report.figures import number


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a number is shown and explained."""

    label: str
    unit: str = ""
    digits: int | None = None  # behind the point; None: four significant ones
    text: str = ""


MEANINGS: dict[str, Meaning] = {
    "correlation_widefield": Meaning(
        "Correlation with widefield",
        "",
        3,
        "Does the result keep what the widefield image shows? 1 is entirely.",
    ),
    "psnr_db": Meaning(
        "PSNR", "dB", 2, "Distance from the truth after the best gain and offset; higher is closer."
    ),
    "nrmse": Meaning("NRMSE", "", 4, "Root mean square error over the range of the truth; lower is closer."),
    "ssim": Meaning("SSIM", "", 3, "Likeness of local structure to the truth; 1 is identical."),
    "registered_psnr_db": Meaning(
        "PSNR, registered", "dB", 2, "The same after the best shift of at most 2 px."
    ),
    "registered_nrmse": Meaning("NRMSE, registered", "", 4, "The same after the best shift of at most 2 px."),
    "registered_ssim": Meaning("SSIM, registered", "", 3, "The same after the best shift of at most 2 px."),
    "registered_shift_y_px": Meaning("Shift found, y", "px", 2, "How far the image had to move down."),
    "registered_shift_x_px": Meaning("Shift found, x", "px", 2, "How far the image had to move right."),
    "seed_psnr_db": Meaning("PSNR, Jin et al.", "dB", 2, "For comparison with the paper's tables only."),
    "seed_nrmse": Meaning("NRMSE, Jin et al.", "", 3, "For comparison with the paper's tables only."),
    "seed_ssim": Meaning("SSIM, Jin et al.", "", 3, "For comparison with the paper's tables only."),
    "seconds": Meaning("Computing time", "s", 1, "From raw frames to result, without loading the model."),
}

_RANK = {key: rank for rank, key in enumerate(MEANINGS)}
_UNITS = {"_counts": "counts", "_percent": "%", "_deg": "°", "_rad": "rad", "_um": "µm", "_nm": "nm",
          "_px": "px", "_db": "dB", "_ms": "ms", "_s": "s"}  # fmt: skip


def meaning(key: str) -> Meaning:
    """Return what is known about a number; an unknown one is named after its key and the unit in it.

    Examples
    --------
    >>> meaning("depth_um")
    Meaning(label='Depth', unit='µm', digits=None, text='')
    """
    if key in MEANINGS:
        return MEANINGS[key]
    for ending, unit in _UNITS.items():
        if key.endswith(ending) and len(key) > len(ending):
            return Meaning(_words(key.removesuffix(ending)), unit)
    return Meaning(_words(key))


def show(value: Any, digits: int | None = None) -> str:
    """Write a value for a reader.

    Examples
    --------
    >>> show(None), show(True), show(3), show(0.123456, 2), show([1.5, 2])
    ('–', 'yes', '3', '0.12', '1.5, 2')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value) if digits is None else f"{value:.{digits}f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(show(item, digits) for item in value)
    return str(value)


def flatten(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested numbers into columns; a pair of pixels becomes y and x, as in image coordinates.

    Examples
    --------
    >>> flatten({"ssim": 0.9, "registered": {"shift_px": [0.0, -0.7]}})
    {'ssim': 0.9, 'registered_shift_y_px': 0.0, 'registered_shift_x_px': -0.7}
    """
    flat: dict[str, Any] = {}
    for key, value in metrics.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}_")
        elif isinstance(value, (list, tuple)) and len(value) == 2 and name.endswith("_px"):
            stem = name.removesuffix("_px")
            flat |= {f"{stem}_y_px": value[0], f"{stem}_x_px": value[1]}
        else:
            flat[name] = value
    return flat


def in_order(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat numbers in the order of reading: those of `MEANINGS` first, unknown ones last.

    Examples
    --------
    >>> list(in_order({"own": 1, "seed_ssim": 0.4, "ssim": 0.5}))
    ['ssim', 'seed_ssim', 'own']
    """
    flat = flatten(metrics)
    return {key: flat[key] for key in sorted(flat, key=lambda k: _RANK.get(k, len(_RANK)))}


def _words(key: str) -> str:
    return key.replace("_", " ").strip().capitalize() or key
