"""Files that ``dlsim simulate`` takes: objects, point spread functions, camera maps, stacks, parameters."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.errors import ConfigError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dlsim_ij.simulation import Conditions, MeasuredPsf, PixelMaps, StackFit

POINTS_ENDINGS = (".csv", ".txt")
POINTS_GRID = 8  # a list of points asks for a fine grid
_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")


def read_object(
    path: Path, shape: tuple[int, int], grid_um: float, pixel_size_um: float | None
) -> NDArray[np.float32]:
    """Return the user's own object on the grid: a picture, or a table of points."""
    from dlsim_ij.simulation import object_from_picture, object_from_points

    if path.suffix.lower() in POINTS_ENDINGS:
        return object_from_points(_read_points(path), shape, grid_um)
    if path.suffix.lower() in _PICTURE_ENDINGS:
        return object_from_picture(_read_picture(path), shape, grid_um, pixel_size_um=pixel_size_um)
    from dlsim_ij.images import read_image

    image = read_image(path)
    plane = _one_plane(image, path)
    own = image.attrs["pixel_size_um"]
    return object_from_picture(plane, shape, grid_um, pixel_size_um=pixel_size_um or own)


def _read_points(path: Path) -> NDArray[np.float64]:
    import numpy as np

    rows = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                words = [word.strip() for word in row if word.strip()]
                if not words or words[0].startswith("#"):
                    continue
                try:
                    rows.append([float(word) for word in words])
                except ValueError as error:
                    if not rows:  # a line of names
                        continue
                    raise ConfigError(
                        f"{path}, line {number}: '{','.join(row)}' is not y, x and perhaps a brightness",
                        "one point per line, in micrometres",
                    ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the points {path} cannot be read", "give a CSV file: y,x,brightness") from error
    if not rows or len({len(row) for row in rows}) != 1:
        raise ConfigError(
            f"{path} holds {len(rows)} points, or lines of different lengths",
            "one point per line: y,x,brightness",
        )
    return np.array(rows)


def _read_picture(path: Path) -> NDArray[np.float64]:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(
                picture.convert("L" if "A" not in picture.mode else "LA").convert("L"), np.float64
            )
    except (OSError, UnidentifiedImageError) as error:
        raise ImageError(f"the picture {path} cannot be read", "give a PNG, JPEG or TIFF picture") from error


def _one_plane(image: Any, path: Path) -> NDArray[Any]:
    from dlsim_ij.images import require_finite, require_grey

    grey = require_finite(require_grey(image)).squeeze(drop=True)
    if grey.ndim != 2:
        sizes = ", ".join(f"{size} along {dim}" for dim, size in grey.sizes.items() if dim not in ("Y", "X"))
        raise ImageError(
            f"{path} is a stack ({sizes}), one plane is needed", "choose a plane in ImageJ: Image > Duplicate"
        )
    plane: NDArray[Any] = grey.transpose("Y", "X").values
    return plane


def read_psf(path: Path) -> MeasuredPsf:
    """Return a measured point; of a stack through focus its brightest plane."""
    import numpy as np

    from dlsim_ij.images import read_image, require_finite, require_grey
    from dlsim_ij.simulation import MeasuredPsf

    image = read_image(path)
    pixel_size_um = image.attrs["pixel_size_um"]
    if pixel_size_um is None:
        raise ImageError(
            f"{path} does not tell its pixel size, which a point spread function must",
            "set it in ImageJ: Image > Properties",
        )
    planes = require_finite(require_grey(image)).transpose(..., "Y", "X").values
    planes = planes.reshape(-1, *planes.shape[-2:]).astype(np.float64)
    plane = planes[int(planes.max(axis=(1, 2)).argmax())]
    return MeasuredPsf(image=plane, pixel_size_um=pixel_size_um, source=str(path))


def read_maps(path: Path) -> PixelMaps:
    """Return the maps of a calibrated sCMOS camera: three planes, offset, variance and gain."""
    import numpy as np

    from dlsim_ij.images import read_image, require_finite, require_frames
    from dlsim_ij.simulation import PixelMaps

    planes = require_finite(require_frames(read_image(path), 3)).values.astype(np.float64)
    return PixelMaps(
        offset_adu=planes[0], read_variance_adu2=planes[1], gain_adu_per_electron=planes[2], source=str(path)
    )


def read_parameters(path: Path) -> tuple[dict[str, Any], Conditions]:
    """Return a parameters file of an earlier run, and its conditions."""
    from dlsim_ij.simulation import conditions_from_dict

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the parameters {path} cannot be read: {error.strerror}", "check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON", "give a NAME_parameters.json of dlsim simulate") from error
    if not isinstance(data, dict) or not isinstance(data.get("conditions"), dict):
        raise ConfigError(f"{path} has no 'conditions'", "give a NAME_parameters.json of dlsim simulate")
    data.setdefault("structure", "microtubules")
    _check_entries(data, path)
    conditions = data["conditions"]
    psf = _source(conditions.get("psf"), "psf", path)
    camera = conditions.get("camera")
    maps = _source(camera.get("maps") if isinstance(camera, dict) else None, "maps", path)
    made = conditions_from_dict(
        conditions,
        psf=None if psf is None else read_psf(psf),
        maps=None if maps is None else read_maps(maps),
    )
    return data, made


def _source(entry: Any, what: str, path: Path) -> Path | None:
    """Return the file that a measured psf, or pixel maps, came from."""
    source = entry.get("source") if isinstance(entry, dict) else entry
    if not source:
        return None
    if not isinstance(entry, dict) or not isinstance(source, str):
        raise ConfigError(
            f"{path}: '{what}' is {entry!r:.40}, which cannot be right", "compare with a file dlsim wrote"
        )
    return Path(source)


def _check_entries(data: dict[str, Any], path: Path) -> None:
    """Refuse entries beside the conditions that cannot be right; all but the structure may be missing."""

    def whole(value: Any, least: int, most: float = float("inf")) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    size, seed = data.get("size_px"), data.get("random_seed")
    right = {
        "structure": isinstance(data["structure"], str),
        "size_px": size is None
        or (
            isinstance(size, list) and len(size) == 2 and all(whole(n, 32, 4096) and n % 2 == 0 for n in size)
        ),
        "random_seed": seed is None or (isinstance(seed, list) and all(whole(n, 0) for n in seed)),
        "points_per_pixel": data.get("points_per_pixel") is None
        or data["points_per_pixel"] in range(2, 17, 2),
        "object_file": isinstance(data.get("object_file"), (str, type(None))),
        "object_pixel_size_um": isinstance(data.get("object_pixel_size_um"), (int, float, type(None))),
    }
    for key, good in right.items():
        if not good:
            raise ConfigError(
                f"{path}: '{key}' is {data[key]!r:.40}, which cannot be right",
                "compare with a file dlsim wrote",
            )


def read_stack(path: Path, layout: str, pixel_size_um: float | None) -> tuple[NDArray[Any], float, bool]:
    """Return the native frames of a raw stack, their pixel size, and whether they had been enlarged."""
    from dlsim_ij.acquisition.native import native_stacks
    from dlsim_ij.images import read_image

    source = native_stacks(read_image(path), layout=layout, pixel_size_um=pixel_size_um)
    if not source.pixel_size_known:
        raise ImageError(f"{path} does not tell its pixel size", "give it in micrometres: --pixel-size 0.06")
    native = source.native(0)
    height, width = (side - side % 2 for side in native.shape[1:])  # simulated fields have even sides
    return native[:, :height, :width], source.pixel_size_um, source.enlargement is not None


def tell_fit(fit: StackFit, enlarged: bool, pixel_um: float) -> None:
    """Say on stderr what was fitted to a stack."""
    conditions = fit.conditions
    camera = conditions.camera
    if enlarged:
        click.echo(f"the frames were enlarged; back to native pixels of {pixel_um:g} um", err=True)
    for pattern in conditions.patterns:
        strengths = " and ".join(f"{c:.2f}" for c in pattern.modulation)
        click.echo(
            f"angle {pattern.angle_deg:6.1f} degrees, period {1000 * pixel_um * pattern.period_px:.0f} nm, "
            f"modulation {strengths}",
            err=True,
        )
    click.echo(
        f"light {conditions.photons:.3g} photo-electrons, transfer damping {conditions.otf_damping:.2f}, "
        f"haze {conditions.haze:.2f} (blur {conditions.haze_sigma_px:.0f} px), "
        f"background {conditions.flat:.2f}",
        err=True,
    )
    kind = ", EMCCD" if camera.multiplication else ""
    click.echo(
        f"camera gain {camera.gain_adu_per_electron:.2f} counts per electron, "
        f"offset {camera.offset_adu:.0f}, read noise {camera.read_noise_electrons:.1f} electrons{kind}",
        err=True,
    )
    for sentence in fit.assumed:
        click.echo(f"not measured: {sentence}", err=True)
