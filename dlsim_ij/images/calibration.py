"""Lengths in files to micrometre, and back."""

from __future__ import annotations

import re
from math import isfinite

from dlsim_ij.errors import ImageError

_UM_PER_UNIT = {
    "pm": 1e-6,
    "angstrom": 1e-4,
    "å": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25400.0,
    "in": 25400.0,
    '"': 25400.0,
}
_NOT_A_LENGTH = {"", "pixel", "px", "pix", "none", "reference frame"}

# A resolution in dots per inch or cm is as a rule a screen's or a printer's (72 dpi is 353 um, 1200 dpi is
# 21 um); the coarsest camera pixel without magnification is about 20 um.
LARGEST_DPI_PIXEL_UM = 20.0


def um_per_unit(unit: str | None) -> float | None:
    r"""Return the micrometres in one `unit`; None if it is not a length ("pixel", nothing, unknown).

    Plurals, capitals, British spelling, both Greek mu's and ImageJ's escaped ``\\u00B5m`` are understood.

    Examples
    --------
    >>> um_per_unit("nm"), um_per_unit("microns"), um_per_unit("µm"), um_per_unit("pixel")
    (0.001, 1.0, 1.0, None)
    """
    if unit is None:
        return None
    name = unit.strip().replace("\\u00B5", "u").replace("\u00b5", "u").replace("\u03bc", "u").casefold()
    name = re.sub(r"metre(s?)$", r"meter\1", name)
    if name in _NOT_A_LENGTH:
        return None
    for candidate in (name, name.removesuffix("s"), name.removesuffix("es")):
        if candidate in _UM_PER_UNIT:
            return _UM_PER_UNIT[candidate]
    return None


def to_um(value: float, unit: str | None) -> float | None:
    """Convert a length to micrometre; None if `unit` is no length or `value` is no positive number.

    Examples
    --------
    >>> to_um(65, "nm")
    0.065
    """
    factor = um_per_unit(unit)
    if factor is None or not (isfinite(value) and value > 0):
        return None
    return round(value * factor, 12)  # 0.065, not 0.065000000000000002


def from_um(value_um: float, unit: str) -> float:
    """Convert micrometre to `unit`.

    Raises
    ------
    ImageError
        `unit` is not a unit of length.
    """
    factor = um_per_unit(unit)
    if factor is None:
        raise ImageError(f"'{unit}' is not a unit of length", "use nm, um, mm, cm or inch")
    return value_um / factor


def check_pixel_size(pixel_size_um: float | None) -> float | None:
    """Return a pixel size if it is None or a positive, finite number.

    Raises
    ------
    ImageError
        It is not; above 1 mm it is taken for nanometres.
    """
    if pixel_size_um is None:
        return None
    size = float(pixel_size_um)
    if not (isfinite(size) and size > 0):
        raise ImageError(f"a pixel size of {size:g} um is not possible", "65 nm is 0.065")
    if size > 1000:
        raise ImageError(f"a pixel size of {size:g} um is more than a millimetre", "65 nm is 0.065")
    return size
