"""Pictures of a few validation samples as training goes: input, prediction, target, error.

Drawn with Pillow, since a figure of matplotlib would take a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlsim_ij.files import atomic_path, make_folder
from dlsim_ij.networks.blocks import BatchNormMode
from dlsim_ij.training.evaluation import evaluating
from dlsim_ij.training.validation import psnr_db

if TYPE_CHECKING:
    from PIL import ImageFont

    from dlsim_ij.datasets.source import SampleSource

Image = NDArray[np.floating]

_MOST_KEPT = 32  # samples in memory while they are chosen; a tile of 15 x 256 x 256 takes 4 MB
_PANEL_PX = 256  # larger images are cut to their middle, smaller ones enlarged
_TITLE_PX, _GAP_PX = 20, 4
_ERROR_SHARE = 0.25  # of the target's range: an error as large as this is white


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One validation sample, kept for the whole run."""

    inputs: Tensor  # (1, C, h, w)
    target: Tensor  # (1, K, s*h, s*w)
    group: str


def choose_samples(source: SampleSource, count: int) -> list[Sample]:
    """Return the first sample of up to `count` groups, spread evenly over all groups."""
    kept: list[Sample] = []
    groups: set[str] = set()
    every = 1
    for inputs, targets, group in source.validation():
        if group in groups:
            continue
        if len(groups) % every == 0:
            kept.append(Sample(inputs=inputs[:1].clone(), target=targets[:1].clone(), group=group))
        groups.add(group)
        if len(kept) > _MOST_KEPT:
            kept, every = kept[::2], 2 * every
    places = np.linspace(0, len(kept) - 1, min(count, len(kept))).round().astype(int)
    return [kept[place] for place in places]


class SamplePictures:
    """Draws the same samples whenever it is asked, into ``step_XXXXXX.png`` and ``latest.png``.

    Parameters
    ----------
    folder : pathlib.Path
        Made when the first picture is drawn.
    source : SampleSource
        Of the samples; its `view_channels` say which input channels are shown, as their mean.
    count : int
        How many samples; 0 draws nothing.
    """

    def __init__(self, folder: Path, source: SampleSource, count: int) -> None:
        self.folder, self.source, self.count = folder, source, count
        self.samples: list[Sample] | None = None

    def draw(
        self, step: int, network: nn.Module, *, device: torch.device, batchnorm: BatchNormMode
    ) -> NDArray[np.uint8] | None:
        """Draw what `network` makes of the samples; returns the picture (Y, X), None if there is none."""
        if self.samples is None:
            self.samples = choose_samples(self.source, self.count) if self.count else []
        if not self.samples:
            return None
        channels = getattr(self.source, "view_channels", None)
        rows = []
        with evaluating(network, batchnorm):
            for sample in self.samples:
                predicted = network(sample.inputs.to(device)).float().cpu()[0, 0]
                target = sample.target[0, 0]
                view = sample.inputs[0] if channels is None else sample.inputs[0, list(channels)]
                rows.append(
                    sample_row(
                        view.mean(0).numpy(), predicted.numpy(), target.numpy(), sample.group,
                        psnr_db(predicted, target),
                    )
                )  # fmt: skip
        picture = _stack(rows)
        self._write(step, picture)
        return picture

    def _write(self, step: int, picture: NDArray[np.uint8]) -> None:
        from PIL import Image as Pillow

        make_folder(self.folder)
        for name in (f"step_{step:06d}", "latest"):
            with atomic_path(self.folder / f"{name}.png", overwrite=True) as temporary:
                Pillow.fromarray(picture).save(temporary)


def sample_row(view: Image, predicted: Image, target: Image, group: str, psnr: float) -> NDArray[np.uint8]:
    """Draw one sample: input, prediction, target and error beside each other, with a title over each.

    Prediction and target share the target's grey scale (0.1 to 99.9 % of its values), the input has its
    own. The error is black for 0 and white for a quarter of the target's grey scale.

    Parameters
    ----------
    view : (h, w) ndarray
        Of the input.
    predicted, target : (s*h, s*w) ndarray
        First output, normalised.
    group : str
        In front of everything.
    psnr : float
        In dB, for the title of the prediction.

    Returns
    -------
    (Y, X) uint8 ndarray
    """
    low, high = _range(target)
    error = np.abs(predicted - target)
    titles = (
        f"{group}: input",
        f"prediction {psnr:.2f} dB",
        "target",
        f"|error|, white: {_ERROR_SHARE:.0%} of range",
    )
    panels = [
        _grey(_fit(_like(view, target.shape)), *_range(view)),
        _grey(_fit(predicted), low, high),
        _grey(_fit(target), low, high),
        _grey(_fit(error), 0.0, _ERROR_SHARE * (high - low)),
    ]
    return np.concatenate(
        [_titled(panel, title) for panel, title in zip(panels, titles, strict=True)], axis=1
    )


def _range(image: Image) -> tuple[float, float]:
    low, high = (float(value) for value in np.quantile(image, (0.001, 0.999)))
    return (low, high) if high > low else (low, low + 1.0)


def _grey(image: Image, low: float, high: float) -> NDArray[np.uint8]:
    share = np.nan_to_num((image - low) / (high - low), nan=1.0, posinf=1.0, neginf=0.0)
    return (255 * share.clip(0, 1)).round().astype(np.uint8)


def _like(view: Image, shape: Sequence[int]) -> Image:
    """Return the input on the grid of the target, every pixel as a block."""
    factor = max(1, shape[0] // view.shape[0])
    return view.repeat(factor, axis=0).repeat(factor, axis=1)


def _fit(image: Image) -> Image:
    """Cut to the middle, or enlarge by a whole number, so that all panels are about as large."""
    height, width = image.shape
    top, left = max(0, height - _PANEL_PX) // 2, max(0, width - _PANEL_PX) // 2
    image = image[top : top + _PANEL_PX, left : left + _PANEL_PX]
    factor = max(1, _PANEL_PX // max(image.shape))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _titled(panel: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    from PIL import Image as Pillow
    from PIL import ImageDraw

    font = _font()
    height, width = panel.shape
    if font.getlength(title) > width - _GAP_PX:  # the end says what the panel is, so the front goes
        while title and font.getlength("…" + title) > width - _GAP_PX:
            title = title[1:]
        title = "…" + title
    canvas = Pillow.new("L", (width + _GAP_PX, height + _TITLE_PX), 0)
    ImageDraw.Draw(canvas).text((2, 2), title, fill=255, font=font)
    canvas.paste(Pillow.fromarray(panel), (0, _TITLE_PX))
    return np.asarray(canvas)


def _stack(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put rows of different widths below each other."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, _GAP_PX), (0, width - row.shape[1]))) for row in rows])


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    import matplotlib  # for its font alone, which has Greek letters
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 12)
