"""Scalars and pictures for TensorBoard, which is an extra."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import ConfigError
from dlsim_ij.training.validation import Validation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def require_tensorboard() -> None:
    """Refuse to start without the package.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            "TensorBoard is not installed", 'pip install "dlsim-ij[tensorboard]", or set tensorboard=false'
        )


class TensorBoard:
    """Writes the rows of a history and the sample pictures as events.

    Parameters
    ----------
    folder : pathlib.Path
        Of the event files; every start of a run adds one.
    step : int
        Where this start goes on: what an earlier one wrote of later steps is not shown.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder), purge_step=step + 1)

    def row(self, values: Mapping[str, float | int | None], found: Validation | None) -> None:
        """Add a row of the history, and the means of every group."""
        step = values["step"]
        for name, value in values.items():
            if name not in ("step", "seconds") and value is not None:
                self.writer.add_scalar(name, value, step)
        for group, means in (found.groups if found else {}).items():
            for name, mean in means.items():
                self.writer.add_scalar(f"{name}/{group}", mean, step)

    def picture(self, step: int, picture: NDArray[np.uint8]) -> None:
        """Add the sample pictures."""
        self.writer.add_image("samples", picture, step, dataformats="HW")

    def flush(self) -> None:
        """Bring everything to disk."""
        self.writer.flush()

    def close(self) -> None:
        """Bring everything to disk and let go of the file."""
        self.writer.close()
