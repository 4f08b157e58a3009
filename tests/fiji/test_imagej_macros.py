"""Every macro of fiji_macros/ in a real ImageJ that calls the real command, as ``-batch`` runs it.

The folders' name holds whatever a shell would trip over; nothing is ever run by one.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.errors import MacroError

pytestmark = pytest.mark.jvm

HOSTILE = "Zelle ü & \"1\"; $(touch pwned) 'y' [z]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of two raw stacks with their truths, in a place with a hostile name."""
    place = tmp_path_factory.mktemp("data") / HOSTILE
    assert run(["simulate", "-o", str(place / "made"), "--size", "64", "--count", "2", "-q"]) == 0
    for kind in ("raw", "truth"):
        (place / kind).mkdir()
        for n in (1, 2):
            shutil.copy(place / "made" / f"microtubules_00{n}_{kind}.tif", place / kind / f"roh ä; {n}.tif")
    return place


def test_one_stack(imagej, folder, display):
    raw = folder / "raw" / "roh ä; 1.tif"
    check, shown, resolution = imagej.batch(
        f"check input=[{raw}]",
        f"open {raw}",
        "reconstruct show=sr,uncertainty pixel_size=0.06",
        f"resolution input=[{folder / 'truth' / 'roh ä; 1.tif'}]",
        display=display,
    )
    assert check.answer == check.rows[0]["Verdict"] == "fit"
    assert check.rows[0]["Layout"] == "3x5"
    assert 0.2 < float(check.rows[0]["Modulation1"]) < 0.9

    # the open image went over as a temporary file of its name, and only images came back
    assert shown.answer == "roh ä; 1_sr.tif"
    assert shown.images == {
        "roh ä; 1.tif": ("64", "15", "0.06000", "1"),
        "roh ä; 1_sd.tif": ("128", "1", "0.03000", "1"),
        "roh ä; 1_sr.tif": ("128", "1", "0.03000", "1"),
    }
    assert shown.rows[0]["Model"] == "sim15"
    assert 0.5 < float(shown.rows[0]["RSP"]) <= 1

    assert len(resolution.rows) == 1
    assert float(resolution.answer) == pytest.approx(float(resolution.rows[0]["Resolution_nm"]), rel=1e-3)
    assert sorted(path.name for path in imagej.temporary.iterdir()) == []
    assert not Path("pwned").exists()


def test_a_folder(imagej, folder, display):
    (folder / "raw" / "broken.tif").write_bytes(b"not an image")
    out = folder / "results"
    batch, report, squirrel = imagej.batch(
        f"batch input=[{folder / 'raw'}/] output=[{out}] measure=false",
        f"report folder=[{out}] open_report=false",
        f"squirrel reference=[{out / 'roh ä; 1_wf.tif'}] image=[{out / 'roh ä; 1_sr.tif'}]",
        display=display,
    )
    (folder / "raw" / "broken.tif").unlink()
    assert batch.answer == report.answer == str(out / "report.html")
    assert [row.get("Status", "")[:5] for row in batch.rows][:2] == ["done"] * 2
    assert "broken.tif" in batch.rows[2]["Status"]  # one failed, the others are there, and the row says why
    assert any("broken.tif" in line for line in batch.said)
    assert (out / "roh ä; 2_sr.tif").is_file()

    assert 0 < float(squirrel.answer) <= 1
    assert float(squirrel.rows[0]["RSE"]) > 0
    assert list(squirrel.images) == ["roh ä; 1_sr_error.tif"]
    assert list(imagej.temporary.iterdir()) == []


