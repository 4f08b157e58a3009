"""How far a network's half widths are stretched before they become a standard deviation.

A network learns the width of its intervals over all fields at once. In a single field they come out too wide
where structures are sparse or the light is more than it was trained for, too narrow where filaments are
dense: what a field is like as a whole lies beyond the reach of a pixel. Three numbers of the whole field tell
most of it, and a factor made of them corrects it. Its coefficients stand in the card and were fitted by
pinball regression (Koenker & Bassett, Econometrica 46, 33 (1978)) on simulated fields of their own
(``benchmarks/calibrate_intervals.py``). The factor is one number for one image of a field, made from the
finished image, so tiles do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.bundles.card import Calibration, ModelCard
from dlsim_ij.datasets.inputs import input_kind, input_kinds
from dlsim_ij.errors import ModelError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

_SMALLEST = 1e-6  # of the normalised range: the logarithm of an empty field's numbers stays finite
# median of the absolute differences below of white noise of standard deviation 1: 6 x 0.6745
_NOISE_MEDIAN = 6 * 0.674490


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNumbers(Result):
    """What a field is like as a whole, each the natural logarithm of a number in units of its own scale.

    Attributes
    ----------
    noise : float
        Of the mean frame: standard deviation of the noise of a pixel.
    density : float
        Of an image: mean absolute value. How much of the field is bright.
    grain : float
        Of an image: mean absolute difference of neighbours over the standard deviation. How fine it is.
    """

    noise: float
    density: float
    grain: float


def field_numbers(image: FloatArray, mean_frame: FloatArray) -> FieldNumbers:
    """Measure a field.

    Parameters
    ----------
    image : (Y, X) ndarray
        What the network made of it, normalised.
    mean_frame : (Y, X) ndarray
        Mean of the frames the network saw, normalised.

    Returns
    -------
    FieldNumbers
        The noise is the median of absolute second differences along both axes (Immerkaer, Comput. Vis. Image
        Underst. 64, 300 (1996), with a median for its mean, that hot pixels cannot move); of a bright field
        it also holds what fine structure looks like noise.
    """
    along = mean_frame[:-2] - 2 * mean_frame[1:-1] + mean_frame[2:]
    both = along[:, :-2] - 2 * along[:, 1:-1] + along[:, 2:]
    steps = (np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()) / 2
    return FieldNumbers(
        noise=_log(np.median(np.abs(both)) / _NOISE_MEDIAN),
        density=_log(np.abs(image).mean()),
        grain=_log(steps / max(float(image.std()), _SMALLEST)),
    )


def _log(value: float) -> float:
    return float(np.log(max(float(value), _SMALLEST)))


def stretch(calibration: Calibration, number: int, field: FieldNumbers) -> float:
    """Return the factor for one image of a field.

    Parameters
    ----------
    calibration : Calibration
        Of the card.
    number : int
        Which of the model's images it is.
    field : FieldNumbers
        Outside the range of the fields of the fit, the nearest value inside counts.

    Returns
    -------
    float
        Above 0.
    """
    terms = calibration.images[number]
    inside = {name: min(max(getattr(field, name), low), high) for name, (low, high) in terms.ranges.items()}
    return float(
        np.exp(
            terms.constant
            + terms.noise * inside["noise"]
            + terms.density * inside["density"]
            + terms.grain * inside["grain"]
        )
    )


def is_calibrated(card: ModelCard) -> bool:
    """Tell whether the half widths of a model are stretched at all."""
    return card.interval is not None and card.interval.calibration is not None


def half_width_stretch(card: ModelCard, channels: FloatArray, image: FloatArray, number: int) -> float:
    """Return the factor that a card wants for the half widths of one image.

    Parameters
    ----------
    card : ModelCard
        Without a calibration: 1.
    channels : (C, Y, X) ndarray
        The network's normalised input.
    image : (Y, X) ndarray
        The whole image that it made of them, normalised.
    number : int
        Which of the model's images it is.

    Raises
    ------
    ModelError
        The card has a calibration that does not fit its model.
    """
    if card.interval is None or card.interval.calibration is None:
        return 1.0
    kind = card.input.get("kind")
    images = card.interval.calibration.images
    if kind not in input_kinds() or number >= len(images):
        raise ModelError(
            f"the calibration of the intervals in the card of '{card.name}' is not for this model",
            "was model.json edited? take interval.calibration out of it",
        )
    mean_frame = channels[input_kind(str(kind)).frames].mean(axis=0)
    return stretch(card.interval.calibration, number, field_numbers(image, mean_frame))
