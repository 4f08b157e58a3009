"""What each number and each image of a report is called; a number's unit, and what it means in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dlsim_ij.report.figures import number


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a number is shown and explained."""

    label: str
    unit: str = ""
    digits: int | None = None  # behind the point; None: four significant ones
    text: str = ""
    group: str = "Others"


_RESOLUTION = "Resolution"
_AGREEMENT = "Agreement with the raw frames"
_TRUTH = "Closeness to the truth"
_OTHER_PAPERS = "Closeness to the truth by other authors' definitions"
_COMPUTING = "Computing"
_PAPER_ONLY = "For comparison with the paper's tables only."
_AS_THEY_ARE = "Of the values as they are, without gain and offset."
_REGISTERED = "The same after the best shift of at most 2 px."
_IN_PX = "The same, in pixels of the result."


def _group(group: str, rows: Mapping[str, tuple[str, str, int | None, str]]) -> dict[str, Meaning]:
    return {key: Meaning(*row, group=group) for key, row in rows.items()}


# name: label, unit, digits, what it says
MEANINGS: dict[str, Meaning] = {
    **_group(_RESOLUTION, {
        "resolution_nm": ("Decorrelation analysis", "nm", 0, "Finest detail that stands out from noise."),
        "resolution_px": ("Decorrelation analysis", "px", 2, _IN_PX),
        "resolution_status": ("Decorrelation analysis, status", "", None, "no-peak: no detail to measure."),
        "decorrelation_a0": ("Decorrelation A₀", "", 3, "How much of the spectrum is structure; 1 is all."),
        "enlarged_factor": ("Enlargement found", "", 2, "More than 1: it was enlarged before, and "
                            "was measured at its native size."),
        "residual_pattern": ("Regular pattern found", "", None, "yes: the illumination shines through."),
        "resolution_half_light_nm": ("Decorrelation analysis, half light", "nm", 0, "Of two reconstructions, "
                                     "each from half of the photons."),
        "frc_resolution_nm": ("Fourier ring correlation", "nm", 0, "Finest detail that two halves of the "
                              "light agree on (threshold 1/7)."),
        "frc_resolution_sd_nm": ("Fourier ring correlation, error", "nm", 1, "One standard deviation, from "
                                 "the number of samples in the rings."),
        "frc_resolution_px": ("Fourier ring correlation", "px", 2, _IN_PX),
        "frc_status": ("Fourier ring correlation, status", "", None, "no-crossing: the curve stays above its "
                       "threshold; no-signal: nothing repeats."),
        "resolution_limit_nm": ("Limit of optics and pattern", "nm", 0, "Light carries nothing finer."),
    }),
    **_group(_AGREEMENT, {
        "rsp": ("RSP", "", 3, "Correlation of the blurred image with the widefield image; 1 is perfect, haze "
                "and noise lower it."),
        "rse": ("RSE", "counts", None, "Root mean square of what the blurred image leaves unexplained."),
        "rsp_sigma_px": ("Blur that fits", "px", 2, "Sigma of the Gaussian, in camera pixels."),
        "rsp_sigma_um": ("Blur that fits", "µm", 3, "The same; more than 0.21 wavelengths / NA where the "
                         "widefield image holds haze."),
        "rsp_sigma_at_bound": ("Blur at its bound", "", None, "yes: RSP and RSE say little."),
        "residual": ("Round trip", "× noise", 1, "Largest local departure of the raw frames from those "
                     "that the image would have given."),
        "residual_limit": ("Round trip, limit", "× noise", 1, "What chance explains in a field of this "
                           "size; above it something was invented, or is missing."),
        "residual_consistent": ("Round trip, passed", "", None, "no: the raw frames contradict the image."),
        "residual_invented": ("Round trip, invented", "× noise", 1, "At most: light that the image shows "
                              "and the frames do not have."),
        "residual_missing": ("Round trip, missing", "× noise", 1, "At most: light in the frames that the "
                             "image does not show."),
        "residual_share": ("Round trip, share", "", 4, "Of the field, where it is above the limit."),
        "residual_shift_y_px": ("Round trip, shift y", "px", 2, "How far down the image would have to "
                                "move to fit the frames best."),
        "residual_shift_x_px": ("Round trip, shift x", "px", 2, "The same, to the right."),
        "residual_frames_rms": ("Round trip, rest of the frames", "× noise", 2, "1: noise alone. More, "
                                "and an empty map: no image explains the frames."),
        "residual_misses_detail": ("Round trip, detail missing", "", None, "yes: the frames hold finer "
                                   "detail than the image shows."),
        "correlation_widefield": ("Correlation with widefield", "", 3, "As RSP, with the blur of the optics "
                                  "instead of the one that fits, on the enlarged widefield image."),
        "correlation_wiener": ("Correlation with the Wiener image", "", 3, "How much two reconstructions of "
                               "the same frames agree."),
    }),
    **_group(_TRUTH, {
        "psnr_db": ("PSNR", "dB", 2, "Distance from the truth after gain and offset; higher is closer."),
        "nrmse": ("NRMSE", "", 4, "Root mean square error over the range of the truth; lower is closer."),
        "ssim": ("SSIM", "", 3, "Likeness of local structure to the truth; 1 is identical."),
        "ms_ssim": ("MS-SSIM", "", 3, "Likeness to the truth on five scales at once; 1 is identical."),
        "registered_psnr_db": ("PSNR, registered", "dB", 2, _REGISTERED),
        "registered_nrmse": ("NRMSE, registered", "", 4, _REGISTERED),
        "registered_ssim": ("SSIM, registered", "", 3, _REGISTERED),
        "registered_shift_y_px": ("Shift found, y", "px", 2, "How far the image had to move down."),
        "registered_shift_x_px": ("Shift found, x", "px", 2, "How far the image had to move right."),
    }),
    **_group(_OTHER_PAPERS, {
        "seed_psnr_db": ("PSNR, Jin et al.", "dB", 2, _PAPER_ONLY),
        "seed_nrmse": ("NRMSE, Jin et al.", "", 3, _PAPER_ONLY),
        "seed_ssim": ("SSIM, Jin et al.", "", 3, _PAPER_ONLY),
        "dfcan_psnr_db": ("PSNR, DFCAN", "dB", 2, _PAPER_ONLY),
        "dfcan_nrmse": ("NRMSE, DFCAN", "", 3, _PAPER_ONLY),
        "dfcan_ssim": ("SSIM, DFCAN", "", 3, _PAPER_ONLY),
        "skimage_psnr_db": ("PSNR, scikit-image", "dB", 2, _AS_THEY_ARE),
        "skimage_nrmse": ("NRMSE, scikit-image", "", 3, _AS_THEY_ARE),
        "skimage_ssim": ("SSIM, scikit-image", "", 3, _AS_THEY_ARE),
    }),
    **_group(_COMPUTING, {
        "seconds": ("Computing time", "s", 1, "From raw frames to result, without loading the model."),
        "measuring_seconds": ("Measuring time", "s", 1, "Of resolution and agreement."),
    }),
}  # fmt: skip

