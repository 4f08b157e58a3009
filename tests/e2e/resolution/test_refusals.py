"""``dlsim resolution`` on what cannot be measured, with wrong options, and where files are in the way."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from dlsim_ij.cli.main import run

BAD = {
    "constant": np.full((80, 80), 7, np.uint16),
    "zero": np.zeros((80, 80), np.float32),
    "NaN": np.where(np.eye(80) > 0, np.nan, 7.0).astype(np.float32),
    "one pixel": np.ones((1, 1), np.uint8),
    "long": np.random.default_rng(0).random((3, 100_000), np.float32),
    "complex": np.ones((80, 80), np.complex64),
    "boolean": np.eye(80, dtype=bool),
}


@pytest.mark.parametrize("ending", [".tif", ".npy"])
@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_measured_is_one_line_and_a_hint(kind, ending, tmp_path, refusal):
    path = tmp_path / f"bad{ending}"
    if ending == ".tif":
        tifffile.imwrite(path, BAD[kind])
    else:
        np.save(path, BAD[kind])
    error, _ = refusal(path, "--csv", tmp_path / "t.csv")
    assert str(path) in error
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_bad_plane_among_others_is_a_row_and_exit_code_1(tmp_path, picture, call, table, promised):
    path = tmp_path / "stack.npy"
    np.save(path, np.stack([picture(0), np.zeros((96, 96)), picture(1)]))
    code, rows, err = call(path, "--csv", tmp_path / "t.csv", "--plugin-table", tmp_path / "p.csv")
    assert code == 1
    assert [row["status"] for row in rows] == ["ok", "refused", "ok"]
    assert all(set(row) >= promised for row in rows)
    assert "constant" in rows[1]["error"]
    assert f"error: {path}, plane 2 (slice 2): the image is constant" in err
    assert [row["status"] for row in table(tmp_path / "t.csv")] == ["ok", "refused", "ok"]
    assert [row["Slice"] for row in table(tmp_path / "p.csv")] == ["1", "3"]


def test_an_unreadable_file_among_others_is_an_error_and_the_rest_is_done(image, tmp_path, call):
    (tmp_path / "text.tif").write_text("hello")
    code, rows, err = call(tmp_path / "text.tif", image)
    assert code == 1
    assert [row["file"] for row in rows] == [str(image)]
    assert "text.tif is a text file" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--roi", "50,0,47,96"], "reaches beyond"),
        (["--roi", "1,2,3"], "is not a rectangle"),
        (["--roi", "0,0,0,5"], "lies in no image"),
        (["--roi", "0,0,5,5"], "too few"),
        (["--version", "1.1"], "1.1.8-nocap"),
        (["--rmin", "0.5", "--rmax", "0.5"], "radii"),
        (["--rmax", "1.5"], "1.5"),
        (["--nr", "9"], "9"),
        (["--ng", "4"], "4"),
        (["--pixel-size", "65"], "65"),
        (["--curves", "c.jpg"], "'.jpg'"),
        (["--curves", "none/c.svg"], "does not exist"),
        (["--csv", "none/c.csv"], "does not exist"),
        (["--csv", "c.csv", "--plugin-table", "c.csv"], "used twice"),
        (["--csv", "image.tif", "--overwrite"], "used twice"),
        (["--align"], "one is given"),
        (["--gain", "2", "--spread", "5"], "belong together"),
        (["--gain", "2", "--offset", "100"], "--spread and --frc only"),
        (["--spread", "4"], "4"),
        (["--sectors", "0"], "0"),
        (["--map", "m.png"], "'.png'"),
        (["--map", "none/m.tif"], "does not exist"),
        (["--map", "m.tif", "--tile", "63"], "63"),
        (["--pair", "small.tif"], "96 x 96"),
        (["--pair", "missing.tif"], "does not exist"),
        (["image.tif", "--pair", "image.tif"], "goes with one image"),
    ],
)
def test_wrong_options_are_one_line_and_a_hint(
    words, message, image, tmp_path, monkeypatch, picture, write, refusal
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.tif", picture(size=64), "YX")
    before = sorted(tmp_path.iterdir())
    error, _ = refusal("image.tif", *words)
    assert message in error
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_overwritten_unasked(image, tmp_path, capfd, refusal):
    for option, name in (("--csv", "t.csv"), ("--plugin-table", "p.csv"), ("--curves", "c.svg")):
        (tmp_path / name).write_text("mine")
        error, _ = refusal(image, option, tmp_path / name)
        assert "exists already" in error
        assert (tmp_path / name).read_text() == "mine"
        assert run(["resolution", str(image), option, str(tmp_path / name), "--overwrite"]) == 0
        assert (tmp_path / name).read_text() != "mine"
        capfd.readouterr()


def test_a_dry_run_writes_nothing(stack, tmp_path, call):
    words = ["--csv", tmp_path / "t.csv", "--curves", tmp_path / "c.svg", "--dry-run"]
    code, (row,), _ = call(stack, *words)
    assert code == 0
    assert row["planes"] == 4
    assert row["outputs"] == [
        str(tmp_path / n) for n in ("t.csv", *(f"c_p{k:03d}.svg" for k in (1, 2, 3, 4)))
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["stack.tif"]
