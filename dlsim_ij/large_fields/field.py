"""One stack whose field is larger than the memory, to an image whose parts are written as they are made."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.checks import bleaching_and_flicker, notices
from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.pattern_fourier import moved_origin
from dlsim_ij.acquisition.single_frames import fit_single_frames
from dlsim_ij.datasets.inputs import input_kind, input_kinds
from dlsim_ij.errors import ImageError, LayoutError, ModelError
from dlsim_ij.images import undo_enlargement
from dlsim_ij.images.region_write import RegionWriter
from dlsim_ij.large_fields.blocks import FOURIER_MARGIN_PX, Block, plan_blocks, plan_windows
from dlsim_ij.large_fields.pattern import (
    LIMIT_RAD,
    MeasuredPhases,
    measure_phases,
    one_pattern,
    phases_of_blocks,
)
from dlsim_ij.large_fields.stacks import StackSource
from dlsim_ij.large_fields.survey import CELL_PX, survey_field
from dlsim_ij.optics import Optics, Pattern

if TYPE_CHECKING:
    from dlsim_ij.inference import Model, Prediction

logger = logging.getLogger(__name__)

Notice = tuple[str, str]
Turn = NDArray[np.floating] | None  # of the phases of a block
Progress = Callable[[int, int], None]

WINDOW_PX = 512  # as large as a pattern is fitted on anywhere
# The standard deviation is stretched by one number for the whole field, or its map would have steps: the mean
# over so many of the blocks with the most detail.
_STRETCHED_BY = 9
_TRIED = 3  # windows that may show a regular illumination before there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSettings:
    """What does not change from stack to stack; see `dlsim_ij.pipeline.reconstruct`."""

    model: Model
    target: str | None
    optics: Optics
    block_px: int
    tile_px: int | None
    threads: int | None
    force: bool


def check_model(model: Model, denoiser: Model | None) -> None:
    """Refuse networks that need the whole field at once.

    Raises
    ------
    ModelError
    """
    if denoiser is not None:
        raise ModelError(
            "a field that is computed in blocks goes through one network only",
            "leave --denoiser away, or cut the field",
        )
    if model.card.batchnorm == "per-image":
        raise ModelError(
            f"the model '{model.name}' normalises by the whole image and cannot work on blocks",
            "load it with BatchNorm in the mode 'running' (--batchnorm running), or cut the field",
        )


def predict_field(
    stacks: StackSource,
    number: int,
    settings: FieldSettings,
    writers: Callable[[], Mapping[str, RegionWriter]],
    *,
    known: Sequence[Pattern] | None = None,
    progress: Progress | None = None,
) -> list[Notice]:
    """Predict one stack block by block.

    Parameters
    ----------
    stacks : StackSource
    number : int
        Of the stack; also of the plane that is written.
    settings : FieldSettings
    writers : callable
        Gives those of ``output``, and of ``uncertainty`` if it is wanted; called when the field is known to
        be in order, as to make a large file takes its time.
    known : sequence of Pattern, optional
        Calibration, as for `detect_acquisition`.
    progress : callable, optional
        Called with the number of blocks done and of all.

    Returns
    -------
    list of (str, str)
        What was seen, and what to do.

    Raises
    ------
    ImageError, LayoutError, ModelError
        As `reconstruct` does, from what is seen in a part of the field.
    """
    with scipy.fft.set_workers(settings.threads or os.cpu_count() or 1):
        field = _Field(stacks, number, settings, known)
        return field.predict(writers(), progress)


class _Field:
    def __init__(
        self, stacks: StackSource, number: int, settings: FieldSettings, known: Sequence[Pattern] | None
    ) -> None:
        self._stacks, self._number, self._settings = stacks, number, settings
        self._window = (min(WINDOW_PX, stacks.height), min(WINDOW_PX, stacks.width))
        self._survey = survey_field(stacks, number, self._used(list(range(stacks.n_frames))))
        corners = plan_windows(self._survey.detail, CELL_PX, stacks.height, stacks.width, min(self._window))
        self._corners = corners
        self._found, corner = self._acquisition(corners, known)
        self._order = list(self._found.permutation) or list(range(stacks.n_frames))
        if self._used(self._order) != self._used(list(range(stacks.n_frames))):
            # --force: other frames than thought are the first of their angles
            self._survey = survey_field(stacks, number, self._used(self._order))
        start = [moved_origin(pattern, corner) for pattern in self._found.patterns]
        self._pattern = one_pattern(start, self._phases(corners, start))
        if not self._pattern.is_one:
            self._pattern = dataclasses.replace(self._pattern, patterns=tuple(start))

    def predict(self, writers: Mapping[str, RegionWriter], progress: Progress | None) -> list[Notice]:
        model, stacks = self._settings.model, self._stacks
        enlargement = int(model.card.input.get("enlargement", 1))
        radius = cast(int, model.network.receptive_radius_px)
        margin = -(-radius // enlargement) + FOURIER_MARGIN_PX
        blocks = plan_blocks(
            stacks.height, stacks.width, self._settings.block_px, margin, model.card.side_multiple
        )
        logger.info(
            "%s: %d x %d pixels in %d blocks of %d", stacks.attributes.get("name"), stacks.height,
            stacks.width, len(blocks), self._settings.block_px,
        )  # fmt: skip
        turns = self._turns([block.read for block in blocks])
        stretch = self._stretch(blocks, turns) if "uncertainty" in writers else None
        for done, (block, turn) in enumerate(zip(blocks, turns, strict=True), start=1):
            made = self._predicted(block, turn, stretch)
            columns = block.read[1]
            scale = made.image.shape[-1] // (columns.stop - columns.start)
            images = {"output": made.image, "uncertainty": made.uncertainty}
            for role, writer in writers.items():
                image = images[role]
                assert image is not None
                core = image[block.rows.core(scale), block.columns.core(scale)]
                top, left = block.rows.output(scale).start, block.columns.output(scale).start
                writer.write(self._number, top, left, core)
            if progress is not None:
                progress(done, len(blocks))
        return self._notices()

    def _stretch(self, blocks: Sequence[Block], turns: Sequence[Turn]) -> float:
        """Return what the network's half widths are multiplied with."""
        from dlsim_ij.inference.calibration import is_calibrated

        if not is_calibrated(self._settings.model.card):
            return 1.0
        middles = [(y + self._window[0] // 2, x + self._window[1] // 2) for y, x in self._corners]
        chosen = {
            number: None
            for y, x in middles
            for number, block in enumerate(blocks)
            if block.rows.core_start <= y < block.rows.core_stop
            and block.columns.core_start <= x < block.columns.core_stop
        }
        factors = [self._predicted(blocks[n], turns[n], None).stretch for n in list(chosen)[:_STRETCHED_BY]]
        return float(np.exp(np.mean(np.log(factors))))

    def _predicted(self, block: Block, turn: Turn, stretch: float | None) -> Prediction:
        from dlsim_ij.inference import predict

        rows, columns = block.read
        made = predict(
            self._settings.model, self._stacks.read(self._number, rows, columns, self._order),
            target=self._settings.target, patterns=self._pattern.at((rows.start, columns.start), turn),
            optics=self._settings.optics, tile_px=self._settings.tile_px, threads=self._settings.threads,
            levels=self._survey.levels, stretch=stretch,
        )  # fmt: skip
        if made.image.ndim != 2:
            raise ModelError(
                f"the model '{self._settings.model.name}' gives {len(made.image)} frames, no finer image",
                "put it before a model that makes one: dlsim predict --model SIM --denoiser SNR",
            )
        return made

    def _used(self, order: list[int]) -> list[int]:
        """Return the frames that the network looks at."""
        card, stacks = self._settings.model.card, self._stacks
        kind = card.input["kind"]
        if kind in input_kinds() and input_kind(kind).one_per_angle and stacks.n_phases > 1:
            return order[:: stacks.n_phases]
        return order

    def _acquisition(
        self, corners: list[tuple[int, int]], known: Sequence[Pattern] | None
    ) -> tuple[Acquisition, tuple[int, int]]:
        """Find out what the stack is, in the window with most detail that shows it."""
        tried: list[tuple[Acquisition, tuple[int, int]]] = []
        for corner in corners[:_TRIED]:
            frames = self._read(corner)
            if undo_enlargement(frames).was_enlarged:
                raise ImageError(
                    "the frames were enlarged before; in a field computed in blocks this is not undone",
                    "give the frames as the camera wrote them",
                )
            tried.append((self._detected(frames, known), corner))
            if tried[-1][0].fit:
                return tried[-1]
        if not self._settings.force:
            message, hint = tried[0][0].warnings[0]
            raise LayoutError(message, f"{hint} (--force goes on nevertheless)")
        return tried[0]

    def _detected(self, frames: NDArray[Any], known: Sequence[Pattern] | None) -> Acquisition:
        optics, stacks = self._settings.optics, self._stacks
        if stacks.n_phases > 1:
            return detect_acquisition(
                frames, optics.pixel_size_um, optics=optics, n_angles=stacks.n_angles,
                n_phases=stacks.n_phases, known=known,
            )  # fmt: skip
        if known is None:
            raise LayoutError(
                "one frame of each angle does not tell its own illumination pattern",
                "give that of a whole stack of the same session: --parameters FILE of dlsim recon",
            )
        fitted = fit_single_frames(self._signal(frames, list(range(len(frames)))), optics, known=known)
        return Acquisition(
            n_angles=stacks.n_angles, n_phases=1, order="angle-major", optics=optics, warnings=(), fit=True,
            patterns=tuple(fitted),
        )  # fmt: skip

    def _read(self, corner: tuple[int, int], order: list[int] | None = None) -> NDArray[Any]:
        rows = slice(corner[0], min(self._stacks.height, corner[0] + self._window[0]))
        columns = slice(corner[1], min(self._stacks.width, corner[1] + self._window[1]))
        return self._stacks.read(self._number, rows, columns, order)

    def _signal(self, frames: NDArray[Any], order: list[int]) -> NDArray[np.float32]:
        """Return frames above the offset, brought to the brightness that they have over the whole field."""
        means = self._survey.means[order] - self._survey.offset
        signal = frames.astype(np.float32) - np.float32(self._survey.offset)
        gains = np.clip(means.mean() / np.where(means > 0, means, means.mean() or 1.0), 0.2, 5.0)
        signal *= gains.astype(np.float32)[:, None, None]
        return signal

    def _phases(self, corners: Sequence[tuple[int, int]], patterns: Sequence[Pattern]) -> MeasuredPhases:
        def read(corner: tuple[int, int]) -> NDArray[np.float32]:
            return self._signal(self._read(corner, self._order), self._order)

        return measure_phases(read, corners, patterns, self._settings.optics)

    def _turns(self, reads: list[tuple[slice, slice]]) -> Sequence[Turn]:
        """Return the phases of every block against the pattern, None where one pattern is enough."""
        if self._pattern.is_one:
            return [None] * len(reads)
        sides = self._stacks.height, self._stacks.width
        corners = [
            tuple(
                max(0, min((part.start + part.stop - window) // 2, side - window))
                for part, window, side in zip(read, self._window, sides, strict=True)
            )
            for read in reads
        ]
        across = len({columns.start for _, columns in reads})
        measured = self._phases([(y, x) for y, x in corners], self._pattern.patterns)
        return list(phases_of_blocks(measured, len(reads) // across, across).reshape(len(reads), -1))

    def _notices(self) -> list[Notice]:
        """Say what was seen: in the window, and of saturation and bleaching in the whole field."""
        found, told = self._found, []
        checks = found.checks
        seen = list(found.warnings)
        if checks is not None:
            own = notices(checks, self._window[0] * self._window[1])
            bleaching, flicker = bleaching_and_flicker(self._survey.means - self._survey.offset)
            whole = dataclasses.replace(
                checks, saturated=self._survey.saturated, bleaching=bleaching, flicker=flicker
            )
            told = notices(whole, self._window[0] * self._window[1])
            seen = [notice for notice in seen if notice not in own]
        if not self._pattern.is_one:
            told.append((
                "One illumination pattern does not hold for the whole field (phases differ from it by "
                f"{np.degrees(self._pattern.left_over_rad):.0f} degrees, {np.degrees(LIMIT_RAD):.0f} are "
                "allowed); every block was given its own phases, and blocks may not fit together at their "
                "borders.",
                "Is it a mosaic of several fields? Give them one by one, and stitch the results.",
            ))  # fmt: skip
        return [*seen, *told]
