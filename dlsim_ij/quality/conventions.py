"""PSNR and NRMSE as different groups define them, each with the scaling under which its SSIM is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlsim_ij.quality.inputs import FloatImage
from dlsim_ij.quality.intensity import fit_scaled
from dlsim_ij.quality.ssim import Scaling

IDENTICAL_DB = 200.0  # the highest PSNR given: an error below 1e-10 of the range is rounding
SEED_IDENTICAL_DB = 100.0  # what the seed's scripts give
SEED_QUANTILES = (0.01, 0.998)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Two of a convention's three numbers, and how to take the third."""

    psnr_db: float
    nrmse: float
    scaling: Scaling  # of the images that :class:`Pair` holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Truth and image, each brought to 0..1: the original is its range times that plus its minimum."""

    truth: FloatImage
    image: FloatImage
    truth_range: float
    truth_minimum: float
    image_range: float
    image_minimum: float

    @classmethod
    def of(cls, truth: FloatImage, image: FloatImage) -> Pair:
        """Scale two checked images."""
        scaled = []
        for pixels in (truth, image):
            low = float(pixels.min())
            span = float(pixels.max()) - low
            unit = pixels - low
            unit /= span
            scaled.append((unit, span, low))
        (t, t_range, t_low), (i, i_range, i_low) = scaled
        return cls(
            truth=t,
            image=i,
            truth_range=t_range,
            truth_minimum=t_low,
            image_range=i_range,
            image_minimum=i_low,
        )

    def fair(self, data_range: float | None = None) -> Measured:
        """Image after the best gain and offset; unit: the range of the truth, or the one that is given."""
        gain, offset = fit_scaled(self.image, self.truth)
        data_range = 1.0 if data_range is None else data_range / self.truth_range
        nrmse = _rms(gain * self.image + offset - self.truth) / data_range
        pedestal = self.truth_minimum / self.truth_range
        return Measured(
            psnr_db=decibels(nrmse),
            nrmse=nrmse,
            scaling=Scaling(
                truth_offset=pedestal,
                image_gain=gain,
                image_offset=offset + pedestal,
                data_range=data_range,
            ),
        )

    def seed(self) -> Measured | None:
        """Each stretched by its quantiles, then divided by its maximum; None: the quantiles are equal."""
        low, high = np.quantile(self.truth, SEED_QUANTILES)
        image_low, image_high = np.quantile(self.image, SEED_QUANTILES)
        if not (high > low and image_high > image_low):
            return None
        gain, image_gain = 1 / float(high - low), 1 / float(image_high - image_low)
        offset, image_offset = -float(low) * gain, -float(image_low) * image_gain
        # the 99.8 % quantile is 1 now, so both maxima are at least 1
        maximum, image_maximum = gain + offset, image_gain + image_offset
        truth = gain * self.truth + offset
        image = image_gain * self.image + image_offset
        nrmse = _rms(truth - image) / float(truth.std())
        truth /= maximum
        image /= image_maximum
        rms = _rms(truth - image)
        ratio = maximum / image_maximum
        return Measured(
            psnr_db=-20 * float(np.log10(rms)) if rms else SEED_IDENTICAL_DB,
            nrmse=nrmse,
            scaling=Scaling(
                truth_gain=gain,
                truth_offset=offset,
                image_gain=image_gain * ratio,
                image_offset=image_offset * ratio,
                data_range=maximum,
            ),
        )

    def dfcan(self) -> Measured:
        """Each from its minimum to its maximum; SSIM with the range 2 that scikit-image took for floats."""
        rms = _rms(self.truth - self.image)
        return Measured(psnr_db=decibels(rms), nrmse=rms / _rms(self.truth), scaling=Scaling(data_range=2.0))

    def skimage(self) -> Measured:
        """Pixels as they are; unit: the range of the truth."""
        pedestal = self.truth_minimum / self.truth_range
        gain, offset = self.image_range / self.truth_range, self.image_minimum / self.truth_range
        truth = self.truth + pedestal
        rms = _rms(gain * self.image + offset - truth)
        return Measured(
            psnr_db=decibels(rms),
            nrmse=rms / _rms(truth),
            scaling=Scaling(truth_offset=pedestal, image_gain=gain, image_offset=offset),
        )


def decibels(rms: float) -> float:
    """Return the PSNR of an error in units of the range, at most 200 dB."""
    return -20 * float(np.log10(max(rms, 10 ** (-IDENTICAL_DB / 20))))


def _rms(difference: FloatImage) -> float:
    flat = difference.ravel()
    return float(np.sqrt(np.vdot(flat, flat) / flat.size))
