"""`dlsim dose` on one input: the stack thinned and scored; table, curve, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlsim_ij
from dlsim_ij.acquisition.thinning import CountsCamera
from dlsim_ij.dose.curve import DoseCurve, Progress, dose_curve
from dlsim_ij.errors import ImageError
from dlsim_ij.files import make_folder, write_json, write_text
from dlsim_ij.images import read_image
from dlsim_ij.report.dose_figure import draw_curve, draw_images
from dlsim_ij.report.score_tables import to_csv
from dlsim_ij.results import plain

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput
    from dlsim_ij.inference import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRequest:
    """What is asked of every input; see `dose_curve`.

    Attributes
    ----------
    models : sequence of Model, or None
        None: the shipped ones that take the stack.
    truth : Path or None
    pictures : bool
        Also draw the images.
    overwrite : bool
    """

    models: Sequence[str | Model] | None
    fractions: Sequence[float]
    draws: int
    seed: int
    truth: Path | None
    camera: CountsCamera | None
    fit_each: bool
    within_db: float
    quality_db: float | None
    pixel_size_um: float | None
    na: float
    emission_nm: float
    layout: str
    force: bool
    pictures: bool
    threads: int | None
    overwrite: bool


def dose_outputs(output: Path, item: ImageInput, pictures: bool = True) -> dict[str, Path]:
    """Return the files of an input by role."""
    stem = output / item.subfolder / f"{item.name}_dose"
    endings = {"table": ".csv", "record": ".json", "curve": ".png", "curve_svg": ".svg"}
    if pictures:
        endings["images"] = "_images.png"
    return {role: stem.with_name(stem.name + ending) for role, ending in endings.items()}


def dose_input(
    item: ImageInput, paths: dict[str, Path], request: DoseRequest, *, progress: Progress | None = None
) -> tuple[dict[str, Any], DoseCurve]:
    """Measure the dose curve of one input and write its files.

    Returns
    -------
    row : dict
        As ``dlsim dose --json`` prints it.
    curve : DoseCurve

    Raises
    ------
    DlsimError
        See `dose_curve`; also an output that exists, or a truth that is no single image.
    """
    curve = dose_curve(
        read_image(item.path), models=request.models, fractions=request.fractions, draws=request.draws,
        seed=request.seed, truth=None if request.truth is None else _truth(request.truth),
        camera=request.camera, fit_each=request.fit_each, within_db=request.within_db,
        quality_db=request.quality_db, pixel_size_um=request.pixel_size_um, na=request.na,
        emission_nm=request.emission_nm, layout=request.layout, force=request.force, threads=request.threads,
        progress=progress,
    )  # fmt: skip
    make_folder(paths["table"].parent)
    write_text(paths["table"], to_csv([row.to_dict() for row in curve.rows]), overwrite=request.overwrite)
    draw_curve(
        curve.summary, photons=curve.photons_per_pixel, frames=curve.methods,
        widefield_db=curve.widefield_db, reference=reference_words(curve), title=item.name,
        paths=[paths["curve"], paths["curve_svg"]], overwrite=request.overwrite,
    )  # fmt: skip
    if "images" in paths:
        draw_images(
            curve.images, curve.reference_image, with_truth=request.truth is not None,
            photons=curve.photons_per_pixel, pixel_size_um=curve.pixel_size_um, path=paths["images"],
            overwrite=request.overwrite,
        )  # fmt: skip
    row: dict[str, Any] = {
        "input": str(item.path),
        "outputs": {role: str(path) for role, path in paths.items()},
        "truth": None if request.truth is None else str(request.truth),
        "draws": request.draws,
        "seed": request.seed,
        **{key: value for key, value in curve.to_dict().items() if key != "warnings"},
        "levels": plain(list(curve.summary.levels)),
        "warnings": [message for message, _ in curve.warnings],
    }
    write_json(paths["record"], {"dlsim_version": dlsim_ij.__version__, **row}, overwrite=request.overwrite)
    return row, curve


def reference_words(curve: DoseCurve) -> str:
    """Say what the scores compare with."""
    return "the truth" if curve.reference == "truth" else "the Wiener image at full light"


def _truth(path: Path) -> Any:
    image = read_image(path)
    if image.ndim != 2:
        raise ImageError(f"{path} is a series, a truth is one image", "give a single plane")
    return image.values
