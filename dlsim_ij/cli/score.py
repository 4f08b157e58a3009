"""``dlsim score``: images against their truth, one line each; means and differences of groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError, DlsimError, ImageError

if TYPE_CHECKING:
    from dlsim_ij.report.score_tables import ScoreSummary

By = Literal["folder", "ending"]

_SUMMARY_ENDINGS = (".csv", ".json")
_NO_ENDING = "(no ending)"
# heading, unit, key, format
_COLUMNS = (
    ("PSNR", "dB", "psnr_db", ".2f"),
    ("NRMSE", "", "nrmse", ".4f"),
    ("SSIM", "", "ssim", ".4f"),
    ("MS-SSIM", "", "ms_ssim", ".4f"),
    ("registered", "dB", "registered_psnr_db", ".2f"),
    ("shift y", "px", "registered_shift_y_px", "+.2f"),
    ("shift x", "px", "registered_shift_x_px", "+.2f"),
    ("seed's PSNR", "dB", "seed_psnr_db", ".2f"),
    ("seed's NRMSE", "", "seed_nrmse", ".4f"),
    ("seed's SSIM", "", "seed_ssim", ".4f"),
)
_AVERAGED = ("psnr_db", "nrmse", "ssim", "ms_ssim", "seed_psnr_db")


@click.command(epilog="Example: dlsim score --truth HER --image checkpoints --by folder --xlsx scores.xlsx")
@click.option(
    "--truth", required=True, type=options.ExistingPath, metavar="T",
    help="The true image; or a folder of them, paired with the images by name.",
)  # fmt: skip
@click.option(
    "--image", "images", required=True, multiple=True, type=options.ExistingPath, metavar="I",
    help="An image to score, or a folder of them; may be given several times.",
)  # fmt: skip
@click.option(
    "--by", type=click.Choice(["folder", "ending"]),
    help="Also compare groups: the folders that images lie in (a folder of folders is opened), or what "
    "follows the truth's name ('_sr', '_wf').",
)  # fmt: skip
@click.option(
    "--baseline", metavar="GROUP",
    help="The group that others are compared with, image by image (default: the first by name).",
)  # fmt: skip
@click.option("--csv", "csv_path", type=options.OutputPath, metavar="FILE", help="Also write a table.")
@click.option(
    "--summary", "summary_path", type=options.OutputPath, metavar="FILE",
    help="Also write means, confidence intervals and differences, as .csv or .json.",
)  # fmt: skip
@click.option(
    "--xlsx", "xlsx_path", type=options.OutputPath, metavar="FILE",
    help="Also write a workbook: images, summary, one sheet per score with groups side by side.",
)  # fmt: skip
@options.overwrite
@options.common
def command(
    truth: Path,
    images: tuple[Path, ...],
    by: By | None,
    baseline: str | None,
    csv_path: Path | None,
    summary_path: Path | None,
    xlsx_path: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Compare images with a truth: PSNR, NRMSE and SSIM in every convention.

    The seed's scores are those of Jin et al. 2020. The fair ones come after the best gain and offset, with
    the range of the truth as unit; the registered ones after the best shift of at most 2 px as well. JSON
    and tables also hold the conventions of DFCAN and of scikit-image. Stacks are scored plane by plane.

    Means over images, with the 95 % confidence interval of Student's t, follow on stderr.
    """
    from dlsim_ij.images.pairing import pair_by_name

    _check_outputs(csv_path, summary_path, xlsx_path, overwrite)
    if baseline is not None and by is None:
        raise ConfigError("a baseline needs groups", "say what they are: --by folder, or --by ending")
    pairs, alone = pair_by_name(truth, images, open_folders=by == "folder")
    groups = _group_names(pairs, by)
    if baseline is not None:
        options.pick(baseline, sorted(set(groups)), "group")
    failed = len(alone)
    for path in alone:
        options.show_failure(f"{path}: no truth of that name in {truth}")
    rows: list[dict[str, Any]] = []
    for (truth_path, image_path), group in zip(pairs, groups, strict=True):
        named = {"truth": str(truth_path), "image": str(image_path)}
        if by is not None:
            named["group"] = group
        try:
            for scored in _score(truth_path, image_path):
                if isinstance(scored, _BadPlane):
                    if scored.plane is None and len(pairs) == 1 and not alone:
                        raise scored.error
                    options.show_failure(f"{_where(image_path, scored.plane)}: {scored.error.message}")
                    failed += 1
                    continue
                row = named | scored
                rows.append(row)
                options.print_result(row, as_json, _text(row, heading=len(rows) == 1))
                _warn(row)
        except DlsimError as error:
            if len(pairs) == 1 and not alone:
                raise
            options.show_failure(f"{image_path}: {error.message}")
            failed += 1
    if rows:
        _finish(rows, baseline, csv_path, summary_path, xlsx_path, overwrite)
    return 1 if failed else 0


def _check_outputs(
    csv_path: Path | None, summary_path: Path | None, xlsx_path: Path | None, overwrite: bool
) -> None:
    from dlsim_ij.files import refuse_existing

    given = [path for path in (csv_path, summary_path, xlsx_path) if path is not None]
    if len(set(given)) < len(given):
        raise ConfigError("two outputs have the same name", "give each its own")
    if summary_path is not None and summary_path.suffix not in _SUMMARY_ENDINGS:
        raise ConfigError(f"{summary_path} is neither .csv nor .json", "name the summary so")
    if xlsx_path is not None:
        from dlsim_ij.report.spreadsheet import check_xlsx

        check_xlsx(xlsx_path)
    for path in given:
        refuse_existing(path, overwrite)


