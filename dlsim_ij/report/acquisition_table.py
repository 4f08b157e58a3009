"""The acquisition as rows of a report: what the frames are, how they were lit, what was wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import hypot, isfinite

from dlsim_ij.acquisition.checks import FrameChecks
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.light import Light

Row = tuple[str, str]


def acquisition_rows(sizes: Mapping[str, int], dtype: str, acquisition: Acquisition) -> tuple[Row, ...]:
    """Describe an acquisition in words and numbers.

    Parameters
    ----------
    sizes : mapping of str to int
        Of the file's axes.
    dtype : str
        Of its pixels.
    acquisition : Acquisition
        Of its first stack.

    Returns
    -------
    tuple of (str, str)
        Name and value; what could not be measured is left out.
    """
    um = acquisition.optics.pixel_size_um
    patterns = acquisition.patterns
    order = acquisition.order
    if acquisition.confidence > 0:
        order += f" (confidence {acquisition.confidence:.2f})"
    rows = [
        ("Size", " x ".join(f"{size} {dim}" for dim, size in sizes.items()) + f", {dtype}"),
        ("Frames", f"{acquisition.n_angles} angles x {acquisition.n_phases} phases, {order}"),
        ("Camera pixel in the sample", f"{um * 1000:g} nm"),
        ("Pattern directions", _listed(p.angle_deg for p in patterns) + " degrees"),
        (
            "Pattern periods (finest order)",
            _listed(p.period_px / p.orders * um * 1000 for p in patterns) + " nm",
        ),
        ("Modulation of order 1", _listed((p.modulation[0] for p in patterns), 2)),
        ("Signal-to-noise of order 1", _listed((p.snr[0] for p in patterns), 0)),
    ]
    if acquisition.light is not None:
        rows += _light(acquisition.light)
    if acquisition.checks is not None:
        rows += _checks(acquisition.checks)
    return tuple(rows)


def _light(light: Light) -> list[Row]:
    rows = []
    if light.photons is not None:
        rows.append(("Light", f"{light.photons:.3g} photo-electrons per pixel and frame (99.5 % level)"))
    if light.gain_adu_per_electron is not None:
        camera = f"{light.gain_adu_per_electron:.2f} counts per photo-electron"
        if light.offset_adu is not None:
            camera += f", offset {light.offset_adu:.0f}"
        if light.read_noise_electrons is not None:
            camera += f", read noise {light.read_noise_electrons:.1f} electrons"
        rows.append(("Camera, from the noise", camera))
    return rows


def _checks(checks: FrameChecks) -> list[Row]:
    rows = [("Bleaching over the stack", f"{100 * checks.bleaching:.1f} %")]
    drift = [hypot(y, x) for y, x in checks.drift_px if isfinite(y) and isfinite(x)]
    if drift:
        rows.append(("Drift between angles", f"{max(drift):.2f} px, error {checks.drift_error_px:.2f} px"))
    rows.append(
        ("Saturated; hot pixels", f"{100 * checks.saturated:.2g} % of the pixels; {checks.hot_pixels} pixels")
    )
    return rows


def _listed(values: Iterable[float], digits: int = 1) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
