"""From the light that reaches a pixel to the number that the camera writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

MULTIPLIED_SKEW = 1.5  # third cumulant of an EMCCD's signal over that of shot noise, in effective electrons


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMaps(Result):
    """What an sCMOS calibration measures of each pixel (Huang et al. 2013, doi 10.1038/nmeth.2488).

    Attributes
    ----------
    offset_adu, read_variance_adu2, gain_adu_per_electron : (Y, X) ndarray
        Mean and variance in the dark, and counts per photo-electron.
    source : str or None
        Where they come from, for the record.
    """

    offset_adu: FloatArray = field(repr=False, compare=False)
    read_variance_adu2: FloatArray = field(repr=False, compare=False)
    gain_adu_per_electron: FloatArray = field(repr=False, compare=False)
    source: str | None = None

    def __post_init__(self) -> None:
        maps = (self.offset_adu, self.read_variance_adu2, self.gain_adu_per_electron)
        if any(one.ndim != 2 or one.shape != maps[0].shape or not np.isfinite(one).all() for one in maps):
            raise ConfigError(
                f"camera maps of the shapes {', '.join(str(one.shape) for one in maps)} are not three finite "
                "planes of one size",
                "give offset, variance and gain of every pixel",
            )
        if (self.read_variance_adu2 < 0).any() or (self.gain_adu_per_electron <= 0).any():
            raise ConfigError(
                "a camera map has a variance below 0 or a gain that is not above 0",
                "the planes are offset, variance (counts squared), gain (counts per electron), in this order",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera(Result):
    """An sCMOS or EMCCD camera, seen from its output.

    The defaults were measured on the paper's public sample: 6.85 counts per photo-electron, an offset
    of 100 counts, 0.7 electrons of read noise, and fixed row and column offsets of about 0.14
    electrons, which matter where a pixel sees two electrons.

    Attributes
    ----------
    gain_adu_per_electron, offset_adu, read_noise_electrons : float
        Of the average pixel.
    row_column_electrons : float
        Spread of the fixed offsets of rows and of columns.
    hot_pixel_fraction : float
    bits : int
        Counts end at the largest number of so many bits.
    quantum_yield : float
        Photo-electrons per photon. At 1 photons are counted as photo-electrons.
    dark_electrons_per_s, exposure_s : float
        Dark current, and how long it flows into a frame.
    full_well_electrons : float or None
        Where a pixel is full, before the counts end.
    gain_spread, offset_spread_adu, read_noise_spread : float
        sCMOS: how pixels differ. Relative spread of the gain, spread of the offset in counts, spread of
        the logarithm of the read noise (a few pixels then are much noisier than most).
    map_seed : int
        Pixels are the same in every stack of a camera; this number says which camera.
    multiplication : bool
        An EMCCD: its register multiplies every photo-electron at random, which doubles the variance. All
        light is counted in effective electrons, half the true ones, whose variance is their mean; what is
        left of the register is the skewed noise (Robbins and Hadwen 2003, doi 10.1109/TED.2003.813462).
    maps : PixelMaps or None
        A measured camera: takes the place of gain, offset, read noise and their spreads.
    """

    gain_adu_per_electron: float = 6.85
    offset_adu: float = 100.0
    read_noise_electrons: float = 0.7
    row_column_electrons: float = 0.14
    hot_pixel_fraction: float = 0.0
    bits: int = 16
    quantum_yield: float = 1.0
    dark_electrons_per_s: float = 0.0
    exposure_s: float = 0.1
    full_well_electrons: float | None = None
    gain_spread: float = 0.0
    offset_spread_adu: float = 0.0
    read_noise_spread: float = 0.0
    map_seed: int = 0
    multiplication: bool = False
    maps: PixelMaps | None = None

    def __post_init__(self) -> None:
        if self.gain_adu_per_electron <= 0 or self.read_noise_electrons < 0 or not 8 <= self.bits <= 16:
            raise ConfigError(
                f"a gain of {self.gain_adu_per_electron:g} counts per electron, read noise of "
                f"{self.read_noise_electrons:g} electrons and {self.bits} bits are no camera",
                "a camera needs a gain above 0, read noise from 0 and 8 to 16 bits",
            )
        if not 0 < self.quantum_yield <= 1:
            raise ConfigError(
                f"a quantum yield of {self.quantum_yield:g} is impossible", "give a fraction above 0, up to 1"
            )
        if self.dark_electrons_per_s < 0 or self.exposure_s < 0 or self.row_column_electrons < 0:
            raise ConfigError(
                "dark current, exposure and row and column offsets start at 0", "give 0 or more"
            )
        if not 0 <= self.hot_pixel_fraction <= 1:
            raise ConfigError(
                f"a fraction of {self.hot_pixel_fraction:g} hot pixels is impossible", "give 0 to 1"
            )
        if self.full_well_electrons is not None and self.full_well_electrons <= 0:
            raise ConfigError("a pixel that holds no electrons sees nothing", "give a full well above 0")
        if (
            not 0 <= self.gain_spread < 0.3
            or self.offset_spread_adu < 0
            or not 0 <= self.read_noise_spread < 3
        ):
            raise ConfigError(
                "pixels cannot differ that much",
                "gain_spread lies between 0 and 0.3, read_noise_spread between 0 and 3, offset_spread from 0",
            )

    @property
    def pixels_differ(self) -> bool:
        """Whether there is a map of gain, offset and read noise."""
        spreads = (self.gain_spread, self.offset_spread_adu, self.read_noise_spread)
        return self.maps is not None or any(spread > 0 for spread in spreads)

    def pixel_maps(self, shape: tuple[int, int]) -> PixelMaps:
        """Return gain, offset and read noise of every pixel, given or drawn from `map_seed`.

        Raises
        ------
        ConfigError
            The given maps are smaller than the frame; larger ones are cut at their middle.
        """
        if self.maps is not None:
            return _cut(self.maps, shape)
        rng = np.random.default_rng([self.map_seed, *shape])
        gain = self.gain_adu_per_electron * (1 + self.gain_spread * rng.standard_normal(shape))
        gain = np.maximum(gain, 0.05 * self.gain_adu_per_electron)
        offset = self.offset_adu + self.offset_spread_adu * rng.standard_normal(shape)
        noise = self.read_noise_electrons * np.exp(self.read_noise_spread * rng.standard_normal(shape))
        return PixelMaps(
            offset_adu=offset,
            read_variance_adu2=(noise * gain) ** 2,
            gain_adu_per_electron=gain,
            source="drawn",
        )

    def expose(self, electrons: FloatArray, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Return the counts of frames whose mean number of photo-electrons is given.

        Parameters
        ----------
        electrons : (n_frames, Y, X) ndarray
            Expected photo-electrons per pixel and frame, dark current not counted.
        rng : numpy.random.Generator
            Source of all noise.

        Returns
        -------
        (n_frames, Y, X) uint16 ndarray
            Counts, saturating at the full well and at the largest value of `bits`.
        """
        height, width = electrons.shape[-2:]
        expected = np.maximum(electrons, 0)
        dark = self.dark_electrons_per_s * self.exposure_s
        if dark > 0:
            expected = expected + np.float32(dark)
        if self.multiplication:  # a sum of n exponential gains
            true = rng.poisson(2 * expected.astype(np.float32)).astype(np.float32)
            signal = rng.standard_gamma(true, dtype=np.float32) / np.float32(2)
        else:
            signal = rng.poisson(expected).astype(np.float32)
        if self.full_well_electrons is not None:
            np.minimum(signal, np.float32(self.full_well_electrons), out=signal)
        maps = self.pixel_maps((height, width)) if self.pixels_differ else None
        read: Any = np.float32(self.read_noise_electrons)
        if maps is not None:
            read = (np.sqrt(maps.read_variance_adu2) / maps.gain_adu_per_electron).astype(np.float32)
        signal += rng.standard_normal(signal.shape, dtype=np.float32) * read
        fixed = np.float32(self.row_column_electrons)
        signal += fixed * rng.standard_normal((height, 1), dtype=np.float32)
        signal += fixed * rng.standard_normal((1, width), dtype=np.float32)
        if self.hot_pixel_fraction > 0:
            hot = rng.random((height, width)) < self.hot_pixel_fraction
            signal[..., hot] += rng.exponential(10 * (1 + electrons.mean()), hot.sum()).astype(np.float32)
        if maps is None:
            counts = signal * np.float32(self.gain_adu_per_electron) + np.float32(self.offset_adu)
        else:
            counts = signal * maps.gain_adu_per_electron.astype(np.float32)
            counts += maps.offset_adu.astype(np.float32)
        return np.clip(np.rint(counts), 0, 2**self.bits - 1).astype(np.uint16)


def _cut(maps: PixelMaps, shape: tuple[int, int]) -> PixelMaps:
    have = maps.offset_adu.shape
    if have[0] < shape[0] or have[1] < shape[1]:
        raise ConfigError(
            f"camera maps of {have[0]} x {have[1]} pixels do not cover a frame of {shape[0]} x {shape[1]}",
            "give maps of the whole frame, or make smaller frames",
        )
    top, left = (have[0] - shape[0]) // 2, (have[1] - shape[1]) // 2
    part = np.s_[top : top + shape[0], left : left + shape[1]]
    return PixelMaps(
        offset_adu=maps.offset_adu[part],
        read_variance_adu2=maps.read_variance_adu2[part],
        gain_adu_per_electron=maps.gain_adu_per_electron[part],
        source=maps.source,
    )
