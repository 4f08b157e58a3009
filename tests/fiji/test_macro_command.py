"""``dlsim macro`` as a user calls it, and the macros in examples/."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlsim_ij.cli.main import run

pytestmark = pytest.mark.jvm

EXAMPLES = Path(__file__).parents[2] / "examples" / "macros"


@pytest.fixture
def macro(tmp_path):
    def write(code, name="my macro ü.ijm", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(code, encoding=encoding)
        return str(path)

    return write


def dlsim(*words, **options):
    words = [sys.executable, "-m", "dlsim_ij", *words]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)


def test_value_log_and_tables_are_printed(fiji, macro, capfd):
    file = macro(
        'print("log " + getArgument());\nsetResult("A", 0, 1.5);\nsetResult("B", 0, "x y");\nreturn "value";'
    )
    assert run(["macro", file, "n=1 path=[a b]", "--engine", "imagej"]) == 0
    out, err = capfd.readouterr()
    assert out == "log n=1 path=[a b]\nResults\nA\tB\n1.5\tx y\nvalue\n"
    assert err == ""


def test_json_is_one_line_and_nothing_else(macro):
    file = macro(
        'print("µ");\ncall("java.lang.System.gc");\n'
        'newImage("a", "8-bit ramp", 9, 9, 1);\nrun("Measure");\nreturn "v";'
    )
    done = dlsim("macro", file, "--json", "--engine", "imagej")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert {"value": "v", "log": "µ\n", "engine": "imagej"}.items() <= record.items()
    assert record["tables"]["Results"]["Area"] == [81.0]
    assert record["version"].startswith("1.5")


def test_an_error_names_file_and_line_in_one_line(macro):
    file = macro("a = 1;\n\nb = nothing + 1;\n")
    done = dlsim("macro", file, "--engine", "imagej")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: {file} line 3: Undefined variable\n"


def test_a_hint_follows(fiji, macro, capfd):
    file = macro('newImage("a", "8-bit", 9, 9, 1);\nrun("Invertt");')
    assert run(["macro", file, "--engine", "imagej"]) == 2
    err = capfd.readouterr().err
    assert err == f"error: {file} line 2: Unrecognized command: \"Invertt\"\nhint: did you mean 'Invert'?\n"


def test_a_missing_file_or_engine_is_one_line(macro, tmp_path, capfd):
    assert run(["macro", str(tmp_path / "none.ijm")]) == 2
    assert "cannot read" in capfd.readouterr().err
    assert run(["macro", macro("a = 1;"), "--engine", "none"]) == 2
    error, hint = capfd.readouterr().err.splitlines()
    assert error == "error: a macro needs ImageJ, and the engine is 'none'"
    assert hint.startswith("hint: apt install libij-java")


def test_old_macros_in_latin_1_run(fiji, macro, capfd):
    file = macro('return "65 µm";', encoding="latin-1")
    assert run(["macro", file, "--engine", "imagej"]) == 0
    assert capfd.readouterr().out == "65 µm\n"


def test_ctrl_c_is_130(macro, tmp_path):
    import signal
    import time

    file = macro(f'File.saveString("x", "{tmp_path}/started");\nwhile (true) wait(10);')
    process = subprocess.Popen(
        [sys.executable, "-m", "dlsim_ij", "macro", file, "--engine", "imagej"], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == b"interrupted: nothing is half written"


def test_the_example_of_blobs(fiji, tmp_path, capfd):
    assert run(["macro", str(EXAMPLES / "measure_spots.ijm"), "sigma=2", "--engine", "imagej", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert record["value"] == "9 spots"
    assert len(record["tables"]["Results"]["Area"]) == 9


def test_the_example_of_python_in_a_macro(fiji, tmp_path, capfd):
    assert (
        run(
            [
                "macro",
                str(EXAMPLES / "enlarge_with_python.ijm"),
                f"output=[{tmp_path}/big cell.tif]",
                "--engine",
                "imagej",
            ]
        )
        == 0
    )
    assert capfd.readouterr().out.strip() == "256 x 192"
    assert fiji.open(tmp_path / "big cell.tif").shape == (192, 256)
