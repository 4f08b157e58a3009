"""What a run writes down as it goes: two tables, pictures, TensorBoard, and news for the progress display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from dlsim_ij.training.history import VALIDATION_COLUMNS, History
from dlsim_ij.training.pictures import SamplePictures
from dlsim_ij.training.run_folder import RunFolder
from dlsim_ij.training.settings import TrainingConfig
from dlsim_ij.training.tensorboard import TensorBoard
from dlsim_ij.training.validation import Validation

if TYPE_CHECKING:
    from dlsim_ij.datasets.source import SampleSource


class Record:
    """The open files of a run.

    Parameters
    ----------
    config : TrainingConfig
        Says which of them are wanted.
    folder : RunFolder
        Where they are.
    source : SampleSource
        Of the samples that are drawn.
    step : int
        Steps done before this start; rows of later ones are cut off, they will be written again.
    """

    def __init__(self, config: TrainingConfig, folder: RunFolder, source: SampleSource, step: int) -> None:
        self.config = config
        self.history = History(folder.history, last_step=step)
        self.validations = History(folder.validations, last_step=step, columns=VALIDATION_COLUMNS)
        self.pictures = SamplePictures(folder.samples, source, config.sample_pictures)
        self.board = TensorBoard(folder.tensorboard, step) if config.tensorboard else None

    def row(self, values: Mapping[str, float | int | None], found: Validation | None) -> None:
        """Add a row to the history and, after a validation, one per group to ``validations.csv``."""
        self.history.append(values)
        for group, means in (found.groups if found else {}).items():
            self.validations.append({"step": values["step"], "group": group, **means})
        if self.board is not None:
            self.board.row(values, found)

    def draw(self, step: int, network: nn.Module, device: torch.device) -> None:
        """Draw the sample pictures with the weights that count."""
        picture = self.pictures.draw(step, network, device=device, batchnorm=self.config.batchnorm)
        if picture is not None and self.board is not None:
            self.board.picture(step, picture)
            self.board.flush()

    def close(self) -> None:
        """Let go of the files."""
        if self.board is not None:
            self.board.close()
