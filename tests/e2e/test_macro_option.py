"""``--macro``: one line on stdout, and the results where ImageJ's macro language can read them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlsim_ij.cli import main
from dlsim_ij.cli.macro_answer import MacroAnswer, properties_text
from dlsim_ij.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ask(tmp_path, capfd):
    """Return a function that runs a command line with --macro: exit code, line, stderr, both files."""

    def call(*words, results=tmp_path / "results.json"):
        code = run([*words, "--macro", "--macro-results", str(results)])
        out, err = capfd.readouterr()
        (line,) = out.splitlines()
        answer = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else None
        return code, line, err, answer, results.with_suffix(".properties")

    return call


def read_properties(path):
    """Read what we write, by the rules of java.util.Properties."""
    pairs = {}
    for line in path.read_text(encoding="ascii").splitlines():
        key, value = re.fullmatch(r"((?:[^=\\]|\\.)*)=(.*)", line).groups()
        pairs[decoded(key)] = decoded(value)
    return pairs


def decoded(text):
    codes = {"n": "\n", "r": "\r", "t": "\t"}

    def sign(match):
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else codes.get(code, code)

    text = re.sub(r"\\(u[0-9a-f]{4}|.)", sign, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_results_stand_in_both_files(ask, tmp_path):
    image = str(ROOT / "examples" / "demo_truth.tif")
    code, line, err, answer, properties = ask(
        "score", "--truth", image, "--image", image, results=tmp_path / "ä & b; 'c'.json"
    )
    assert (code, err) == (0, "")
    assert line == f"DLSIM OK {tmp_path}/ä & b; 'c'.json"
    assert (answer["status"], answer["exit_code"], answer["failed"]) == ("ok", 0, [])
    (record,) = answer["results"]
    assert record["seed_ssim"] == 1.0
    pairs = read_properties(properties)
    assert (pairs["status"], pairs["count"], pairs["failed.count"]) == ("ok", "1", "0")
    assert pairs["1.image"] == image
    assert float(pairs["1.seed_ssim"]) == 1.0
    assert float(pairs["1.registered.ssim"]) == record["registered"]["ssim"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["run", "nothing.tif", "-o", "x"], "nothing.tif does not exist", "spelling"),
        (["run", "--oops"], "No such option", "see dlsim run --help"),
        (["run"], "Missing", "see dlsim run --help"),
        (["rnu"], "no verb is called 'rnu'", "did you mean 'run'?"),
        ([], "No such option", "see dlsim --help"),
    ],
)
def test_a_refusal_is_one_line_with_its_hint(words, message, hint, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, line, _, answer, properties = ask(*words)
    assert code == 2
    assert line.startswith("DLSIM ERROR ")
    assert message in line
    assert hint in line.partition("; hint: ")[2]
    assert answer["status"] == "error"
    assert message in answer["message"]
    assert read_properties(properties)["hint"] == answer["hint"]


def test_some_failed_is_ok_with_their_names(ask, tmp_path):
    (tmp_path / "bad ü.tif").write_bytes(b"x")
    good = str(ROOT / "examples" / "demo_truth.tif")
    code, line, err, answer, properties = ask("resolution", good, str(tmp_path / "bad ü.tif"))
    assert code == 1
    assert line.startswith("DLSIM OK ")
    assert err == ""  # ImageJ does not read it
    assert (answer["status"], answer["exit_code"]) == ("incomplete", 1)
    assert len(answer["results"]) == 1
    assert "bad ü.tif" in answer["failed"][0]["message"]
    assert "bad ü.tif" in read_properties(properties)["failed.1.message"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "DLSIM ERROR interrupted: nothing is half written"),
        (
            ZeroDivisionError("by\nzero"),
            1,
            "DLSIM ERROR this is a bug of dlsim: ZeroDivisionError: by zero; hint",
        ),
    ],
)
def test_interrupts_and_bugs(raised, code, said, ask, monkeypatch):
    def fail(*_, **__):
        raise raised

    monkeypatch.setattr(main.cli, "main", fail)
    got, line, _, answer, _ = ask("run", "x")
    assert got == code
    assert line.startswith(said)
    assert answer["status"] == "error"


def test_by_default_the_files_are_temporary_and_the_path_is_whole(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "cp1252"}  # as on Windows
    words = [sys.executable, "-m", "dlsim_ij", "models", "--macro"]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    path = Path(done.stdout.decode("utf-8").removeprefix("DLSIM OK ").rstrip())
    assert path.parent.parent == tmp_path
    assert json.loads(path.read_text(encoding="utf-8"))["results"][0]["models"]


def test_the_line_is_utf_8_whatever_the_terminal_takes(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    target = tmp_path / "日本 ü.json"
    words = [sys.executable, "-m", "dlsim_ij", "models", "--macro", "--macro-results", str(target)]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.stdout.decode("utf-8").rstrip() == f"DLSIM OK {target}"


def test_where_the_answer_cannot_go_is_said(ask, tmp_path):
    code, line, _, answer, _ = ask("models", results=tmp_path / "missing" / "r.json")
    assert (code, answer) == (0, None)
    assert line.startswith("DLSIM ERROR the answer for the macro cannot be written: the folder")
    assert "must end in .json" in ask("models", results=tmp_path / "r.txt")[1]


def test_properties_hold_any_text(tmp_path):
    values = {
        "path": "C:\\Users\\Jürgen\\ u00fc=:#!.tif", "lines": "a\nb\tc\r", "  key = : # ": " leading",
        "日本": "𝔘 😀", "list": [1, [True, None]], "byte": "\udcff",
    }  # fmt: skip
    (tmp_path / "p").write_text(properties_text(values), encoding="ascii")
    pairs = read_properties(tmp_path / "p")
    assert {key: pairs[key] for key in ("path", "lines", "  key = : # ", "日本", "byte")} == {
        key: values[key] for key in ("path", "lines", "  key = : # ", "日本", "byte")
    }
    listed = [pairs[f"list.{key}"] for key in ("count", "1", "2.1", "2.2")]
    assert listed == ["2", "1", "true", ""]


@pytest.mark.jvm
def test_java_reads_the_properties_as_we_do(fiji, tmp_path):
    values = {"path": "C:\\Users\\Jürgen\\ u00fc=:#!.tif", "a b": " leading and 日本 😀", "x": "tab\tend"}
    (tmp_path / "p.properties").write_text(properties_text(values), encoding="ascii")
    code = f'List.setList(File.openAsString("{tmp_path}/p.properties")); return List.get(getArgument());'
    assert {key: fiji.run_macro(code, key).value for key in values} == values


def test_a_name_that_is_no_utf_8_survives(tmp_path):
    answer = MacroAnswer(tmp_path / "r.json")
    answer.add_result({"output": "/data/\udcff.tif"})
    assert answer.write(0).startswith("DLSIM OK ")
    assert json.loads((tmp_path / "r.json").read_text())["results"][0]["output"] == "/data/\udcff.tif"
