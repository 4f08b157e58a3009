"""``Ext.dlsim("predict", "model=sim15")``: raw frames to the network's image."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import xarray as xr

from dlsim_ij.blinking_series import predict_series
from dlsim_ij.bundles.bundle import read_bundle
from dlsim_ij.errors import ConfigError, ModelError
from dlsim_ij.fiji import Answer, Options
from dlsim_ij.inference import Model, load_model
from dlsim_ij.inference.chain import check_cascade
from dlsim_ij.pipeline import reconstruct
from dlsim_ij.verbs.images import titled
from dlsim_ij.verbs.sim_options import ACQUISITION, acquisition, calibration

_SERIES = ("pixel_size", "tile_px")  # all that a model of a blinking sample heeds
_OWN = ("model", "target", "denoiser", "tile_px", "uncertainty")


def predict_verb(image: xr.DataArray, options: Options) -> Answer:
    """Make the network's image of a raw stack, of a series of them, or of frames of a blinking sample."""
    options.check((*_OWN, *ACQUISITION))
    model = loaded(options.get("model", "sim15"))
    tile_px = options.count("tile_px")
    if model.card.input["kind"] == "srrf-channels":
        for key in options:
            if key not in (*_SERIES, "model"):
                raise ConfigError(f"'{key}' belongs to SIM models, '{model.name}' is none", "leave it out")
        series = predict_series(
            image, model=model, pixel_size_um=options.number("pixel_size"), tile_px=tile_px,
            progress=options.scene.progress,
        )  # fmt: skip
        return Answer(images=(titled(series.image, image, "_sr"),), notes=series.warnings)
    denoiser = loaded(options["denoiser"]) if "denoiser" in options else None
    if denoiser is not None:
        check_cascade(denoiser, model)
    wants_sd = options.switch("uncertainty")
    if wants_sd and not model.tells_uncertainty:
        raise ModelError(f"the model '{model.name}' does not tell how sure it is", "leave uncertainty away")
    made = reconstruct(
        image, model=model, target=options.get("target"), denoiser=denoiser, tile_px=tile_px,
        calibration=calibration(options), compare=False, **acquisition(options),
    )  # fmt: skip
    images = [titled(made.sr, image, "_sr")]
    if wants_sd and made.uncertainty is not None:
        images.insert(0, titled(made.uncertainty, image, "_sd"))
    return Answer(images=images, notes=[message for message, _ in made.warnings])


def loaded(name: str) -> Model:
    """Return a model, loaded once in this process; a folder whose files changed is read again."""
    bundle = read_bundle(name)
    files = (bundle.weights_path, bundle.folder / "model.json")
    return _loaded(bundle.folder, tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=4)
def _loaded(folder: Path, _: tuple[int, ...]) -> Model:
    return load_model(folder)
