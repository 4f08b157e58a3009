"""What has to be known before an image can be compared with raw frames, fitted to both.

An image has a gain and a filter of its own (a Wiener filter, an apodisation, a network's taste), the optics
are not quite the nominal ones, and brightness, phase and strength of the pattern differ a little from frame
to frame. The model of frame j is the sum over the bands b of ::

    w_b exp(i b step_j) (1 + small) * h(|f|) * g(|f - b k|) * image band b

with one strength w per angle and order, the nominal transfer times a damping as h, and g, which undoes the
image's own filter: a curve through a few knots that may fall to a fourth of its mean, never to 0. Nothing
of this knows a place, so a structure that should not be there cannot be explained away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from dlsim_ij.optics import Pattern, otf_profile
from dlsim_ij.quality.physics_forward import ComplexArray, FloatArray, Mover

# of the cut-off: how wide the dips of `trust` are
NOTCH, _SIDE_NOTCH = 0.3, 0.12
# of the cut-off: where the curve that undoes the image's filter has its knots
_KNOTS = np.concatenate([np.arange(0.0, 1.45, 0.1), [1.55, 1.7, 1.85, 2.0]])
_STEP = 0.4  # relative change from knot to knot that is expected without evidence
_LOWEST, _HIGHEST = 0.25, 30.0  # of the mean of the curve
_DAMPING = (0.03, 1.0)
# of the strength that the acquisition measured: the illumination does not vanish because an image is wrong
_WEAKEST = 0.5
_STRONGEST = (1.5, 0.6, 0.6)  # w against the mean of band 0; half of the pattern's light at most
_ROUNDS = 3
_BACKFITS = 4
_FRAME_TOLERANCE = 0.1  # of a band's strength: how far a frame may be off
_H_BINS, _G_BINS = 32, 160
_TABLE = 1024


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Raw frames on the compared frequencies, with the place of each in the acquisition."""

    spectra: ComplexArray  # (n_frames, n)
    angles: NDArray[np.intp]  # (n_frames,)
    steps_rad: FloatArray  # (n_frames,)
    variance: float  # of the noise of one transformed pixel
    trusted: FloatArray  # (n,), weight of a frequency: less where the camera's fixed pattern lies

    def separable(self, orders: int) -> bool:
        """Whether every angle that takes part has the phases that separate its bands."""
        counts = np.bincount(self.angles)
        return bool(counts[counts > 0].min() > 2 * orders)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The fitted model, and what it makes of the image."""

    damping: float
    strengths: FloatArray  # (n_angles, orders + 1), counts per unit of the image
    coefficients: ComplexArray  # (n_frames, 2 orders + 1), of the bands, small corrections included
    transfer: FloatArray  # (n,), h
    transfer_table: FloatArray  # h at even steps from 0 to the cut-off
    predicted: ComplexArray  # (n_frames, n)
    knots: FloatArray  # cycles per native pixel
    undo: FloatArray  # g there
    weights: FloatArray  # (n_angles, n), see `trust`

    def undone(self, radius: FloatArray) -> NDArray[np.float32]:
        """Return g at image frequencies."""
        return np.interp(radius, self.knots, self.undo).astype(np.float32)


def trust(fy: FloatArray, fx: FloatArray, pattern: Pattern, cutoff_px: float) -> FloatArray:
    """Return the weight of raw frequencies in the frames of one angle.

    Little at the centre of band 0, where out-of-focus light is, and at the pattern's own frequencies, where
    evenly lit background is: an image may treat both as it likes.
    """
    weight: FloatArray = _dip(np.hypot(fy, fx), NOTCH * cutoff_px)
    for order in range(1, pattern.orders + 1):
        for sign in (1, -1):
            ky, kx = (sign * order * k for k in pattern.frequency_px)
            weight = weight * _dip(
                np.hypot(fy - np.float32(ky), fx - np.float32(kx)), _SIDE_NOTCH * cutoff_px
            )
    return weight


def _dip(radius: FloatArray, width: float) -> FloatArray:
    return 1 - np.exp(-((radius * np.float32(1 / width)) ** 4))


def fit_model(bands: ComplexArray, frames: Frames, mover: Mover, cutoff_px: float) -> Fitted:
    """Fit the model to an image's bands and the frames.

    Parameters
    ----------
    bands : (n_angles, 2 * orders + 1, n) ndarray
        From `Mover.bands`; multiplied with h g in place.
    frames : Frames
    mover : Mover
    cutoff_px : float
        Nominal.
    """
    orders, n_angles = mover.orders, len(bands)
    tables = _Tables(mover, cutoff_px)
    plane = mover.plane
    weights = np.stack([trust(plane.fy, plane.fx, pattern, cutoff_px) for pattern in mover.patterns])
    weights *= frames.trusted
    counts = np.bincount(frames.angles, minlength=n_angles)
    phases = np.exp(1j * np.outer(frames.steps_rad, np.arange(-orders, orders + 1))).astype(np.complex64)
    power = np.stack([tables.of(a, weights[a] * (b.real**2 + b.imag**2)) for a, b in enumerate(bands)])
    damping, strengths = 1.0, _measured(mover)
    undo: FloatArray = np.ones(len(tables.knots))
    h = np.ones(len(plane), np.float32)
    cross: FloatArray = np.zeros_like(power)
    rest = frames.spectra
    # with all phases of an angle its bands separate at once; with fewer, each is what the others leave
    for number in range(1 if frames.separable(orders) else _BACKFITS):
        if number:
            cross, model = tables.explained(power, damping, strengths, undo), np.empty_like(frames.spectra)
            for a, own in enumerate(_members(frames, n_angles)):
                mixed = (phases[own] * _both_sides(strengths[a])).astype(np.complex64)
                model[own] = mixed @ (bands[a] * tables.undone(a, undo)) * h
            rest = frames.spectra - model
        for a, own in enumerate(_members(frames, n_angles)):
            if len(own):
                band = np.conj(phases[own]).T @ rest[own] / len(own)
                cross[a] += tables.of(a, weights[a] * (bands[a].real * band.real + bands[a].imag * band.imag))
        damping, strengths, undo = tables.fit(power, cross, counts, strengths, undo, frames.variance)
        h = otf_profile(plane.radius, cutoff_px, damping).astype(np.float32)
    coefficients = phases * np.stack([_both_sides(strengths[a]) for a in frames.angles]).astype(np.float32)
    predicted = np.empty_like(frames.spectra)
    for a, own in enumerate(_members(frames, n_angles)):
        if not len(own):
            continue
        bands[a] *= tables.undone(a, undo) * h
        coefficients[own] = _corrected(
            bands[a], weights[a], frames.spectra[own], coefficients[own], frames.variance
        )
        predicted[own] = coefficients[own] @ bands[a]
    return Fitted(
        damping=damping, strengths=strengths, coefficients=coefficients, transfer=h,
        transfer_table=otf_profile(np.linspace(0, cutoff_px, _TABLE), cutoff_px, damping),
        predicted=predicted, knots=tables.knots, undo=undo, weights=weights,
    )  # fmt: skip


class _Tables:
    """Sums over frequencies, by what h and g depend on: the fit itself then costs next to nothing."""

    def __init__(self, mover: Mover, cutoff_px: float) -> None:
        self.cutoff_px = cutoff_px
        self.orders = mover.orders
        self.far = cutoff_px + max(p.orders / p.period_px for p in mover.patterns)
        self._weakest = _WEAKEST * _measured(mover)
        self.knots = _KNOTS[: int(np.searchsorted(_KNOTS, self.far / cutoff_px)) + 1] * cutoff_px
        self.h_radius = (np.arange(_H_BINS) + 0.5) / _H_BINS * cutoff_px
        g_radius = (np.arange(_G_BINS) + 0.5) / _G_BINS * self.far
        self.basis = np.stack(
            [np.interp(g_radius, self.knots, row) for row in np.eye(len(self.knots))], axis=1
        )
        radius = mover.plane.radius
        row = np.minimum((radius * np.float32(_H_BINS / cutoff_px)).astype(np.int32), _H_BINS - 1) * _G_BINS
        bands = range(-self.orders, self.orders + 1)
        self._column = np.empty((len(mover.patterns), len(bands), len(radius)), np.int32)
        for a, own in enumerate(self._column):
            for target, b in zip(own, bands, strict=True):
                np.minimum(
                    mover.distance(a, b) * np.float32(_G_BINS / self.far),
                    _G_BINS - 1,
                    out=target,
                    casting="unsafe",
                )
        self._place = self._column + row

    def of(self, angle: int, values: FloatArray) -> FloatArray:
        """Sum (2 M + 1, n) values of an angle; return (M + 1, h bins, g bins), both sides together."""
        size = _H_BINS * _G_BINS
        sums = [
            np.bincount(p, v, size).reshape(_H_BINS, _G_BINS)
            for p, v in zip(self._place[angle], values, strict=True)
        ]
        m = self.orders
        return np.stack([sums[m], *(sums[m + o] + sums[m - o] for o in range(1, m + 1))])

    def undone(self, angle: int, undo: FloatArray) -> NDArray[np.float32]:
        """Return g at each band's image frequencies, (2 M + 1, n)."""
        return (self.basis @ undo).astype(np.float32)[self._column[angle]]

    def explained(
        self, power: FloatArray, damping: float, strengths: FloatArray, undo: FloatArray
    ) -> FloatArray:
        """Return what the model contributes to the table of products with the image."""
        h = otf_profile(self.h_radius, self.cutoff_px, damping)
        return power * h[:, None] * (self.basis @ undo) * strengths[:, :, None, None]

    def fit(
        self, power: FloatArray, cross: FloatArray, counts: NDArray[np.intp],
        strengths: FloatArray, undo: FloatArray, variance: float,
    ) -> tuple[float, FloatArray, FloatArray]:  # fmt: skip
        """Return damping, strengths and g that bring model and frames closest."""
        best: dict[float, tuple[float, FloatArray, FloatArray]] = {}

        def misfit(log_damping: float) -> float:
            h = otf_profile(self.h_radius, self.cutoff_px, float(np.exp(log_damping)))
            own = np.einsum("h,aohg->aog", h**2, power) * counts[:, None, None]
            shared = np.einsum("h,aohg->aog", h, cross) * counts[:, None, None]
            _, w, g = min(best.values(), key=lambda one: one[0], default=(0.0, strengths, undo))
            for _ in range(_ROUNDS):
                w, g = self._alternate(own, shared, w, g, variance)
            curve = self.basis @ g
            model = w[:, :, None] * curve
            loss = float((model * model * own - 2 * model * shared).sum())
            best[log_damping] = (loss, w, g)
            return loss

        scipy.optimize.minimize_scalar(
            misfit, bounds=tuple(np.log(_DAMPING)), method="bounded", options={"xatol": 0.15, "maxiter": 8}
        )
        log_damping = min(best, key=lambda key: best[key][0])
        return float(np.exp(log_damping)), best[log_damping][1], best[log_damping][2]

    def _alternate(
        self, own: FloatArray, shared: FloatArray, w: FloatArray, g: FloatArray, variance: float
    ) -> tuple[FloatArray, FloatArray]:
        curve = self.basis @ g
        up, down = shared @ curve, own @ curve**2
        fitted = up / np.where(down > 0, down, np.inf)
        seen = own.any(axis=(1, 2))  # angles that take part
        mean = float(fitted[seen, 0].mean())
        if mean > 0:
            w = np.clip(fitted / mean, self._weakest, _STRONGEST[: w.shape[1]])
        level = (np.einsum("ao,aog->g", w**2, own), np.einsum("ao,aog->g", w, shared))
        matrix = self.basis.T @ (self.basis * level[0][:, None])
        target = self.basis.T @ level[1]
        flat = float(level[1].sum() / level[0].sum())
        if not flat > 0:
            return w, np.zeros_like(g)
        slope = (
            np.diff(np.eye(len(g)), axis=0) / (_STEP * np.maximum((g[1:] + g[:-1]) / 2, 0.25 * flat))[:, None]
        )
        matrix += variance / 2 * slope.T @ slope
        low, high = _LOWEST * flat, _HIGHEST * flat
        return w, _bounded(matrix, target, low, high)


