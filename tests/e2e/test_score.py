"""``dlsim score`` as users call it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run
from dlsim_ij.quality import scores

KEYS = [
    "truth", "image", "seed_psnr_db", "seed_nrmse", "seed_ssim", "psnr_db", "nrmse", "ssim", "registered",
    "ms_ssim", "dfcan", "skimage",
]  # fmt: skip


def picture(seed: int, size: int = 40) -> np.ndarray:
    return (
        1000 * ndimage.gaussian_filter(np.random.default_rng(seed).gamma(1, size=(size, size)), 1.2)
    ).astype(np.uint16)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.tif"
    tifffile.imwrite(path, picture(0))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, ndimage.gaussian_filter(picture(0), 1).astype(np.float32))
    return path


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_line_with_the_promised_keys(truth, image, capfd):
    assert run(["score", "--truth", str(truth), "--image", str(image), "--json"]) == 0
    out, err = capfd.readouterr()
    (row,) = json_lines(out)
    assert list(row) == KEYS
    expected = scores(tifffile.imread(truth), tifffile.imread(image)).to_dict()
    assert {key: row[key] for key in expected} == expected
    assert err == ""


def test_text_is_a_table_with_one_heading(truth, image, capfd):
    assert run(["score", "--truth", str(truth), "--image", str(image), "--image", str(truth)]) == 0
    out, err = capfd.readouterr()
    heading, first, second = out.splitlines()
    assert err == ""  # two methods of one field have no mean
    assert heading.split()[:2] == ["PSNR", "dB"]
    assert first.endswith(str(image))
    assert second.split()[0] == "200.00"


def test_a_fresh_process_answers_the_same(truth, image, capfd):
    words = ["score", "--truth", str(truth), "--image", str(image), "--json"]
    assert run(words) == 0
    here = capfd.readouterr().out
    there = subprocess.run(
        [sys.executable, "-m", "dlsim_ij", *words], capture_output=True, text=True, check=True, timeout=120
    )
    assert there.stdout == here


def test_folders_pair_by_name_and_what_is_alone_is_named(tmp_path, capfd):
    truths, images = tmp_path / "HER", tmp_path / "results"
    for folder in (truths, images):
        folder.mkdir()
    for index, name in enumerate(("a", "b", "c_sr")):
        tifffile.imwrite(truths / f"{name}.tif", picture(index))
    tifffile.imwrite(images / "a_sr.tif", picture(0))
    np.save(images / "b_pred.npy", picture(1))
    tifffile.imwrite(images / "c_sr.tif", picture(2))  # the whole name wins over 'c'
    tifffile.imwrite(images / "d.tif", picture(3))
    (images / "metrics.csv").write_text("no image")
    table = tmp_path / "scores.csv"
    assert run(["score", "--truth", str(truths), "--image", str(images), "--json", "--csv", str(table)]) == 1
    out, err = capfd.readouterr()
    pairs = [(Path(row["truth"]).name, Path(row["image"]).name) for row in json_lines(out)]
    assert pairs == [("a.tif", "a_sr.tif"), ("b.tif", "b_pred.npy"), ("c_sr.tif", "c_sr.tif")]
    assert "d.tif" in err
    assert "no truth of that name" in err
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(rows) == 3
    assert {
        "psnr_db",
        "seed_ssim",
        "registered_ssim",
        "registered_shift_y_px",
        "registered_shift_x_px",
    } <= set(rows[0])


def test_a_bad_file_among_good_ones_is_named_and_the_rest_done(tmp_path, truth, image, capfd):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"not an image")
    words = ["score", "--truth", str(truth), "--image", str(bad), "--image", str(image), "--json"]
    assert run(words) == 1
    out, err = capfd.readouterr()
    assert [row["image"] for row in json_lines(out)] == [str(image)]
    assert err.startswith("error:")
    assert "bad.tif" in err


def refused(words: list[str], capfd) -> str:
    assert run(["score", *words]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], err
    return err


def test_another_grid_is_refused_with_sizes(tmp_path, truth, capfd):
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, picture(0)[::2, ::2])
    err = refused(["--truth", str(truth), "--image", str(small)], capfd)
    assert "40 x 40" in err
    assert "20 x 20" in err
    assert "2 times larger pixels" in err


def test_stacks_are_scored_plane_by_plane(tmp_path, capfd):
    planes = np.stack([picture(0), picture(1), np.full((40, 40), 5, np.uint16)])
    noisy = planes + np.random.default_rng(0).normal(0, 50, planes.shape)
    tifffile.imwrite(tmp_path / "truth.tif", planes, photometric="minisblack")
    tifffile.imwrite(tmp_path / "image.tif", noisy.astype(np.float32), photometric="minisblack")
    words = ["score", "--truth", str(tmp_path / "truth.tif"), "--image", str(tmp_path / "image.tif")]
    assert run([*words, "--json", "-q"]) == 1  # the last plane of the truth is constant
    out, err = capfd.readouterr()
    rows = json_lines(out)
    assert [row["plane"] for row in rows] == [1, 2]
    assert rows[1]["psnr_db"] == pytest.approx(scores(planes[1], noisy[1].astype(np.float32)).psnr_db)
    assert "image.tif, plane 3: the truth is constant" in err


def test_stacks_of_another_length_are_refused(tmp_path, truth, capfd):
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([picture(0)] * 3), photometric="minisblack")
    assert "1 planes, the image 3" in refused(["--truth", str(truth), "--image", str(stack)], capfd)


def test_a_colour_image_is_refused(tmp_path, truth, capfd):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((40, 40, 3), np.uint8), photometric="rgb")
    assert "40 x 40 x 3" in refused(["--truth", str(truth), "--image", str(tmp_path / "rgb.tif")], capfd)


# --- groups, summaries, workbooks ----------------------------------------------------------------------


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Two checkpoints, the later one the better, and one image that only the earlier has."""
    for folder in ("HER", "prediction/epoch_9", "prediction/epoch_10"):
        (tmp_path / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(4):
        true = picture(index)
        tifffile.imwrite(tmp_path / "HER" / f"s{index}.tif", true)
        for epoch, noise in ((9, 120), (10, 60)):
            if (epoch, index) != (10, 3):
                image = true + rng.normal(0, noise * (1 + index), true.shape)
                path = tmp_path / "prediction" / f"epoch_{epoch}" / f"s{index}_pred.tif"
                tifffile.imwrite(path, image.astype(np.float32))
    return tmp_path


def test_checkpoints_become_groups_with_means_and_differences(checkpoints, capfd):
    words = ["score", "--truth", str(checkpoints / "HER"), "--image", str(checkpoints / "prediction")]
    table = checkpoints / "summary.csv"
    assert run([*words, "--by", "folder", "--json", "--summary", str(table)]) == 0
    out, err = capfd.readouterr()
    rows = json_lines(out)
    assert [row["group"] for row in rows].count("epoch_9") == 4
    mean, difference = err.split("difference to epoch_9")
    assert [line.split()[0] for line in mean.splitlines()[2:]] == ["epoch_9", "epoch_10"]
    lines = {
        (r["group"], r["minus"], r["measure"]): r for r in csv.DictReader(io.StringIO(table.read_text()))
    }
    ours = [row["psnr_db"] for row in rows if row["group"] == "epoch_10"]
    line = lines["epoch_10", "", "psnr_db"]
    assert float(line["mean"]) == pytest.approx(np.mean(ours))
    assert float(line["low"]) < np.mean(ours) < float(line["high"])
    line = lines["epoch_10", "epoch_9", "psnr_db"]
    assert (line["n"], line["n_higher"]) == ("3", "3")
    pairs = [
        a["psnr_db"] - b["psnr_db"]
        for a in rows for b in rows
        if a["truth"] == b["truth"] and (a["group"], b["group"]) == ("epoch_10", "epoch_9")
    ]  # fmt: skip
    assert float(line["mean"]) == pytest.approx(np.mean(pairs))
    assert f"{np.mean(pairs):+.2f}" in difference


def test_the_baseline_can_be_chosen_and_must_exist(checkpoints, capfd):
    words = [
        "--truth",
        str(checkpoints / "HER"),
        "--image",
        str(checkpoints / "prediction"),
        "--by",
        "folder",
    ]
    summary = checkpoints / "summary.json"
    assert run(["score", *words, "-q", "--baseline", "epoch_10", "--summary", str(summary)]) == 0
    capfd.readouterr()
    found = json.loads(summary.read_text())
    assert found["baseline"] == "epoch_10"
    assert found["differences"]["epoch_9"]["psnr_db"]["mean"] < 0
    assert set(found["means"]) == {"epoch_9", "epoch_10"}
    assert "'epoch_9'" in refused([*words, "--baseline", "epoch_8"], capfd)
    assert "--by" in refused([*words[:4], "--baseline", "epoch_9"], capfd)


def test_endings_are_groups(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "cell.tif", picture(0))
    results = tmp_path / "results"
    results.mkdir()
    for ending, sigma in (("", 0.3), ("_sr", 0.5), ("_wf", 2.0)):
        tifffile.imwrite(
            results / f"cell{ending}.tif", ndimage.gaussian_filter(picture(0).astype("f4"), sigma)
        )
    words = [
        "score",
        "--truth",
        str(tmp_path / "cell.tif"),
        "--image",
        str(results),
        "--by",
        "ending",
        "--json",
    ]
    assert run(words) == 0
    rows = json_lines(capfd.readouterr().out)
    assert {row["group"] for row in rows} == {"(no ending)", "_sr", "_wf"}


def test_folders_of_one_name_stay_apart(tmp_path, truth, capfd):
    for parent in ("a", "b"):
        (tmp_path / parent / "best").mkdir(parents=True)
        tifffile.imwrite(tmp_path / parent / "best" / "x.tif", picture(0))
    images = [word for parent in "ab" for word in ("--image", str(tmp_path / parent / "best"))]
    assert run(["score", "--truth", str(truth), *images, "--by", "folder", "--json", "-q"]) == 0
    groups = [row["group"] for row in json_lines(capfd.readouterr().out)]
    assert len(set(groups)) == 2


def test_a_workbook_has_images_summary_and_a_sheet_per_score(checkpoints, capfd):
    openpyxl = pytest.importorskip("openpyxl")
    path = checkpoints / "scores.xlsx"
    words = ["score", "--truth", str(checkpoints / "HER"), "--image", str(checkpoints / "prediction")]
    assert run([*words, "--by", "folder", "--json", "--xlsx", str(path)]) == 0
    rows = json_lines(capfd.readouterr().out)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:3] == ["images", "summary", "psnr_db"]
    assert {"nrmse", "ssim", "seed_psnr_db"} <= set(book.sheetnames)
    header, *lines = book["psnr_db"].iter_rows(values_only=True)
    assert header == ("truth", "epoch_9", "epoch_10")
    by_key = {(row["truth"], row["group"]): row["psnr_db"] for row in rows}
    assert len(lines) == 4
    for name, *values in lines:
        assert values[0] == pytest.approx(by_key[name, "epoch_9"])
        assert values[1] == pytest.approx(by_key.get((name, "epoch_10")))
    assert book["images"].max_row == 8


