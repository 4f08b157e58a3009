"""Every method for one acquisition: from frames to images, from images to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.native import NativeStacks
from dlsim_ij.acquisition.pattern_fit import fit_patterns
from dlsim_ij.datasets.inputs import input_kind, input_kinds
from dlsim_ij.errors import ImageError, ModelError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.optics import Pattern
from dlsim_ij.quality import fair_scores, image_resolution, rse_rsp, scores
from dlsim_ij.quality.dose_levels import DoseRow
from dlsim_ij.reconstruction import SOFT, VENDOR, WienerPlan, widefield

if TYPE_CHECKING:
    from dlsim_ij.bundles.card import ModelCard
    from dlsim_ij.inference import Model

FloatImage = NDArray[np.floating]

CONVENTIONAL, CONVENTIONAL_SOFT = "wiener", "wiener-soft"


@dataclass(frozen=True)
class Stack:
    """One stack at some light, and what was made of it, twice as fine as the native frames."""

    fraction: float
    draw: int
    images: Mapping[str, FloatImage]
    pattern_snr: float | None  # of the weakest angle; None where the pattern was not fitted


class Bench:
    """All methods for one acquisition: from frames to images, from images to scores."""

    def __init__(
        self, source: NativeStacks, found: Acquisition, models: Sequence[Model], *, fit_each: bool,
        threads: int | None,
    ) -> None:  # fmt: skip
        self._source, self._found, self._models, self._threads = source, found, models, threads
        self._shape = source.native(0).shape[1:]
        self._plan = None if fit_each else self._planned(found.patterns)
        total = found.n_angles * found.n_phases
        self.frames_used = dict.fromkeys((CONVENTIONAL, CONVENTIONAL_SOFT), total) | {
            model.name: _frames_used(model.card, found) for model in models
        }

    def reconstruct(self, frames: NDArray[Any], fraction: float, draw: int) -> Stack:
        """Apply every method to one stack."""
        from dlsim_ij.inference import predict

        found, plan, snr = self._found, self._plan, None
        patterns: Sequence[Pattern] = found.patterns
        signal = equalise_frames(frames, estimate_offset(frames))
        if plan is None:
            patterns = fit_patterns(signal, found.n_angles, found.n_phases, found.optics)
            snr = min(pattern.snr[0] for pattern in patterns)
            plan = self._planned(patterns)
        made = dict(zip((CONVENTIONAL, CONVENTIONAL_SOFT), plan.images(signal), strict=True))
        for model in self._models:
            done = predict(model, frames, patterns=patterns, optics=found.optics, threads=self._threads)
            if done.image.ndim != 2:
                raise ModelError(
                    f"the model '{model.name}' gives {len(done.image)} frames, no finer image",
                    "leave it out of --models",
                )
            made[model.name] = done.image
        return Stack(fraction, draw, made, snr)

    def compare_with(self, full: Stack, native: NDArray[Any], truth: NDArray[Any] | None) -> None:
        """Take the images at full light, and the truth if there is one, as what others are scored against.

        Raises
        ------
        ImageError
            The truth has another size.
        """
        self._truth, self._full = truth, {name: self.shown(image) for name, image in full.images.items()}
        self._even = widefield(native)
        enlarged = self._source.enlargement is not None
        even = widefield(self._source.stacks.first()) if enlarged else bicubic_enlarge(self._even, 2)
        self.reference = self._full[CONVENTIONAL]
        if truth is None:
            self.widefield_db = fair_scores(self.reference, even).psnr_db
            return
        if truth.shape != even.shape:
            raise ImageError(
                f"the truth has {' x '.join(map(str, truth.shape))} pixels, images of this stack have "
                f"{' x '.join(map(str, even.shape))}",
                "give a truth on the grid of dlsim run's results",
            )
        self.reference = truth
        self.widefield_db = scores(truth, even).registered.psnr_db

    def shown(self, image: FloatImage) -> FloatImage:
        """Bring an image to the grid of the frames as given."""
        return np.asarray(self._source.to_input_grid(image))

    def score(self, stack: Stack, photons: tuple[float, float]) -> list[DoseRow]:
        """Score all images of a stack; `photons` are those of the full light, bright and mean.

        RSP and resolution are measured in the first draw only: they cost more than a Wiener image.
        """
        rows = []
        for method, image in stack.images.items():
            shown, frames = self.shown(image), self.frames_used[method]
            full = stack.fraction == 1
            against = self._against_reference(shown, full and method == CONVENTIONAL)
            own: dict[str, Any] = {}
            if not full:  # the reference may be the method's own image: scored already
                same = self._truth is None and method == CONVENTIONAL
                scored = against if same else fair_scores(self._full[method], shown).to_dict()
                own = {f"own_{name}": value for name, value in scored.items()}
            rows.append(
                DoseRow(
                    fraction=stack.fraction,
                    photons_per_pixel=stack.fraction * photons[0],
                    photons_mean_per_pixel=stack.fraction * photons[1],
                    photons_all_frames_per_pixel=stack.fraction * photons[0] * frames,
                    method=method,
                    frames_used=frames,
                    draw=stack.draw,
                    **against,
                    **own,
                    **(self._measured(image) if stack.draw == 0 else {}),
                    pattern_snr=stack.pattern_snr,
                )
            )
        return rows

    def _against_reference(self, shown: FloatImage, itself: bool) -> dict[str, Any]:
        if self._truth is None:  # an image compared with itself has no score
            return {} if itself else fair_scores(self.reference, shown).to_dict()
        found = scores(self._truth, shown)
        named = {name: getattr(found, name) for name in ("psnr_db", "nrmse", "ssim")}
        return {**named, "registered_psnr_db": found.registered.psnr_db}

    def _measured(self, image: FloatImage) -> dict[str, Any]:
        """Return what needs no other super-resolved image, as far as the image allows it."""
        found: dict[str, Any] = {}
        with suppress(ImageError):  # nothing can be fitted to noise: the number stays away
            found["rsp"] = rse_rsp(self._even, image, register=False, crop_zero_border=False).rsp
        pixel_um = self._source.pixel_size_um / 2 if self._source.pixel_size_known else None
        with suppress(ImageError):
            resolution = image_resolution(image, pixel_um, guard=False)
            found |= {"resolution_px": resolution.resolution_px, "resolution_nm": resolution.resolution_nm}
        return found

    def _planned(self, patterns: Sequence[Pattern]) -> WienerPlan:
        return WienerPlan(self._shape, patterns, self._found.optics, [VENDOR, SOFT])


def _frames_used(card: ModelCard, found: Acquisition) -> int:
    """Return how many frames of the stack had to be taken for a model."""
    total, kind = found.n_angles * found.n_phases, card.input["kind"]
    if kind in input_kinds():
        return found.n_angles if input_kind(kind).one_per_angle else total
    # raw frames; a summary is one of all frames
    return total if card.frames is None or card.frames.summary else len(card.frames.selection)
