from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from dlsim_ij.quality import fair_scores
from dlsim_ij.training.table import as_markdown, final_table, for_card, write_table


class Held:
    """A source that has nothing but samples to be measured by: (group, noise, seed)."""

    def __init__(self, validation, test=None, **told):
        self.samples = validation
        if test is not None:
            self.test = lambda: make(test)
        for name, value in told.items():
            setattr(self, name, value)

    def validation(self):
        return make(self.samples)


def make(samples):
    for group, noise, seed in samples:
        rng = np.random.default_rng(seed)
        target = rng.random((2, 16, 16)).astype(np.float32)
        inputs = target + noise * rng.normal(size=target.shape).astype(np.float32)
        yield torch.from_numpy(inputs)[None], torch.from_numpy(target)[None], group


SAMPLES = [("dim", 0.3, 1), ("dim", 0.2, 2), ("bright", 0.05, 3), ("dim", 0.4, 4), ("bright", 0.03, 5)]


def table(source):
    return final_table(nn.Identity(), source, device=torch.device("cpu"), batchnorm="running")


def scores_of(samples, channel=0):
    return [
        fair_scores(target[0, channel].numpy(), inputs[0, channel].numpy())
        for inputs, target, _ in make(samples)
    ]


def test_means_and_intervals_of_every_group_and_of_all():
    rows = table(Held(SAMPLES))
    assert [(row.part, row.group, row.n) for row in rows] == [
        ("validation", "dim", 3), ("validation", "bright", 2), ("validation", "all", 5),
    ]  # fmt: skip
    for row, chosen in zip(rows, ([0, 1, 3], [2, 4], [0, 1, 2, 3, 4]), strict=True):
        for metric in ("psnr_db", "nrmse", "ssim"):
            values = [getattr(scores_of(SAMPLES)[i], metric) for i in chosen]
            found = getattr(row, metric)
            low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
            assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))


def test_a_test_part_stands_first_and_the_validation_part_behind_it():
    rows = table(Held(SAMPLES[:2], test=SAMPLES[2:]))
    assert [row.part for row in rows] == ["test"] * 3 + ["validation"] * 2
    assert rows[2].psnr_db.mean == pytest.approx(np.mean([s.psnr_db for s in scores_of(SAMPLES[2:])]))
    assert list(for_card(rows)) == ["test", "validation"]
    assert [row.part for row in table(Held(SAMPLES, test=[]))] == ["validation"] * 3


def test_tiles_of_one_field_count_as_one_measurement():
    *groups, whole = table(Held(SAMPLES, one_group_one_field=True))
    assert [(row.n, row.psnr_db.n, row.psnr_db.low) for row in groups] == [(3, 1, None), (2, 1, None)]
    assert (whole.n, whole.psnr_db.n) == (5, 2)
    means = [row.psnr_db.mean for row in groups]
    low, high = stats.t.interval(0.95, 1, np.mean(means), stats.sem(means))
    assert (whole.psnr_db.low, whole.psnr_db.high) == pytest.approx((low, high))


def test_outputs_with_names_are_scored_each_and_without_names_the_first_one():
    rows = table(Held(SAMPLES, output_names=("clean", "sharp")))
    assert [(row.output, row.group) for row in rows[2::3]] == [("clean", "all"), ("sharp", "all")]
    for channel, row in enumerate(rows[2::3]):
        assert row.ssim.mean == pytest.approx(np.mean([s.ssim for s in scores_of(SAMPLES, channel)]))
    assert set(for_card(rows)["validation"]) >= {"clean, all", "sharp, dim"}
    assert "| output |" in as_markdown(rows)
    assert {row.output for row in table(Held(SAMPLES))} == {"output"}


def test_samples_without_scores_are_counted_not_averaged(tmp_path):
    source = Held(SAMPLES)
    good = list(make(SAMPLES[:1]))
    empty = (torch.ones(1, 2, 16, 16), torch.zeros(1, 2, 16, 16), "empty")
    source.validation = lambda: iter([*good, empty])
    dim, nothing, whole = table(source)
    assert (nothing.n, nothing.n_failed, nothing.psnr_db) == (0, 1, None)
    assert (whole.n, whole.n_failed) == (1, 1)
    assert whole.psnr_db.mean == dim.psnr_db.mean
    text = as_markdown([dim, nothing, whole])
    assert "| validation | empty | 0 | - | - | - |" in text
    assert "constant: 1." in text


def test_the_files_hold_the_table_and_replace_the_one_before(tmp_path):
    rows = table(Held([("a|b", 0.1, 1), *SAMPLES]))
    for _ in range(2):
        write_table(rows, tmp_path / "metrics.csv", tmp_path / "table.md")
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.csv", "table.md"}
    with open(tmp_path / "metrics.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [line["group"] for line in read] == ["a|b", "dim", "bright", "all"]
    assert float(read[1]["psnr_db_low"]) == pytest.approx(rows[1].psnr_db.low, rel=1e-5)
    assert read[0]["psnr_db_low"] == ""  # a single sample has no interval
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {7}
    dim = rows[1].psnr_db
    assert f"{dim.mean:.2f} [{dim.low:.2f}, {dim.high:.2f}]" in lines[3]
