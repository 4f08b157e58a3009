"""`dlsim prepare` as users call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.cli.main import VERBS, run


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write two fields with a bright square in one corner: 15 frames of 32 pixels, truth of 64."""
    folder = tmp_path / "raw fields"
    rng = np.random.default_rng(0)
    for number in (1, 2):
        truth = rng.normal(1000, 10, (64, 64))
        truth[4:28, 4:28] += 5000 * number
        for name, level in (("HE", 1.0), ("LE", 0.01)):
            wide = level * truth.reshape(32, 2, 32, 2).mean(axis=(1, 3))
            (folder / name / f"Sample_{number}").mkdir(parents=True)
            (folder / f"{name}R").mkdir(exist_ok=True)
            for i in range(1, 16):
                frame = (100 + wide + rng.normal(0, 2, wide.shape)).astype(np.uint16)
                tifffile.imwrite(folder / name / f"Sample_{number}" / f"{name}_{i}.tif", frame)
            tifffile.imwrite(folder / f"{name}R" / f"Sample_{number}.tif", truth.astype(np.uint16))
    return folder


def test_one_json_line_with_the_promised_keys(raw, tmp_path, capfd):
    arguments = [
        str(raw),
        "-o",
        str(tmp_path / "set"),
        "--tile-px",
        "32",
        "--fractions",
        "0.5,0.5,0",
        "--json",
    ]
    assert run(["prepare", *arguments]) == 0
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert result["patches"] == 2  # of four tiles a field, one holds the square
    assert result["patches_in_grid"] == 8
    assert set(result["constants"]) == {"HE", "LE", "HER", "LER"}
    assert sorted(result["split"]["train"] + result["split"]["validation"]) == ["Sample_1", "Sample_2"]
    assert result["split"]["test"] == []
    assert "prepare" in err  # the progress bar
    index = json.loads((tmp_path / "set/dataset.json").read_text())
    assert index["constants"] == result["constants"]
    assert [entry["tiles"] for entry in index["fields"]] == [[[0, 0]], [[0, 0]]]


def test_text_for_people_and_warnings_apart(raw, tmp_path, capfd):
    assert run(["prepare", str(raw), "-o", str(tmp_path / "set"), "--tile-px", "32"]) == 0
    out, err = capfd.readouterr()
    assert "2 of 8 tiles hold signal, from 2 fields" in out
    assert "1 train, 1 validation, 0 test" in out
    assert err.splitlines()[-1] == (
        "warning: 2 fields of view are too few for a test part: "
        "no score of a network trained on them is independent"
    )


def test_quiet_is_quiet(raw, tmp_path, capfd):
    assert run(["prepare", str(raw), "-o", str(tmp_path / "set"), "--tile-px", "32", "-q"]) == 0
    assert capfd.readouterr().err == ""