def _group_names(pairs: list[tuple[Path, Path]], by: By | None) -> list[str]:
    from dlsim_ij.images.read import image_name

    if by is None:
        return [""] * len(pairs)
    if by == "ending":
        return [image_name(image).removeprefix(image_name(truth)) or _NO_ENDING for truth, image in pairs]
    folders = [image.absolute().parent for _, image in pairs]
    names = {folder.name for folder in folders}
    if len(names) == len(set(folders)):
        return [folder.name for folder in folders]
    return [str(image.parent) for _, image in pairs]  # 'run_a/best' and 'run_b/best'


@dataclass(frozen=True)
class _BadPlane:
    """A plane that cannot be scored; None where the file has only one."""

    plane: int | None
    error: DlsimError


def _score(truth_path: Path, image_path: Path) -> Iterator[dict[str, Any] | _BadPlane]:
    """Yield the scores of each plane."""
    from dlsim_ij.images.plane_source import PlaneSource
    from dlsim_ij.quality import scores

    with PlaneSource(truth_path) as truth, PlaneSource(image_path) as image:
        if len(truth) != len(image):
            raise ImageError(
                f"the truth has {len(truth)} planes, the image {len(image)}",
                "both must be one plane, or stacks of equally many",
            )
        for number in range(len(image)):
            plane = number + 1 if len(image) > 1 else None
            try:
                found = scores(truth.read(number), image.read(number)).to_dict()
            except DlsimError as error:
                yield _BadPlane(plane, error)
            else:
                yield found if plane is None else {"plane": plane, **found}


def _where(image_path: Path, plane: int | None) -> str:
    return str(image_path) if plane is None else f"{image_path}, plane {plane}"


def _text(row: dict[str, Any], heading: bool) -> str:
    from dlsim_ij.report.explain import flatten

    flat = flatten(row)
    names = [f"{name} {unit}".strip() for name, unit, _, _ in _COLUMNS]
    cells = ["-" if flat[key] is None else format(flat[key], style) for _, _, key, style in _COLUMNS]
    line = "  ".join(f"{cell:>{len(name)}}" for name, cell in zip(names, cells, strict=True))
    line += "  " + _where(row["image"], row.get("plane"))
    return "  ".join(names) + "  image\n" + line if heading else line


def _warn(row: dict[str, Any]) -> None:
    from dlsim_ij.quality.registration import MAX_SHIFT_PX

    if not options.show_progress():
        return
    where = _where(row["image"], row.get("plane"))
    if row["seed_psnr_db"] is None:
        click.echo(
            f"warning: {where}: the seed's scores are undefined, 1 % and 99.8 % quantiles are equal", err=True
        )
    y, x = row["registered"]["shift_px"]
    if (y * y + x * x) ** 0.5 > MAX_SHIFT_PX - 0.01:
        click.echo(
            f"warning: {where}: the best shift lies at the limit of {MAX_SHIFT_PX:g} px;"
            " are the two of the same field and grid?",
            err=True,
        )


def _finish(
    rows: list[dict[str, Any]],
    baseline: str | None,
    csv_path: Path | None,
    summary_path: Path | None,
    xlsx_path: Path | None,
    overwrite: bool,
) -> None:
    """Print the means and write what was asked for."""
    from dlsim_ij.files import write_json, write_text
    from dlsim_ij.report import score_tables

    if baseline is not None and all(row["group"] != baseline for row in rows):
        click.echo(f"warning: no image of the baseline '{baseline}' could be scored", err=True)
        baseline = None
    summary = score_tables.summarise(rows, baseline)
    several = len({(row["truth"], row.get("plane")) for row in rows}) > 1
    if several and options.show_progress():  # a mean over methods of one field says nothing
        click.echo(_summary_text(summary), err=True)
    if csv_path is not None:
        write_text(csv_path, score_tables.to_csv(rows), overwrite=overwrite)
    if summary_path is not None and summary_path.suffix == ".json":
        write_json(summary_path, summary.to_dict(), overwrite=overwrite)
    elif summary_path is not None:
        write_text(summary_path, score_tables.to_csv(summary.rows()), overwrite=overwrite)
    if xlsx_path is not None:
        from dlsim_ij.report.spreadsheet import write_xlsx

        write_xlsx(xlsx_path, score_tables.sheets(rows, summary), overwrite=overwrite)


def _summary_text(summary: ScoreSummary) -> str:
    shown = [column for column in _COLUMNS if column[2] in _AVERAGED]
    lines = ["mean over images [95 % confidence interval]"]
    table = [["", "images", *(f"{name} {unit}".strip() for name, unit, _, _ in shown)]]
    for group, means in summary.means.items():
        count = max((found.n for found in means.values()), default=0)
        table.append([group or "all", str(count), *(_interval(means.get(k), s) for *_, k, s in shown)])
    lines += _aligned(table)
    if summary.differences:
        lines += [f"difference to {summary.baseline} on the same truths [95 % confidence interval]"]
        table = table[:1]
        for group, found in summary.differences.items():
            count = max((d.n for d in found.values()), default=0)
            table.append([group, str(count), *(_interval(found.get(k), "+" + s) for *_, k, s in shown)])
        lines += _aligned(table)
    return "\n".join(lines)


def _interval(found: Any, style: str) -> str:
    if found is None:
        return "-"
    if found.low is None:
        return format(found.mean, style)
    return f"{found.mean:{style}} [{found.low:{style}}, {found.high:{style}}]"


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
