"""The numbers of a dose curve: one row per level, method and draw; means, and how little light is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Any, Literal

import numpy as np

from dlsim_ij.errors import DataError
from dlsim_ij.quality.light_needed import LightNeeded, light_needed
from dlsim_ij.results import Result

Score = Literal["psnr_db", "registered_psnr_db"]

_AVERAGED = ("psnr_db", "registered_psnr_db", "nrmse", "ssim", "own_psnr_db", "own_nrmse", "own_ssim")
_FIRST_DRAW = ("rsp", "resolution_px", "resolution_nm")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRow(Result):
    """One image, made of one thinned stack; the fields are the columns of the table.

    Attributes
    ----------
    fraction : float
        Share of the light; 1 is the stack as it came.
    photons_per_pixel, photons_mean_per_pixel : float
        Photo-electrons per pixel and frame, in the bright parts (99.5 % level) and on average.
    photons_all_frames_per_pixel : float
        The former times the frames that the method uses: what the sample has to give.
    method, frames_used, draw
    psnr_db, nrmse, ssim : float or None
        Against the reference, after the best gain and offset; None for the reference itself.
    registered_psnr_db : float or None
        After the best shift as well; only against a truth.
    own_psnr_db, own_nrmse, own_ssim : float or None
        Against the same method's image at full light.
    rsp : float or None
        Resolution-scaled Pearson correlation with the widefield image at full light; first draw only.
    resolution_px, resolution_nm : float or None
        By decorrelation analysis; first draw only, None where there is no peak.
    pattern_snr : float or None
        Of the weakest angle's pattern, where it was fitted to this stack.
    """

    fraction: float
    photons_per_pixel: float
    photons_mean_per_pixel: float
    photons_all_frames_per_pixel: float
    method: str
    frames_used: int
    draw: int
    psnr_db: float | None = None
    nrmse: float | None = None
    ssim: float | None = None
    registered_psnr_db: float | None = None
    own_psnr_db: float | None = None
    own_nrmse: float | None = None
    own_ssim: float | None = None
    rsp: float | None = None
    resolution_px: float | None = None
    resolution_nm: float | None = None
    pattern_snr: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodLight(Result):
    """How little light one method needs.

    Attributes
    ----------
    method : str
    full_light_db : float or None
        Its score at full light; None for the reference itself.
    keeps : LightNeeded or None
        Down to where it loses at most `within_db` of that; None where there is no such score.
    reaches : LightNeeded
        Down to where it has the score that is asked of all.
    """

    method: str
    full_light_db: float | None
    keeps: LightNeeded | None
    reaches: LightNeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseSummary(Result):
    """Means over the draws, and what they say of the light.

    Attributes
    ----------
    score : {"psnr_db", "registered_psnr_db"}
        The one that `needed` speaks of.
    within_db, target_db : float
        Allowed loss against a method's own full light; and the score asked of all methods.
    needed : tuple of MethodLight
    levels : tuple of dict
        One per level and method, brightest first: the numbers of the rows, scores as ``..._mean`` and
        ``..._sd`` (None for one draw); `shared_noise_db`, see `noise_shared_db`, without a truth.
    """

    score: Score
    within_db: float
    target_db: float
    needed: tuple[MethodLight, ...]
    levels: tuple[Mapping[str, Any], ...] = field(repr=False)

    def curve(self, method: str, score: str | None = None) -> list[tuple[float, float, float]]:
        """Return (fraction, mean, sd) of a method from bright to dim, where there is a score."""
        name = score or self.score
        return [
            (level["fraction"], level[f"{name}_mean"], level[f"{name}_sd"] or 0.0)
            for level in self.levels
            if level["method"] == method and level[f"{name}_mean"] is not None
        ]


def summarise_rows(
    rows: Sequence[DoseRow], *, score: Score = "psnr_db", within_db: float = 1.0,
    quality_db: float | None = None,
) -> DoseSummary:  # fmt: skip
    """Average the draws of each level, and find how little light each method needs.

    Parameters
    ----------
    rows : sequence of DoseRow
    score : {"psnr_db", "registered_psnr_db"}
        The curve that is read.
    within_db : float
        A method "keeps" its quality while it loses at most so much.
    quality_db : float, optional
        What every method is asked to reach; by default what all of them have at full light, less `within_db`.

    Raises
    ------
    DataError
        There is no score at all.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    fractions = sorted({row.fraction for row in rows}, reverse=True)
    levels = [
        _level([row for row in rows if (row.fraction, row.method) == (fraction, method)])
        for fraction in fractions
        for method in methods
    ]
    for level in levels:
        shared = score == "psnr_db" and level["fraction"] < 1
        level["shared_noise_db"] = noise_shared_db(level["fraction"]) if shared else None
    curves = {
        method: [
            (level["fraction"], level[f"{score}_mean"])
            for level in levels
            if level["method"] == method and level[f"{score}_mean"] is not None
        ]
        for method in methods
    }
    at_full = {method: dict(curve).get(1.0) for method, curve in curves.items()}
    known = [value for value in at_full.values() if value is not None]
    if not all(curves.values()) or (quality_db is None and not known):
        raise DataError("a method has no score at any level", "give levels of light below 1")
    target = min(known) - within_db if quality_db is None else quality_db
    needed = []
    for method, curve in curves.items():
        light, values = ([level[place] for level in curve] for place in (0, 1))
        own = at_full[method]
        needed.append(
            MethodLight(
                method=method,
                full_light_db=own,
                keeps=None if own is None else light_needed(light, values, own - within_db),
                reaches=light_needed(light, values, target),
            )
        )
    return DoseSummary(
        score=score, within_db=within_db, target_db=target, needed=tuple(needed), levels=tuple(levels)
    )


def noise_shared_db(fraction: float) -> float:
    """Return by how much scores against the full light itself are too good where noise rules, in dB.

    A thinned stack holds a part of the very photons that the full light holds, noise included: the squared
    difference of the two is ``1/q - 1`` times the noise of the full light, where a noise-free reference would
    find ``1/q``.

    Examples
    --------
    >>> round(noise_shared_db(1 / 5), 2), round(noise_shared_db(1 / 50), 2)
    (0.97, 0.09)
    """
    return -10 * log10(1 - fraction)


def _level(rows: Sequence[DoseRow]) -> dict[str, Any]:
    """Return one line for the draws of a level by one method."""
    first = rows[0]
    line: dict[str, Any] = {
        "fraction": first.fraction,
        "photons_per_pixel": first.photons_per_pixel,
        "photons_mean_per_pixel": first.photons_mean_per_pixel,
        "photons_all_frames_per_pixel": first.photons_all_frames_per_pixel,
        "method": first.method,
        "frames_used": first.frames_used,
        "draws": len(rows),
    }
    for name in _AVERAGED:
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        line[f"{name}_mean"] = float(np.mean(values)) if values else None
        line[f"{name}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    line |= {name: getattr(first, name) for name in _FIRST_DRAW}
    snr = [row.pattern_snr for row in rows if row.pattern_snr is not None]
    line["pattern_snr"] = float(np.mean(snr)) if snr else None
    return line
