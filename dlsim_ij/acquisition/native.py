"""Raw stacks on the camera's own pixels, also where the frames were enlarged before they were saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.layout import RawStacks, split_stack
from dlsim_ij.errors import ImageError
from dlsim_ij.images import Enlargement, require_finite, require_grey, undo_enlargement
from dlsim_ij.optics.otf import PAPER_PIXEL_SIZE_UM
from dlsim_ij.results import Result

Notice = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeStacks(Result):
    """The raw stacks of an image, and the way to the camera's own pixels and back.

    Attributes
    ----------
    stacks : RawStacks
        As the file holds them.
    enlargement : Enlargement or None
        How the frames had been enlarged, with the native pixels of the first stack.
    pixel_size_um : float
        Of a native pixel; that of the paper's microscope where nobody tells.
    pixel_size_known : bool
    """

    pixel_size_um: float
    pixel_size_known: bool
    stacks: RawStacks = field(repr=False, compare=False)
    enlargement: Enlargement | None = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.stacks)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the native frames of each stack, (n_frames, Y, X)."""
        return (self.native(number) for number in range(len(self)))

    def native(self, number: int) -> NDArray[Any]:
        """Return the native frames of one stack, counted from 0.

        Raises
        ------
        ImageError
            It was not enlarged as the first one was.
        """
        if self.enlargement is None:
            return self.stacks[number]
        if number == 0:
            return self.enlargement.frames
        undone = undo_enlargement(self.stacks[number], self.enlargement.scale)
        if not undone.was_enlarged or undone.offset_px != self.enlargement.offset_px:
            raise ImageError(
                "some stacks of the series were enlarged before, others not or otherwise",
                "split the file and run the parts one by one",
            )
        return undone.frames

    def to_input_grid(self, image: NDArray[np.floating]) -> NDArray[np.floating]:
        """Bring an image twice as fine as the native frames to the grid of the frames as given."""
        return image if self.enlargement is None else self.enlargement.to_input_grid(image)

    def join(self, images: list[NDArray[np.floating]]) -> xr.DataArray:
        """Put one image per stack, twice as fine as the native frames, together as the series was."""
        fine = self.pixel_size_um / 2 if self.pixel_size_known else None
        return self.stacks.join(images, pixel_size_um=fine)

    def notices(self) -> list[Notice]:
        """Say what was assumed or undone, and what to do about it."""
        told = []
        if not self.pixel_size_known:
            told.append((
                f"The pixel size is not known; {self.pixel_size_um * 1000:g} nm was assumed for a camera "
                "pixel in the sample, and results carry no scale.",
                "Give the pixel size of the frames in micrometres, for example --pixel-size 0.06.",
            ))  # fmt: skip
        if self.enlargement is not None:
            height, width = self.enlargement.frames.shape[1:]
            told.append((
                f"The frames had been enlarged {self.enlargement.scale} times with ImageJ's bicubic before; "
                f"their {height} x {width} native pixels, recovered to within "
                f"{self.enlargement.misfit_rms:.2g} counts, were used, and results lie on the grid of the "
                "frames as given.",
                "Give frames as the camera wrote them, if you have them; the pixel size stated is that of "
                "the enlarged frames.",
            ))  # fmt: skip
        return told


def native_stacks(
    image: xr.DataArray, *, layout: str = "3x5", pixel_size_um: float | None = None
) -> NativeStacks:
    """Find the raw stacks of an image, and whether their frames were enlarged.

    Parameters
    ----------
    image : DataArray
        From `read_image`.
    layout : str
        Angles x phases.
    pixel_size_um : float, optional
        Of the image as it is; its own by default.

    Returns
    -------
    NativeStacks

    Raises
    ------
    ImageError, LayoutError
        Colour, pixels that are no numbers, or no axis that can be the frames.
    """
    require_finite(require_grey(image))
    pixel = pixel_size_um if pixel_size_um is not None else image.attrs.get("pixel_size_um")
    return on_native_pixels(split_stack(image, layout=layout), pixel)


def on_native_pixels(stacks: RawStacks, pixel_size_um: float | None) -> NativeStacks:
    """Find out whether the frames of stacks were enlarged; the pixel is that of the frames as given."""
    examined = undo_enlargement(stacks.first())
    enlargement = examined if examined.was_enlarged else None
    scale = enlargement.scale if enlargement else 1
    return NativeStacks(
        stacks=stacks,
        enlargement=enlargement,
        pixel_size_um=PAPER_PIXEL_SIZE_UM if pixel_size_um is None else pixel_size_um * scale,
        pixel_size_known=pixel_size_um is not None,
    )