_ROLES = {"sr": "Result", "wiener": "Wiener SIM"}  # others are called after their role
RESULT = "sr"
_OTHER_IMAGES = {"wiener": "Wiener SIM", "widefield": "widefield"}
IMAGES = (RESULT, *_OTHER_IMAGES)  # roles whose numbers are known, in the order of their columns
_RANK = {key: rank for rank, key in enumerate(MEANINGS)}
_UNITS = {"_counts": "counts", "_percent": "%", "_deg": "°", "_rad": "rad", "_um": "µm", "_nm": "nm",
          "_px": "px", "_db": "dB", "_ms": "ms", "_s": "s"}  # fmt: skip


def meaning(key: str) -> Meaning:
    """Return what is known about a number; an unknown one is named after its key and the unit in it.

    Examples
    --------
    >>> meaning("depth_um")
    Meaning(label='Depth', unit='µm', digits=None, text='', group='Others')
    >>> meaning("wiener_rsp").label
    'RSP, Wiener SIM'
    """
    if key in MEANINGS:
        return MEANINGS[key]
    base, image = of_image(key)
    if image != RESULT:
        return replace(MEANINGS[base], label=f"{MEANINGS[base].label}, {_OTHER_IMAGES[image]}", text="")
    for ending, unit in _UNITS.items():
        if key.endswith(ending) and len(key) > len(ending):
            return Meaning(_words(key.removesuffix(ending)), unit)
    return Meaning(_words(key))


def role_name(role: str) -> str:
    """Return what an image is called on the page."""
    return _ROLES.get(role) or role.replace("_", " ").capitalize()


def of_image(key: str) -> tuple[str, str]:
    """Return a number's own name, and the role of the image that it belongs to.

    Examples
    --------
    >>> of_image("wiener_rsp"), of_image("rsp"), of_image("wiener_colour")
    (('rsp', 'wiener'), ('rsp', 'sr'), ('wiener_colour', 'sr'))
    """
    for role in _OTHER_IMAGES:
        base = key.removeprefix(f"{role}_")
        if base != key and base in MEANINGS:
            return base, role
    return key, RESULT


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

    def rank(key: str) -> tuple[int, int]:
        base, image = of_image(key)
        return _RANK.get(base, len(_RANK)), IMAGES.index(image)

    return {key: flat[key] for key in sorted(flat, key=rank)}


def _words(key: str) -> str:
    return key.replace("_", " ").strip().capitalize() or key
