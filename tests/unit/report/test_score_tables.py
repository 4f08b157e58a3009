"""Tables of scores and the workbook they can become."""

from __future__ import annotations

import csv
import io

import pytest

from dlsim_ij.errors import ConfigError, OutputError
from dlsim_ij.report.score_tables import by_group, sheets, summarise, to_csv
from dlsim_ij.report.spreadsheet import write_xlsx


def row(truth: str, group: str, psnr_db: float | None, **more) -> dict:
    return {"truth": truth, "image": f"{group}/{truth}", "group": group, "psnr_db": psnr_db, **more}


ROWS = [
    row("a", "e10", 30.0, registered={"psnr_db": 31.0, "shift_px": [0.5, -0.5]}),
    row("b", "e10", 33.0, registered={"psnr_db": 34.0, "shift_px": [0.0, 0.0]}),
    row("a", "e9", 20.0, registered={"psnr_db": 20.5, "shift_px": [0.0, 0.0]}),
    row("b", "e9", None, registered={"psnr_db": 25.0, "shift_px": [0.0, 0.0]}),
]


def test_undefined_numbers_take_no_part():
    summary = summarise(ROWS)
    assert list(summary.means) == ["e9", "e10"]
    assert summary.means["e9"]["psnr_db"].n == 1
    assert summary.means["e10"]["psnr_db"].mean == 31.5
    assert summary.differences["e10"]["psnr_db"].n == 1
    assert summary.differences["e10"]["registered_psnr_db"].mean == pytest.approx((10.5 + 9.0) / 2)
    assert not any(measure.endswith("_px") for measure in summary.means["e10"])


def test_rows_and_nesting_hold_the_same():
    summary = summarise(ROWS, "e10")
    nested = summary.to_dict()
    assert nested["baseline"] == "e10"
    for line in summary.rows():
        table = nested["differences"] if line["minus"] else nested["means"]
        assert table[line["group"]][line["measure"]]["mean"] == line["mean"]


def test_several_images_of_one_truth_count_once():
    rows = [row("a", "x", 10.0), row("a", "x", 20.0), row("a", "y", 16.0)]
    found = summarise(rows).differences["y"]["psnr_db"]
    assert (found.n, found.mean) == (1, 1.0)


def test_one_group_has_no_difference():
    summary = summarise([{"truth": "a", "image": "i", "psnr_db": 3.0}])
    assert summary.baseline is None
    assert summary.differences == {}
    assert list(summary.means) == [""]


def test_groups_stand_side_by_side_plane_by_plane():
    rows = [row("a", "e9", 1.0, plane=1), row("a", "e9", 2.0, plane=2), row("a", "e10", 3.0, plane=2)]
    assert by_group(rows, "psnr_db") == [
        {"truth": "a", "plane": 1, "e9": 1.0},
        {"truth": "a", "plane": 2, "e9": 2.0, "e10": 3.0},
    ]
    assert by_group([row("a", "truth", 1.0)], "psnr_db") == [{"truth": "a", "truth (group)": 1.0}]


def test_csv_has_one_line_per_row_and_flat_names():
    lines = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert lines[0]["registered_shift_y_px"] == "0.5"
    assert lines[3]["psnr_db"] == ""


def test_the_workbook_reads_back(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "scores.xlsx"
    write_xlsx(path, sheets(ROWS, summarise(ROWS)))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["images", "summary", "psnr_db"]
    header, first, *_ = book["images"].iter_rows(values_only=True)
    assert header[:4] == ("truth", "image", "group", "psnr_db")
    assert first[3] == 30.0
    assert [file.name for file in tmp_path.iterdir()] == ["scores.xlsx"]


def test_names_are_no_formulas_and_odd_characters_no_failure(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "hostile.xlsx"
    write_xlsx(path, {"images": [{"image": '=HYPERLINK("http://x")', "=A1": None, "note": "a\x07b"}]})
    cells = [cell for line in openpyxl.load_workbook(path)["images"].iter_rows() for cell in line]
    assert all(cell.data_type != "f" for cell in cells)
    assert cells[3].value == '=HYPERLINK("http://x")'
    assert cells[5].value == "a\ufffdb"


def test_a_workbook_is_not_replaced_unasked_nor_misnamed(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "scores.xlsx"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        write_xlsx(path, {"images": []})
    assert path.read_bytes() == b"mine"
    write_xlsx(path, {"images": []}, overwrite=True)
    assert path.read_bytes() != b"mine"
    with pytest.raises(ConfigError, match="xlsx"):
        write_xlsx(tmp_path / "scores.xls", {"images": []})
