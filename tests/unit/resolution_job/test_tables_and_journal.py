"""Tables of records, and what an interrupted run leaves."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dlsim_ij.errors import OutputError
from dlsim_ij.resolution_job import Journal, OwnTable, PluginTable, Settings, summaries
from dlsim_ij.resolution_job.tables import table_text

RUN = {"version": "1.1.8", "rmax": 1.0, "files": {"a.tif": [100, 5]}}


def record(plane=1, **changes):
    return {
        "file": "folder/a.tif", "plane": plane, "slice": 1, "frame": 1, "channel": plane, "label": None,
        "version": "1.1.8", "status": "ok", "kc": 0.4, "kc_gm": 0.3, "a0": 0.7, "resolution_px": 5.0,
        "resolution_um": 0.15, "resolution_nm": 150.0, "enlarged": False, "factor": 1.0,
        "naive_resolution_px": 5.0, "naive_resolution_nm": 150.0, "naive_valid": True, "pixel_size_um": 0.03,
        "rmin": 0.0, "rmax": 1.0, "n_radii": 50, "n_gaussians": 10, "warnings": ["one; do this", 'two, "x"'],
    } | changes  # fmt: skip


def rows(table, records):
    return list(csv.DictReader(io.StringIO(table_text(table, records))))


def test_our_table_has_units_in_names_and_empty_cells_for_what_is_not_known(tmp_path):
    table = OwnTable(tmp_path / "t.csv", Settings().columns())
    first, second = rows(
        table, [record(), record(2, status="refused", error="it is NaN", resolution_nm=None)]
    )
    assert float(first["resolution_nm"]) == 150
    assert first["warnings"] == 'one; do this; two, "x"'
    assert second["resolution_nm"] == second["label"] == ""
    assert second["warnings"] == "it is NaN"


def test_the_plugins_table(tmp_path):
    table = PluginTable(tmp_path / "t.csv")
    text = table_text(table, [record(file=f"{'x' * 40}.tif")])
    assert text.splitlines() == [
        "Label,Res.,units,A0,Kc,Kc GM,Slice,Frame,Chanel,rMin,rMax,Nr,Ng",
        f"{'x' * 30},0.15,[microns],0.7,0.4,0.3,1,1,1,0,1,50,10",
    ]


def test_the_plugins_table_in_pixels_without_what_the_plugin_has_no_row_for(tmp_path):
    table = PluginTable(tmp_path / "t.csv")
    unknown = {"pixel_size_um": None, "resolution_um": None, "resolution_nm": None}
    found = rows(
        table,
        [
            record(1, **unknown),
            record(2, status="crash"),
            record(3, status="refused"),
            record(4, status="no-peak", **unknown, resolution_px=None, kc=0.0),
        ],
    )
    assert [(row["Res."], row["units"], row["Chanel"]) for row in found] == [
        ("5.0", "[pixels]", "1"),
        ("NaN", "[pixels]", "4"),
    ]


def test_the_plugin_walks_by_slice_then_frame_then_channel(tmp_path):
    table = PluginTable(tmp_path / "t.csv")
    records = [
        record(slice=z, frame=t, channel=c, file=file)
        for file in ("b.tif", "a.tif")
        for t in (1, 2)
        for z in (1, 2)
        for c in (1, 2)
    ]
    order = [(r["file"], r["slice"], r["frame"], r["channel"]) for r in table.in_order(records)]
    assert [one[0] for one in order] == ["b.tif"] * 8 + ["a.tif"] * 8
    assert [one[1:] for one in order[:8]] == sorted(one[1:] for one in order[:8])


def test_summaries_of_files_and_of_all():
    records = [record(1, resolution_nm=100.0), record(2, resolution_nm=200.0), record(3, status="no-peak")]
    records[2] |= {"resolution_px": None, "resolution_nm": None, "resolution_um": None}
    ((what, spread),) = summaries(records)
    assert (what, spread.unit, spread.n, spread.n_failed, spread.mean) == ("folder/a.tif", "nm", 2, 1, 150)
    other = record(file="b.tif", resolution_um=None, resolution_nm=None, resolution_px=7.0)
    assert [(what, s.unit, s.n) for what, s in summaries([*records, other])] == [
        ("folder/a.tif", "nm", 2),
        ("all files", "px", 3),
    ]
    assert summaries([record()]) == []
    assert summaries([records[2], records[2]]) == []


@pytest.fixture
def table(tmp_path):
    return OwnTable(tmp_path / "t.csv", Settings().columns())


def test_the_partial_table_is_valid_after_every_plane_and_goes_at_the_end(table, tmp_path):
    with Journal([table], RUN) as journal:
        for plane in (1, 2, 3):
            journal.add(record(plane))
            partial = list(csv.DictReader(io.StringIO((tmp_path / "t.partial.csv").read_text())))
            assert [row["plane"] for row in partial] == [str(n + 1) for n in range(plane)]
        assert not table.path.exists()
        journal.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert table.path.read_text() == table_text(table, [record(n) for n in (1, 2, 3)])


def test_a_stopped_run_goes_on(table):
    with Journal([table], RUN) as journal:
        journal.add(record(1))
    with Journal([table], RUN) as journal:
        assert journal.done == [record(1)]
        journal.add(record(2))
        journal.finish()
    assert table.path.read_text().count("\n") == 3


def test_a_torn_last_line_is_measured_again(table, tmp_path):
    with Journal([table], RUN) as journal:
        journal.add(record(1))
        journal.add(record(2))
    file = tmp_path / "t.partial.jsonl"
    file.write_text(file.read_text()[:-9])
    (tmp_path / "t.partial.csv").write_text("folder/a.ti")
    with Journal([table], RUN) as journal:
        assert journal.done == [record(1)]
        assert (tmp_path / "t.partial.csv").read_text() == table_text(table, [record(1)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rmax": 0.5}, "rmax 1.0, not 0.5"),
        ({"roi": [0, 0, 9, 9]}, "roi none, not"),
        ({"files": {"a.tif": [100, 6]}}, r"files a.tif \[100, 5\], not \[100, 6\]"),
        ({"files": {"b.tif": [100, 5]}}, "files a.tif"),
    ],
)
def test_another_run_is_refused_and_kept_or_replaced_when_asked(change, message, table, tmp_path):
    with Journal([table], RUN) as journal:
        journal.add(record(1))
    with pytest.raises(OutputError, match=message):
        Journal([table], RUN | change)
    with Journal([table], RUN) as journal:
        assert len(journal.done) == 1
    with Journal([table], RUN | change, overwrite=True) as journal:
        assert journal.done == []
        journal.add(record(1, kc=0.1))
        assert json.loads((tmp_path / "t.partial.jsonl").read_text().splitlines()[1])["kc"] == 0.1


def test_a_run_without_a_record_leaves_nothing(table, tmp_path):
    with Journal([table], RUN):
        assert (tmp_path / "t.partial.csv").exists()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_are_refused(table):
    with Journal([table], RUN), pytest.raises(OutputError, match="another dlsim is writing"):
        Journal([table], RUN)


def test_files_of_others_are_kept(table, tmp_path):
    (tmp_path / "t.partial.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        Journal([table], RUN)
    assert (tmp_path / "t.partial.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "t.partial.jsonl").write_text("mine too\n")
    with pytest.raises(OutputError, match="is not of dlsim"):
        Journal([table], RUN)
    assert (tmp_path / "t.partial.jsonl").read_text() == "mine too\n"


def test_a_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        Journal([PluginTable(tmp_path / "none" / "t.csv")], RUN)
