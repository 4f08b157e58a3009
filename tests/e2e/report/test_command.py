"""``dlsim report`` as users call it."""

from __future__ import annotations

import json

from dlsim_ij.cli.main import run


def test_report_prints_its_path(tmp_path, capfd, results_folder):
    folder = results_folder(tmp_path / "results", "cell")
    assert run(["report", str(folder), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"report": str(folder / "report.html")}
    assert run(["report", str(folder), "-q"]) == 0
    out, err = capfd.readouterr()
    assert out.strip() == str(folder / "report.html")
    assert err == ""


def test_dry_run_writes_nothing(tmp_path, capfd, results_folder):
    folder = results_folder(tmp_path / "results", "cell")
    before = sorted(folder.iterdir())
    assert run(["report", str(folder), "--dry-run"]) == 0
    assert sorted(folder.iterdir()) == before
    out, err = capfd.readouterr()
    assert out == ""
    assert "report.html" in err


def test_a_foreign_file_is_refused_and_kept(tmp_path, capfd, results_folder):
    folder = results_folder(tmp_path / "results", "cell")
    (folder / "metrics.csv").write_text("a,b\n1,2\n")
    assert run(["report", str(folder)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "metrics.csv was not written by dlsim" in err
    assert "hint:" in err
    assert not (folder / "report.html").exists()
    assert run(["report", str(folder), "--overwrite"]) == 0


def test_a_folder_without_results_is_refused(tmp_path, capfd):
    assert run(["report", str(tmp_path)]) == 2
    assert "dlsim run" in capfd.readouterr().err