def test_a_workbook_without_openpyxl_is_refused_before_any_work(truth, image, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("dlsim_ij.report.spreadsheet.find_spec", lambda name: None)
    words = ["--truth", str(truth), "--image", str(image), "--xlsx", str(tmp_path / "s.xlsx")]
    err = refused(words, capfd)
    assert "pip install" in err
    assert "openpyxl" in err


def test_outputs_that_cannot_be_are_refused_before_any_work(truth, image, tmp_path, capfd):
    words = ["--truth", str(truth), "--image", str(image)]
    assert ".json" in refused([*words, "--summary", str(tmp_path / "s.txt")], capfd)
    assert ".xlsx" in refused([*words, "--xlsx", str(tmp_path / "s.xls")], capfd)
    same = str(tmp_path / "s.csv")
    assert "same name" in refused([*words, "--csv", same, "--summary", same], capfd)
    assert list(tmp_path.glob("s.*")) == []


def test_a_constant_image_is_refused(tmp_path, truth, capfd):
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, np.full((40, 40), 7, np.uint8))
    assert "constant" in refused(["--truth", str(truth), "--image", str(flat)], capfd)


def test_missing_things_are_refused(tmp_path, truth, image, capfd):
    (tmp_path / "empty").mkdir()
    for words in (
        ["--truth", str(truth)],
        ["--truth", str(truth), "--image", str(tmp_path / "nowhere.tif")],
        ["--truth", str(tmp_path / "nowhere.tif"), "--image", str(image)],
        ["--truth", str(truth), "--image", str(tmp_path / "empty")],
        ["--truth", str(tmp_path / "empty"), "--image", str(image)],
    ):
        refused(words, capfd)


