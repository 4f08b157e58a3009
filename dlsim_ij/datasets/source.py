"""What the training loop asks of any source of samples, and the way from a name to a source."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@runtime_checkable
class SampleSource(Protocol):
    """Training samples, drawn by number; the loop owns the order and the random generator.

    Drawing is a pure function of indices and generator: a resumed run draws the same samples again.

    What a source may have besides, and what holds without it:

    - `out_channels`: channels of the targets; 1.
    - `output_names`: tuple of names of the first outputs, which the final table scores; the first output.
    - `patch_px`: side of the inputs that `batch` returns; the configuration's.
    - `view_channels`: tuple of input channels whose mean a person should be shown; all.
    - ``test()``: like `validation`, of fields that serve neither for training nor for choosing weights.
    - `one_group_one_field`: True if the samples of a group are tiles of one field and so resemble each
      other; then confidence intervals are taken over groups.
    - ``start_epoch(epoch)``: called before every step, for a source that renews its samples.
    - ``close()``: called at the end of a run, for a source with processes of its own.
    """

    in_channels: int
    scale: int  # side of the target over side of the input

    def __len__(self) -> int:
        """Return the number of training samples; an epoch visits each once."""
        ...

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return inputs (B, C, h, w) and targets (B, K, s*h, s*w), float32, normalised.

        Crops and augmentation draw from `rng` and from nothing else.
        """
        ...

    def validation(self) -> Iterator[tuple[Tensor, Tensor, str]]:
        """Yield the same inputs (B, C, h, w), targets and group name every time.

        The group names what belongs together in a table: a structure, a light level.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what the model card must tell about the data, as JSON values.

        Under the key "card": the fields of `dlsim_ij.bundles.card.ModelCard` that only the data know,
        `frames`, `input`, `normalisation`, `pixel_size_um`, `optics`. Without `frames` no one can
        predict with the model. All other keys become its `training.data`.
        """
        ...


def samples_of_test(source: SampleSource) -> Iterator[tuple[Tensor, Tensor, str]]:
    """Yield the test samples of a source; none if it has no test part."""
    test = getattr(source, "test", None)
    if test is not None:
        yield from test()


def close_source(source: SampleSource) -> None:
    """End the processes of a source, if it has some."""
    getattr(source, "close", lambda: None)()


# Each module has `make_source(options, *, patch_px, seed) -> SampleSource`, which validates `options`.
_KINDS = {
    "simulated": "dlsim_ij.datasets.simulated",
    "like": "dlsim_ij.datasets.like",
    "blinking": "dlsim_ij.datasets.blinking_pairs",
    "prepared": "dlsim_ij.datasets.pairs",
    "mixed": "dlsim_ij.datasets.mixed",
}


def make_source(kind: str, options: Mapping[str, Any], *, patch_px: int, seed: int) -> SampleSource:
    """Make the source of a training configuration.

    Parameters
    ----------
    kind : {"simulated", "like", "blinking", "prepared", "mixed"}
        Samples from the simulator, from the simulator set to a user's stacks, from that of blinking samples,
        from a folder that ``dlsim prepare`` wrote, or from several of those.
    options : mapping
        Settings of that kind, validated there.
    patch_px : int
        Side of a training input, in input pixels.
    seed : int
        Seed of whatever the source makes once, as simulated fields.

    Raises
    ------
    DataError
        The kind is unknown, or the data are unusable.
    ConfigError
        An option is unknown or out of range.
    """
    if kind not in _KINDS:
        raise DataError(f"no kind of training data is called '{kind}'", did_you_mean(kind, _KINDS))
    module = importlib.import_module(_KINDS[kind])
    source: SampleSource = module.make_source(options, patch_px=patch_px, seed=seed)
    return source
