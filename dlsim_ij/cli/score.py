"""``dlsim score``: images against their truth, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import DataError, DlsimError, ImageError

if TYPE_CHECKING:
    import xarray as xr

_RESULT_ENDINGS = ("_sr", "_wf", "_wiener", "_pred")  # what our verbs and the seed's scripts append to a name


@click.command(epilog="Example: dlsim score --truth HER/Sample_1.tif --image results/Sample_1_sr.tif")
@click.option(
    "--truth", required=True, type=options.ExistingPath, metavar="T",
    help="The true image; or a folder of them, paired with the images by name.",
)  # fmt: skip
@click.option(
    "--image", "images", required=True, multiple=True, type=options.ExistingPath, metavar="I",
    help="An image to score, or a folder of them; may be given several times.",
)  # fmt: skip
@click.option("--csv", "csv_path", type=options.OutputPath, metavar="FILE", help="Also write a table.")
@options.overwrite
@options.common
def command(
    truth: Path, images: tuple[Path, ...], csv_path: Path | None, overwrite: bool, as_json: bool
) -> int:
    """Compare images with a truth: PSNR, NRMSE and SSIM in every convention.

    The seed's scores are those of Jin et al. 2020. The fair ones come after the best gain and offset, with
    the range of the truth as unit; the registered ones after the best shift of at most 2 px as well.
    """
    from dlsim_ij.files import refuse_existing

    if csv_path is not None:
        refuse_existing(csv_path, overwrite)
    pairs, alone = _pair(truth, images)
    rows = []
    failed = len(alone)
    for path in alone:
        click.echo(f"error: {path}: no truth of that name in {truth}", err=True)
    for truth_path, image_path in pairs:
        try:
            row = _score(truth_path, image_path)
        except DlsimError as error:
            if len(pairs) == 1 and not alone:
                raise
            click.echo(f"error: {image_path}: {error.message}", err=True)
            failed += 1
            continue
        rows.append(row)
        options.print_result(row, as_json, _text(row, heading=len(rows) == 1))
        _warn(row)
    if csv_path is not None and rows:
        _write_csv(csv_path, rows, overwrite)
    return 1 if failed else 0


def _pair(truth: Path, images: tuple[Path, ...]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return pairs (truth, image), and the images for which there is no truth."""
    from dlsim_ij.images.read import image_name

    found = [file for image in images for file in (_files(image) if image.is_dir() else [image])]
    if not truth.is_dir():
        return [(truth, image) for image in found], []
    truths: dict[str, Path] = {}
    for file in _files(truth):
        name = image_name(file)
        if name in truths:
            raise DataError(
                f"{truth} holds both {truths[name].name} and {file.name}", "give the one that is the truth"
            )
        truths[name] = file
    pairs, alone = [], []
    for image in found:
        names = _possible_names(image_name(image))
        match = next((truths[name] for name in names if name in truths), None)
        if match is None:
            alone.append(image)
        else:
            pairs.append((match, image))
    if not pairs:
        raise DataError(
            f"no image has the name of a truth in {truth}",
            "a truth 'cell.tif' pairs with 'cell.tif', 'cell_sr.tif', 'cell_pred.tif'",
        )
    return pairs, alone


def _files(folder: Path) -> list[Path]:
    from dlsim_ij.images.frames import IMAGE_ENDINGS, image_files

    files = image_files(folder)
    if not files:
        raise DataError(
            f"{folder} holds no image ({', '.join(IMAGE_ENDINGS)})", "give the folder with the files"
        )
    return files


def _possible_names(name: str) -> Iterator[str]:
    yield name
    for ending in _RESULT_ENDINGS:
        if name.endswith(ending):
            yield name.removesuffix(ending)


def _score(truth_path: Path, image_path: Path) -> dict[str, Any]:
    from dlsim_ij.images import read_image
    from dlsim_ij.quality import scores

    truth, image = (_plane(read_image(path), path) for path in (truth_path, image_path))
    return {"truth": str(truth_path), "image": str(image_path), **scores(truth, image).to_dict()}


def _plane(array: xr.DataArray, path: Path) -> Any:
    """Return the single grey plane of a file."""
    many = {dim: n for dim, n in array.sizes.items() if dim not in ("Y", "X") and n > 1}
    if many:
        shape = ", ".join(f"{n} along {dim}" for dim, n in many.items())
        raise ImageError(f"{path} holds several planes ({shape})", "save the plane to be scored as a file")
    return array.squeeze([dim for dim in array.dims if dim not in ("Y", "X")]).transpose("Y", "X").values


def _text(row: dict[str, Any], heading: bool) -> str:
    registered = row["registered"]
    columns = [
        ("PSNR", "dB", row["psnr_db"], ".2f"),
        ("NRMSE", "", row["nrmse"], ".4f"),
        ("SSIM", "", row["ssim"], ".4f"),
        ("registered", "dB", registered["psnr_db"], ".2f"),
        ("shift y", "px", registered["shift_px"][0], "+.2f"),
        ("shift x", "px", registered["shift_px"][1], "+.2f"),
        ("seed's PSNR", "dB", row["seed_psnr_db"], ".2f"),
        ("seed's NRMSE", "", row["seed_nrmse"], ".4f"),
        ("seed's SSIM", "", row["seed_ssim"], ".4f"),
    ]
    names = [f"{name} {unit}".strip() for name, unit, _, _ in columns]
    cells = ["-" if value is None else format(value, style) for *_, value, style in columns]
    line = "  ".join(f"{cell:>{len(name)}}" for name, cell in zip(names, cells, strict=True))
    line += f"  {row['image']}"
    return "  ".join(names) + "  image\n" + line if heading else line


def _warn(row: dict[str, Any]) -> None:
    from dlsim_ij.quality.registration import MAX_SHIFT_PX

    if not options.show_progress():
        return
    if row["seed_psnr_db"] is None:
        click.echo(
            f"warning: {row['image']}: the seed's scores are undefined, 1 % and 99.8 % quantiles are equal",
            err=True,
        )
    y, x = row["registered"]["shift_px"]
    if (y * y + x * x) ** 0.5 > MAX_SHIFT_PX - 0.01:
        click.echo(
            f"warning: {row['image']}: the best shift lies at the limit of {MAX_SHIFT_PX:g} px;"
            " are the two of the same field and grid?",
            err=True,
        )


def _write_csv(path: Path, rows: list[dict[str, Any]], overwrite: bool) -> None:
    import csv
    import io

    from dlsim_ij.files import write_text
    from dlsim_ij.report.explain import flatten

    table = [flatten(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(path, text.getvalue(), overwrite=overwrite)
