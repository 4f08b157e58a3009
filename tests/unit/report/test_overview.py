"""The page of a batch: order, columns, size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dlsim_ij.report.document import Cards, Charts, Link, Table, Value
from dlsim_ij.report.html import render
from dlsim_ij.report.overview import Entry, build_overview, thumbnail, worst_first


def entries_of(make_record, rows, n_images=None):
    noise = np.random.default_rng(0).normal(size=(300, 300))
    record = make_record()
    found = []
    for index, (level, metrics) in enumerate(rows):
        name = f"cell {index}"
        small = thumbnail(noise, name, n_images or len(rows))
        changed = replace(record, name=name, verdict_level=level, metrics=metrics)
        found.append(Entry(record=changed, page=f"{index}.html", thumbnail=small))
    return found


def section(document, key):
    return next(section for section in document.sections if section.key == key)


ROWS = [
    ("good", {"rsp": 0.9, "rse": 3.0, "resolution_nm": 120.0, "widefield": {"resolution_nm": 250.0}}),
    ("good", {"rsp": 0.7, "rse": 9.0, "resolution_nm": 180.0, "widefield": {"resolution_nm": 260.0}}),
    ("poor", {"rsp": 0.95, "rse": 2.0, "resolution_nm": 110.0}),
    ("caution", {"resolution_nm": None}),
    ("caution", {"rsp": 0.8, "rse": 4.0, "resolution_nm": 130.0, "widefield": {"resolution_nm": 255.0}}),
    ("good", {"rsp": 0.85, "rse": 3.5, "resolution_nm": 140.0, "widefield": {"resolution_nm": 240.0}}),
    ("unknown", {"rsp": 0.99, "rse": 1.0, "resolution_nm": 100.0}),
]


def test_the_worst_five_come_first(make_record):
    entries = entries_of(make_record, ROWS)
    order, key = worst_first(entries, [metrics for _, metrics in ROWS])
    assert key == "rsp"
    assert order == [2, 4, 3, 6, 1, 5, 0]
    (cards,) = section(build_overview(entries, "x"), "worst").blocks
    assert isinstance(cards, Cards)
    assert [card.link.text for card in cards.cards] == [f"cell {i}" for i in order[:5]]


def test_without_agreement_a_coarse_result_is_worse(make_record):
    rows = [("good", {"resolution_px": 4.0}), ("good", {"resolution_px": 6.0})]
    order, key = worst_first(entries_of(make_record, rows), [metrics for _, metrics in rows])
    assert (order, key) == ([1, 0], "resolution_px")


def test_columns_can_be_sorted_and_hold_the_measures(make_record):
    (table,) = section(build_overview(entries_of(make_record, ROWS), "x"), "results").blocks
    assert isinstance(table, Table)
    assert table.sortable
    assert table.header == (
        "Image", "Result", "Verdict", "Resolution, nm", "RSP", "RSE, counts", "Warnings",
    )  # fmt: skip
    link, _, verdict, *values = table.rows[3]
    assert link == Link(text="cell 3", href="3.html")
    assert verdict == Value(text="Use with care", sort=1, level="caution")
    assert values[0] == Value(text="–", sort=None)
    html = render(build_overview(entries_of(make_record, ROWS), "x"))
    assert 'data-sort="0.95"' in html
    assert '<table class="grid wide" data-sortable>' in html


def test_distributions_hold_every_image(make_record):
    charts = section(build_overview(entries_of(make_record, ROWS), "x"), "distributions").blocks[0]
    assert isinstance(charts, Charts)
    assert [chart.title for chart in charts.charts] == ["Decorrelation analysis", "RSP", "RSE"]
    assert "Result 100 to 180, median 125" in charts.charts[0].alt
    assert "Widefield 240 to 260" in charts.charts[0].alt


def test_scores_appear_where_there_is_a_truth(make_record):
    rows = [("good", {"rsp": 0.9, "psnr_db": 20.0 + n, "ssim": 0.5 + n / 10}) for n in range(3)]
    document = build_overview(entries_of(make_record, rows), "x")
    assert {"PSNR, dB", "SSIM"} <= set(section(document, "results").blocks[0].header)
    assert [c.title for c in section(document, "distributions").blocks[0].charts] == ["RSP", "PSNR", "SSIM"]


@pytest.mark.parametrize("count", [2, 200, 600])
def test_a_large_batch_stays_below_three_megabytes(make_record, count):
    rng = np.random.default_rng(1)
    numbers = ("rsp", "rse", "resolution_nm", "frc_resolution_nm", "psnr_db", "ssim")
    rows = [
        ("good", {
            **{key: float(v) for key, v in zip(numbers, rng.random(6), strict=True)},
            "wiener": {key: float(rng.random()) for key in numbers[:4]},
            "widefield": {key: float(rng.random()) for key in numbers[2:4]},
        })
        for _ in range(count)
    ]  # fmt: skip
    html = render(build_overview(entries_of(make_record, rows), "x"))
    assert len(html.encode()) < 3_000_000
    assert html.count('<img class="thumbnail"') == count