def _bounded(matrix: FloatArray, target: FloatArray, low: float, high: float) -> FloatArray:
    """Solve a small linear system; what leaves the bounds is held there, and the rest solved again."""
    values = np.linalg.solve(matrix, target)
    held = np.zeros(len(values), bool)
    while True:
        outside = (values < low) | (values > high)
        if not outside.any():
            return values
        values = np.clip(values, low, high)
        held |= outside
        free = ~held
        if free.any():
            rest = target[free] - matrix[np.ix_(free, held)] @ values[held]
            values[free] = np.linalg.solve(matrix[np.ix_(free, free)], rest)


def _measured(mover: Mover) -> FloatArray:
    """Return strengths as the acquisition measured them, (n_angles, orders + 1)."""
    strengths = np.zeros((len(mover.patterns), mover.orders + 1))
    strengths[:, 0] = 1
    for row, pattern in zip(strengths, mover.patterns, strict=True):
        row[1 : pattern.orders + 1] = np.clip(np.array(pattern.modulation) / 2, 0, 0.5)
    return strengths


def _members(frames: Frames, n_angles: int) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(frames.angles == a) for a in range(n_angles)]


def _both_sides(strengths: FloatArray) -> FloatArray:
    """Return the strengths of the bands -M .. M."""
    return np.concatenate([strengths[:0:-1], strengths])


def _corrected(
    bands: ComplexArray,
    weight: FloatArray,
    spectra: ComplexArray,
    coefficients: ComplexArray,
    variance: float,
) -> ComplexArray:
    """Let brightness, strength and phase of each frame depart a little from the common ones."""
    orders = len(bands) // 2
    weighted = np.conj(bands) * weight
    gram = (weighted @ bands.T).astype(np.complex128)
    target = (weighted @ spectra.T).astype(np.complex128)
    out = coefficients.copy()
    for number, own in enumerate(coefficients.astype(np.complex128)):
        columns = np.zeros((len(own), len(own)), np.complex128)
        columns[orders, 0] = own[orders]
        for m in range(1, orders + 1):
            for sign in (1, -1):
                columns[orders + sign * m, 2 * m - 1] = own[orders + sign * m]
                columns[orders + sign * m, 2 * m] = sign * 1j * own[orders + sign * m]
        matrix = (columns.conj().T @ gram @ columns).real
        matrix += variance / (2 * _FRAME_TOLERANCE**2) * np.eye(len(own))
        change = np.linalg.solve(matrix, (columns.conj().T @ (target[:, number] - gram @ own)).real)
        out[number] = own + columns @ change
    return out
