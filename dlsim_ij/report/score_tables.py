"""Scores of many images as tables: by image, means by group, and one group against another."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlsim_ij.quality.summary import (
    CONFIDENCE,
    MeanInterval,
    PairedDifference,
    mean_interval,
    paired_difference,
)
from dlsim_ij.report.explain import flatten

Row = Mapping[str, Any]

BY_GROUP = ("psnr_db", "nrmse", "ssim", "ms_ssim", "seed_psnr_db", "seed_nrmse", "seed_ssim")
_NOT_AVERAGED = {"truth", "image", "group", "plane"}


@dataclass(frozen=True)
class ScoreSummary:
    """Means of each group, and what the others differ by from the baseline on the same truths."""

    means: Mapping[str, Mapping[str, MeanInterval]]  # by group and measure
    differences: Mapping[str, Mapping[str, PairedDifference]]  # without the baseline
    baseline: str | None

    def rows(self) -> list[dict[str, Any]]:
        """Return one line per group and measure, then one per difference."""
        shared = {"confidence": CONFIDENCE}
        lines: list[dict[str, Any]] = [
            {"group": group, "minus": None, "measure": measure, **found.to_dict(), "n_higher": None, **shared}
            for group, measures in self.means.items()
            for measure, found in measures.items()
        ]
        lines += [
            {"group": group, "minus": self.baseline, "measure": measure, **found.to_dict(), **shared}
            for group, measures in self.differences.items()
            for measure, found in measures.items()
        ]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the same, nested, for JSON."""

        def nested(table: Mapping[str, Mapping[str, MeanInterval | PairedDifference]]) -> dict[str, Any]:
            return {group: {m: found.to_dict() for m, found in row.items()} for group, row in table.items()}

        return {
            "confidence": CONFIDENCE,
            "interval": "Student's t over images",
            "means": nested(self.means),
            "baseline": self.baseline,
            "differences": nested(self.differences),
        }


def summarise(rows: Sequence[Row], baseline: str | None = None) -> ScoreSummary:
    """Average scores by group.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of ``dlsim score --json``: `truth`, `image`, perhaps `group` and `plane`, and numbers. A number
        that is None for an image takes no part in its mean.
    baseline : str, optional
        The group that the others are compared with; the first in natural order if left out.

    Returns
    -------
    ScoreSummary
        Groups in natural order ("epoch_9" before "epoch_10"). Images of two groups are paired where they
        have the same truth and plane; a group with several images of one truth counts their mean.
    """
    flat = [flatten(row) for row in rows]
    measures = [
        key
        for key in dict.fromkeys(key for row in flat for key in row)
        if key not in _NOT_AVERAGED and not key.endswith("_px")
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in flat:
        groups.setdefault(str(row.get("group", "")), []).append(row)
    groups = {name: groups[name] for name in sorted(groups, key=natural)}
    means = {
        name: {
            measure: mean_interval(values)
            for measure in measures
            if (values := [row[measure] for row in members if row.get(measure) is not None])
        }
        for name, members in groups.items()
    }
    if len(groups) < 2:
        return ScoreSummary(means, {}, None)
    baseline = next(iter(groups)) if baseline is None else baseline
    differences: dict[str, dict[str, PairedDifference]] = {}
    for name, members in groups.items():
        if name == baseline:
            continue
        differences[name] = {}
        for measure in measures:
            own, other = _by_truth(members, measure), _by_truth(groups[baseline], measure)
            shared = [truth for truth in own if truth in other]
            if shared:
                differences[name][measure] = paired_difference(
                    [own[truth] for truth in shared], [other[truth] for truth in shared]
                )
    return ScoreSummary(means, differences, baseline)


def by_group(rows: Sequence[Row], measure: str) -> list[dict[str, Any]]:
    """Return one line per truth and one column per group, as the seed's score tables have them."""
    table: dict[Hashable, dict[str, Any]] = {}
    names = sorted({str(row.get("group", "")) for row in rows}, key=natural)
    for name in names:
        members = [flatten(row) for row in rows if str(row.get("group", "")) == name]
        for key, value in _by_truth(members, measure).items():
            truth, plane = key
            first = {"truth": truth} if plane is None else {"truth": truth, "plane": plane}
            table.setdefault(key, first)[f"{name} (group)" if name in ("truth", "plane") else name] = value
    return list(table.values())


def sheets(rows: Sequence[Row], summary: ScoreSummary) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a workbook by the name of their sheet."""
    found = {"images": [flatten(row) for row in rows], "summary": summary.rows()}
    if len(summary.means) > 1:
        found |= {measure: table for measure in BY_GROUP if (table := by_group(rows, measure))}
    return found


def to_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV; what a row does not have stays empty."""
    flat = [flatten(row) for row in rows]
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in flat for key in row))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts the numbers in names as numbers.

    Examples
    --------
    >>> sorted(["epoch_10", "epoch_9", "best"], key=natural)
    ['best', 'epoch_9', 'epoch_10']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _by_truth(rows: Sequence[Row], measure: str) -> dict[tuple[str, Any], float]:
    values: dict[tuple[str, Any], list[float]] = {}
    for row in rows:
        if row.get(measure) is not None:
            values.setdefault((row["truth"], row.get("plane")), []).append(row[measure])
    return {key: sum(found) / len(found) for key, found in values.items()}
