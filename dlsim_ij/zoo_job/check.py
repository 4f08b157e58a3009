"""Is a package what it says: bioimageio.core's own test, and the same pixels as ours."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlsim_ij.errors import ConfigError, ModelError
from dlsim_ij.results import Result

SAME_PIXELS = 1e-4  # of the largest value of a channel: float32 sums in another order give some 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooTest(Result):
    """A test that passed.

    Attributes
    ----------
    status : str
        "passed", in the words of bioimageio.core.
    checks : tuple of str
        What it tested.
    largest_difference : dict of str to float
        For each kind of weights: largest difference between its output and ours on the test input, in units
        of the largest value of that output channel.
    tolerance : float
        What `largest_difference` may be.
    """

    status: str
    checks: tuple[str, ...]
    largest_difference: dict[str, float]
    tolerance: float = SAME_PIXELS


def require_bioimageio() -> None:
    """Raise `ConfigError` unless bioimageio.core is installed."""
    if importlib.util.find_spec("bioimageio") is None or importlib.util.find_spec("bioimageio.core") is None:
        raise ConfigError(
            "the test of the package needs bioimageio.core, which is not installed",
            "pip install 'dlsim-ij[bmz]', or write the package untested with --no-test",
        )


def check_package(path: Path) -> ZooTest:
    """Test a package as ``bioimageio test`` does, and run every kind of weights in it.

    Nothing is asked of the network. Weights are read by bioimageio's own loaders.

    Parameters
    ----------
    path : pathlib.Path
        The zip.

    Raises
    ------
    ConfigError
        bioimageio.core is not installed.
    ModelError
        The test failed; the message has its first reasons.
    """
    require_bioimageio()
    with _quietly():
        from bioimageio.core import load_model_description, test_description

        summary = test_description(str(path), expected_type="model", devices=["cpu"])
        if summary.status != "passed":
            raise ModelError(
                f"the package does not pass bioimageio's test: {_reasons(summary.details)}",
                "look into it yourself: --no-test writes it, 'bioimageio test FILE' tells all",
            )
        differences = _differences(load_model_description(str(path)))
    for kind, difference in differences.items():
        if not difference <= SAME_PIXELS:
            raise ModelError(
                f"run by bioimageio.core, the {kind} weights differ from dlsim by {difference:.2g} of the "
                f"image's largest value, more than {SAME_PIXELS:g}",
                "tell the developers: the network does not trace as it runs",
            )
    return ZooTest(
        status=summary.status,
        checks=tuple(dict.fromkeys(detail.name for detail in summary.details)),
        largest_difference=differences,
    )


def _differences(model: Any) -> dict[str, float]:
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.core.digest_spec import get_test_input_sample, get_test_output_sample

    expected = get_test_output_sample(model).members["images"].data.to_numpy()
    largest = np.abs(expected).max(axis=(0, 2, 3), keepdims=True)
    found = {}
    for kind, weights in model.weights:
        if weights is None:
            continue
        pipeline = create_prediction_pipeline(model, weights_format=kind, devices=["cpu"])
        with pipeline as ready:
            answer = ready.predict_sample_without_blocking(
                get_test_input_sample(model), skip_input_padding=True, skip_output_cropping=True
            )
        image = answer.members["images"].data.to_numpy()
        found[kind] = float((np.abs(image - expected) / np.maximum(largest, 1e-12)).max())
    return found


def _reasons(details: Any) -> str:
    texts = [
        f"{'.'.join(map(str, error.loc)) or detail.name}: {error.msg}"
        for detail in details
        for error in detail.errors
    ]
    return "; ".join(" ".join(text.split())[:200] for text in texts[:3]) or "it gives no reason"


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence these libraries: progress for terminals, and warnings about their own parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from loguru import logger

        logger.disable("bioimageio")
        try:
            yield
        finally:
            logger.enable("bioimageio")