def test_the_seeds_way(raw, tmp_path, capfd):
    """The border and threshold of SIM_prepare_dataset.py, and its files."""
    output = tmp_path / "set"
    options = ["--tile-px", "32", "--border-px", "2", "--min-max-counts", "9000"]
    seed = ["--seed-layout", "--seed-format", "both"]
    assert run(["prepare", *seed, str(raw), "-o", str(output), *options, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["patches"] == 1  # the second field is the brighter one
    assert np.load(output / "seed/32/Sample_1.npy").shape == (32, 32, 36)
    assert tifffile.imread(output / "seed/HE/Sample_1/HE_15.tif").shape == (16, 16)
    parameters = json.loads((output / "dataset.json").read_text())["parameters"]
    assert (parameters["background"], parameters["min_max_counts"], parameters["border_px"]) == (
        "max",
        9000,
        2,
    )


def test_a_dry_run_writes_nothing(raw, tmp_path, capfd):
    arguments = [str(raw), "-o", str(tmp_path / "set"), "--tile-px", "32", "--dry-run"]
    assert run(["prepare", *arguments, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert (result["patches"], result["constants"], result["enlargement"]) == (8, None, 2)
    assert set(result["split"]) == {"train", "validation", "test"}
    assert run(["prepare", *arguments]) == 0
    assert "would write" in capfd.readouterr().out
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tile-px", "256"], "holds no tile of 256"),
        (["--tile-px", "32", "--frames", "9"], "holds 15 frames, 9 were expected"),
        (["--tile-px", "32", "--scale", "3"], "enlarged 3 times"),
        (["--tile-px", "32", "--fractions", "0.5,0.5"], "not three numbers"),
        (["--tile-px", "32", "--layout", "stacks"], "no folder truth/"),
        (["--tile-px", "32", "--layout", "seed-srrf"], "SRRF_100ms.tif"),
        (["--tile-px", "32", "--background", "none", "--min-max-counts", "5"], "belongs to --background max"),
        (["--tile-px", "32", "--resume", "--overwrite"], "--resume keeps what --overwrite throws away"),
        (["--tile-px", "0"], "--tile-px"),
    ],
)
def test_refusals_are_two_lines(raw, tmp_path, capfd, options, message):
    assert run(["prepare", str(raw), "-o", str(tmp_path / "set"), *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2
    assert not (tmp_path / "set").exists()


def test_an_existing_dataset_is_refused_replaced_or_brought_up_to_date(raw, tmp_path, capfd):
    arguments = ["prepare", str(raw), "-o", str(tmp_path / "set"), "--tile-px", "32", "--json"]
    assert run(arguments) == 0
    assert run(arguments) == 2
    assert "--resume" in capfd.readouterr().err
    assert run([*arguments, "--resume"]) == 0
    assert json.loads(capfd.readouterr().out)["fields_kept"] == 2
    assert run([*arguments, "--overwrite"]) == 0
    assert json.loads(capfd.readouterr().out)["fields_made"] == 2


def test_help_says_the_same_as_the_table(capfd):
    assert run(["prepare", "--help"]) == 0
    out = capfd.readouterr().out
    assert VERBS["prepare"] in out
    assert "Example: dlsim prepare" in out


def test_ctrl_c_leaves_what_the_same_command_goes_on_with(raw, tmp_path):
    """One real process, one real SIGINT, in the middle of the fields."""
    for number in range(3, 41):  # enough fields that the signal falls between them
        for name in ("HE", "LE"):
            shutil.copytree(raw / name / "Sample_1", raw / name / f"Sample_{number}")
            shutil.copy(raw / f"{name}R" / "Sample_1.tif", raw / f"{name}R" / f"Sample_{number}.tif")
    output = tmp_path / "set"
    command = [
        sys.executable,
        "-m",
        "dlsim_ij",
        "prepare",
        str(raw),
        "-o",
        str(output),
        "--tile-px",
        "32",
        "--json",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 60
    while not list(output.glob("fields/Sample_*.safetensors")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "interrupted" in err
    assert "Traceback" not in err
    done = {path.name for path in (output / "fields").iterdir()}
    assert 0 < len(done) < 40
    assert all(name.startswith("Sample_") for name in done)
    assert not (output / "dataset.json").exists()
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    result = json.loads(finished.stdout)
    assert (result["fields_kept"], result["fields_made"]) == (len(done), 40 - len(done))


@pytest.mark.jvm
def test_imagej_itself_enlarges_to_the_same_fields(raw, tmp_path):
    fields = {}
    for engine in ("none", "imagej"):
        output = tmp_path / engine
        arguments = ["prepare", str(raw), "-o", str(output), "--tile-px", "32", "--engine", engine, "-q"]
        subprocess.run([sys.executable, "-m", "dlsim_ij", *arguments], check=True, timeout=120)
        fields[engine] = [path.read_bytes() for path in sorted((output / "fields").iterdir())]
        recorded = json.loads((output / "dataset.json").read_text())["parameters"]["engine"]
        assert recorded.startswith(engine)
    assert len(fields["none"]) == 2
    assert fields["none"] == fields["imagej"]


@pytest.mark.sample
def test_the_public_sample(tmp_path, capfd):
    default = Path(__file__).parents[3] / "shared/data/microtubule-sample"
    sample = Path(os.environ.get("DLSIM_SAMPLE", default))
    if not (sample / "microtuble").is_dir():
        pytest.skip("the public microtubule sample is not here (DLSIM_SAMPLE)")
    options = ["--tile-px", "128", "--json"]
    assert run(["prepare", str(sample / "microtuble"), "-o", str(tmp_path / "set"), *options]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["patches"] == 4
    assert result["split"]["train"] == ["Sample_1"]
    assert len(result["warnings"]) == 2
    # ranges of the sample's README; the seed's table has 5315, 196, 15383 over all its patches
    assert result["constants"] == {"HE": 4362, "LE": 176, "HER": 12721, "LER": 1136}
    entry = json.loads((tmp_path / "set/dataset.json").read_text())["fields"][0]
    assert entry["pixel_size_um"] == pytest.approx(0.03, rel=1e-3)