def test_blinking_a_dataset_and_the_command(imagej, folder, display):
    series = folder / "blinking.tif"
    frames = np.random.default_rng(0).poisson(30, (10, 24, 24)).astype(np.uint16)
    tifffile.imwrite(series, frames, imagej=True, resolution=(10, 10), metadata={"unit": "um"})
    command = imagej.installed.command[0]
    srrf, prepare, told, told_by_it = imagej.batch(
        f"srrf input=[{series}] output=[{folder / 'srrf'}] method=esrrf magnification=2 overwrite",
        f"prepare input=[{folder}] output=[{folder / 'dataset'}] layout=stacks tile=64",
        f"set_command dlsim=[{command}]",
        "set_command forget",
        display=display,
    )
    assert srrf.answer == str(folder / "srrf" / "blinking_esrrf.tif")
    assert srrf.images == {"blinking_esrrf.tif": ("48", "1", "0.05000", "1")}
    assert srrf.rows[0]["Mode"] == "AVG"
    assert prepare.answer == str(folder / "dataset")
    assert int(prepare.rows[0]["Tiles"]) >= 1
    assert told.answer == command
    assert told_by_it.answer == ""
    assert list(imagej.temporary.iterdir()) == []


def test_what_goes_wrong_is_said_in_words(imagej, folder, display):
    bad = folder / "no image; ü.tif"
    bad.write_bytes(b"not an image")
    cases = imagej.batch(
        f"check input=[{bad}]",
        "check dlsim=[/no where/dlsim] input=x.tif",
        "check input=x.tif pixle_size=0.06",
        "check input=[x y.tif",
        "check pixel_size=0.06",
        f"open {folder / 'raw' / 'roh ä; 1.tif'}",
        "resolution roi=selection",
        "batch input=x",
        f"check dlsim=[{shutil.which('true')}] input=x.tif",
        display=display,
    )
    said = [" ".join(case.said) for case in cases]
    assert [case.answer for case in cases] == ["[aborted]"] * len(cases)
    assert "no image; ü.tif" in said[0]
    assert "Hint: " in said[0]
    assert said[1].startswith("dlsim: the command '/no where/dlsim' was not found Hint: install dlsim")
    assert said[2].startswith("dlsim: the macro check knows no pixle_size= Hint: it knows input, pixel_size")
    assert said[3].startswith("dlsim: the value of input= is not closed by ]")
    assert said[4].startswith("dlsim: no image is open Hint: open a raw stack first")
    assert said[5].startswith("dlsim: the open image has no rectangular selection")
    assert said[6].startswith("dlsim: the results need a folder")
    assert "gave no answer" in said[7]
    assert list(imagej.temporary.iterdir()) == []


def test_in_our_own_process(fiji, imagej, folder):
    macro = (imagej.folder / "macros" / "DLSIM" / "dlsim_reconstruct.ijm").read_text(encoding="ascii")
    raw = dlsim.read_image(folder / "raw" / "roh ä; 1.tif")
    words = f"measure=false output=[{folder / 'opened'}] dlsim=[{imagej.installed.command[0]}]"
    done = fiji.run_macro(macro, words, image=raw)
    assert Path(done.value).parent == folder / "opened"
    expected = dlsim.reconstruct(raw, model="sim15", compare=False).sr
    np.testing.assert_allclose(done.image, expected, rtol=1e-4, atol=1e-2)
    assert done.image.attrs["pixel_size_um"] == pytest.approx(0.03)
    with pytest.raises(MacroError, match="the command '/nowhere/dlsim' was not found"):
        fiji.run_macro(macro, "input=nothing.tif dlsim=/nowhere/dlsim")


def test_from_the_command_line(fiji, imagej, folder, capfd):
    macro = str(imagej.folder / "macros" / "DLSIM" / "dlsim_check.ijm")
    words = f"input=[{folder / 'nothing.tif'}] dlsim=[{imagej.installed.command[0]}]"
    assert run(["macro", macro, words, "--engine", "imagej"]) == 2
    assert "nothing.tif does not exist" in capfd.readouterr().err


def test_the_macros_are_as_their_parts_say():
    build = Path(__file__).parents[2] / "fiji_macros" / "build.py"
    done = subprocess.run([sys.executable, build, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
