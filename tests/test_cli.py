"""What holds for every verb."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlsim_ij.cli import main
from dlsim_ij.cli.main import VERBS, run

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("verb", VERBS)
def test_help_explains_with_an_example(verb, capsys):
    assert run([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Example: dlsim {verb}" in out
    assert "--json" in out


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_of_verbs_says_what_the_verb_says(verb):
    command = importlib.import_module(f"dlsim_ij.cli.{verb.replace('-', '_')}").command
    first = command.help.split("\n\n")[0].replace("\n", " ")
    assert VERBS[verb] == first


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_made_of_whole_sentences(verb):
    command = importlib.import_module(f"dlsim_ij.cli.{verb.replace('-', '_')}").command
    texts = [text for text in command.help.split("\n\n") if not text.lstrip(" \n").startswith("\b")]
    texts += [option.help for option in command.params if getattr(option, "help", None)]
    assert [text for text in texts if not text.rstrip().endswith((".", ")", ":", "]"))] == []


def test_help_lists_all_verbs(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["rnu"], "no verb is called 'rnu'", "did you mean 'run'?"),
        (["run", "--oops"], "No such option", "see dlsim run --help"),
        (["run"], "Missing", "see dlsim run --help"),
        (["simulate", "-o", "x", "--structure", "actin", "beads"], "(beads)", "an option takes one value"),
        (["run", "missing.tif", "-o", "out"], "missing.tif", ""),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint(words, error, hint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert lines[0].startswith("error: ")
    assert error in lines[0]
    assert lines[1].startswith(f"hint: {hint}")
    assert len(lines) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "predict", "recon", "batch", "check", "dose", "srrf", "resolution"])
def test_verbs_that_take_folders_take_only_what_is_asked_for(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    shutil.copy(ROOT / "examples" / "demo_raw.tif", tmp_path / "in")
    output = [] if verb in ("check", "resolution") else ["-o", "out"]
    assert run([verb, "in", *output, "--only", "*_truth.tif"]) == 2
    assert "none of the 1 images in in is called like '*_truth.tif'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


JSON_CALLS = [
    "doctor --engine none",
    "models",
    "models sim15",
    "simulate -o simulated --size 64 --count 2",
    "train configs/sim15.yaml --dry-run",
    "run demo_raw.tif -o results --engine none",
    "run demo_raw.tif -o results --engine none --dry-run",
    "check demo_raw.tif",
    "predict demo_raw.tif -o images",
    "resolution demo_truth.tif",
    "squirrel --reference demo_truth.tif --image demo_truth.tif",
    "score --truth demo_truth.tif --image demo_truth.tif",
    "report made",
    "recon demo_raw.tif -o images",
    "recon demo_raw.tif -o other --dry-run",
    "dose demo_raw.tif -o dose --levels 1/2 --draws 1 --no-pictures",
    "srrf blinking.npy -o images --magnification 2",
    "batch demo_raw.tif -o batched --workers 1 --verb recon",
    "batch demo_raw.tif -o batched --verb recon --dry-run",
    "export-bmz sim15 -o sim15.zip --no-test",
    "fiji-install imagej",
    "serve --stop",
    pytest.param("macro macro.ijm", marks=pytest.mark.jvm),
]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Return a folder with inputs and, for `report`, the results of a run."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("demo_raw.tif", "demo_truth.tif"):
        shutil.copy(ROOT / "examples" / name, folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    np.save(folder / "blinking.npy", np.random.default_rng(0).poisson(30, (10, 24, 24)).astype(np.uint16))
    (folder / "imagej" / "macros").mkdir(parents=True)
    (folder / "imagej" / "plugins").mkdir()
    (folder / "macro.ijm").write_text('print("log"); return "value";')
    words = ["run", str(folder / "demo_raw.tif"), "-o", str(folder / "made"), "--engine", "none", "-q"]
    assert run(words) == 0
    return folder


@pytest.mark.parametrize("line", JSON_CALLS)
def test_json_is_all_that_stands_on_stdout(line, work, monkeypatch, capfd, request):
    if line.startswith("macro"):
        request.getfixturevalue("fiji")
    monkeypatch.chdir(work)
    assert run([*line.split(), "--json"]) == 0
    rows = [json.loads(text) for text in capfd.readouterr().out.splitlines()]
    assert rows
    assert all(isinstance(row, dict) for row in rows)


def test_the_json_calls_cover_the_verbs():
    covered = {str(getattr(call, "values", [call])[0]).split()[0] for call in JSON_CALLS}
    assert set(VERBS) - covered == {"prepare", "sample"}  # have end-to-end tests of their own, tests/e2e


def test_a_traceback_is_shown_only_when_asked_for(capsys, tmp_path):
    words = ["report", str(tmp_path)]
    assert run(words) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert run([*words, "-vv"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (ZeroDivisionError("x"), 1)])
def test_interrupts_and_bugs_have_their_exit_codes(raised, code, monkeypatch, capsys):
    def fail(*_, **__):
        raise raised

    monkeypatch.setattr(main.cli, "main", fail)
    assert run([]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_the_installed_command_answers():
    done = subprocess.run([sys.executable, "-m", "dlsim_ij", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("dlsim, version ")
