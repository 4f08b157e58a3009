"""The final table of a run: how good the finished model is, group by group, with confidence intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dlsim_ij.datasets.source import samples_of_test
from dlsim_ij.errors import ImageError
from dlsim_ij.files import write_text
from dlsim_ij.networks.blocks import BatchNormMode
from dlsim_ij.quality.pixelwise import Scores, fair_scores
from dlsim_ij.quality.summary import MeanInterval, mean_interval
from dlsim_ij.results import Result
from dlsim_ij.training.evaluation import evaluating

if TYPE_CHECKING:
    from dlsim_ij.datasets.source import SampleSource

METRICS = ("psnr_db", "nrmse", "ssim")
ALL = "all"  # the name of the row over all groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Result):
    """One group of one part.

    Attributes
    ----------
    part : {"test", "validation"}
        Test samples were used for nothing else; by validation samples the best weights were chosen.
    output, group : str
        Which output of the network; which group, or ``all``.
    n, n_failed : int
        Samples that were scored, and those that have no scores (a constant image).
    psnr_db, nrmse, ssim : MeanInterval or None
        Means over samples as `quality.fair_scores` defines them. `n` inside is what the interval rests on:
        samples, or fields where the samples of a group are tiles of one field.
    """

    part: str
    output: str
    group: str
    n: int
    n_failed: int
    psnr_db: MeanInterval | None
    nrmse: MeanInterval | None
    ssim: MeanInterval | None


def final_table(
    network: nn.Module, source: SampleSource, *, device: torch.device, batchnorm: BatchNormMode
) -> list[Row]:
    """Score a network on the test samples of a source, if it has some, and on its validation samples.

    Returns
    -------
    list of Row
        Part by part; in each the groups in the order in which they came, and then all of them.
    """
    names = tuple(getattr(source, "output_names", ())) or ("output",)
    rows: list[Row] = []
    with evaluating(network, batchnorm):
        for part, samples in (("test", samples_of_test(source)), ("validation", source.validation())):
            scored = list(_scored(network, samples, names, device))
            for name in names:
                mine = [(group, found) for output, group, found in scored if output == name]
                rows += _rows(part, name, mine, bool(getattr(source, "one_group_one_field", False)))
    return rows


def write_table(rows: list[Row], csv_path: Path, markdown_path: Path) -> None:
    """Write the table for programs and for people, replacing earlier ones of the same run."""
    write_text(csv_path, _as_csv(rows), overwrite=True)
    write_text(markdown_path, as_markdown(rows), overwrite=True)


def as_markdown(rows: list[Row]) -> str:
    """Return the table in markdown, with a line on what the numbers mean."""
    several = len({row.output for row in rows}) > 1
    head = ["part", *(["output"] if several else []), "group", "n", "PSNR (dB)", "NRMSE", "SSIM"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row.part, *([row.output] if several else []), row.group.replace("|", "/"), str(row.n)]
        cells += [_cell(getattr(row, name), digits) for name, digits in zip(METRICS, (2, 4, 4), strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    failed = sum(row.n_failed for row in rows if row.group == ALL)
    notes = [
        "Mean [95 % confidence interval by Student's t] after the best gain and offset, in the range of the "
        "target. No interval: it would rest on a single field.",
        "By the validation samples the weights were chosen, so their scores flatter; test samples served "
        "nothing else.",
    ]
    if failed:
        notes.append(f"Without scores, because prediction or target is constant: {failed}.")
    return "\n".join([*lines, "", *notes, ""])


def for_card(rows: list[Row]) -> dict[str, Any]:
    """Return the table as the model card holds it: part, then group (and output, if there are several)."""
    several = len({row.output for row in rows}) > 1
    table: dict[str, Any] = {}
    for row in rows:
        name = f"{row.output}, {row.group}" if several else row.group
        values = {
            key: value for key, value in row.to_dict().items() if key not in ("part", "output", "group")
        }
        table.setdefault(row.part, {})[name] = values
    return table


def _scored(
    network: nn.Module,
    samples: Iterator[tuple[Tensor, Tensor, str]],
    names: tuple[str, ...],
    device: torch.device,
) -> Iterator[tuple[str, str, Scores | None]]:
    for inputs, targets, group in samples:
        predicted = network(inputs.to(device)).float().cpu()
        for one, truth in zip(predicted, targets, strict=True):
            for channel, name in enumerate(names):
                yield name, group, _scores(truth[channel], one[channel])


def _scores(truth: Tensor, image: Tensor) -> Scores | None:
    try:
        return fair_scores(truth.numpy(), image.numpy())
    except ImageError:  # constant, or smaller than the window of SSIM
        return None


def _rows(part: str, output: str, scored: list[tuple[str, Scores | None]], one_field: bool) -> Iterator[Row]:
    by_group: dict[str, list[Scores | None]] = {}
    for group, found in scored:
        by_group.setdefault(group, []).append(found)
    for group, members in by_group.items():
        yield _row(part, output, group, members, [_values(members)] if one_field else None)
    if scored:
        everything = [found for _, found in scored]
        fields = [_values(members) for members in by_group.values()] if one_field else None
        yield _row(part, output, ALL, everything, fields)


def _row(
    part: str, output: str, group: str, found: list[Scores | None], fields: list[np.ndarray] | None
) -> Row:
    values = _values(found)
    # tiles of one field are no independent measurements, so its mean is one measurement
    independent = values if fields is None else np.array([v.mean(axis=0) for v in fields if len(v)])
    intervals: list[MeanInterval | None] = [None] * len(METRICS)
    if len(values):
        intervals = [mean_interval(list(independent[:, column])) for column in range(len(METRICS))]
    return Row(
        part=part,
        output=output,
        group=group,
        n=len(values),
        n_failed=len(found) - len(values),
        **dict(zip(METRICS, intervals, strict=True)),
    )


def _values(found: list[Scores | None]) -> np.ndarray:
    """Return (n, 3): the metrics of the samples that have some."""
    return np.array([[getattr(one, name) for name in METRICS] for one in found if one is not None])


def _cell(interval: MeanInterval | None, digits: int) -> str:
    if interval is None:
        return "-"
    reach = "" if interval.low is None else f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
    return f"{interval.mean:.{digits}f}{reach}"


def _as_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("mean", "sd", "low", "high", "n")
    writer.writerow(
        [
            "part",
            "output",
            "group",
            "n",
            "n_failed",
            *(f"{name}_{kind}" for name in METRICS for kind in kinds),
        ]
    )
    for row in rows:
        cells: list[Any] = [row.part, row.output, row.group, row.n, row.n_failed]
        for name in METRICS:
            interval = getattr(row, name)
            numbers = [None if interval is None else getattr(interval, kind) for kind in kinds]
            cells += ["" if value is None else f"{value:.6g}" for value in numbers]
        writer.writerow(cells)
    return text.getvalue()