def test_two_truths_of_one_name_are_refused(tmp_path, image, capfd):
    folder = tmp_path / "truths"
    folder.mkdir()
    tifffile.imwrite(folder / "image.tif", picture(0))
    np.save(folder / "image.npy", picture(0))
    assert "holds both" in refused(["--truth", str(folder), "--image", str(image)], capfd)


def test_a_table_is_not_overwritten_unasked_and_nothing_is_done_first(tmp_path, truth, image, capfd):
    table = tmp_path / "table.csv"
    table.write_text("mine")
    words = ["--truth", str(truth), "--image", str(image), "--csv", str(table)]
    assert "--overwrite" in refused(words, capfd)
    assert table.read_text() == "mine"
    assert run(["score", *words, "--overwrite"]) == 0
    assert table.read_text().startswith("truth,image,")


def test_what_could_mislead_is_said_on_stderr(tmp_path, capfd):
    points = np.zeros((60, 60), np.float32)
    points[30, 30] = 1
    moved = np.roll(points, 5, axis=1)
    tifffile.imwrite(tmp_path / "points.tif", points)
    tifffile.imwrite(tmp_path / "moved.tif", moved)
    words = [
        "score",
        "--truth",
        str(tmp_path / "points.tif"),
        "--image",
        str(tmp_path / "points.tif"),
        "--json",
    ]
    assert run(words) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["seed_psnr_db"] is None
    assert "undefined" in err
    assert run([*words, "-q"]) == 0
    assert capfd.readouterr().err == ""
    ramp = np.outer(np.hanning(60), np.hanning(60)).astype(np.float32)
    tifffile.imwrite(tmp_path / "ramp.tif", ramp)
    tifffile.imwrite(tmp_path / "far.tif", np.roll(ramp, 6, axis=1))
    assert run(["score", "--truth", str(tmp_path / "ramp.tif"), "--image", str(tmp_path / "far.tif")]) == 0
    assert "limit of 2 px" in capfd.readouterr().err
