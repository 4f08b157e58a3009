"""The doctor on healthy and broken environments; it starts nothing and never fails."""

import json
import os
import subprocess
import sys

import pytest

from dlsim_ij.fiji import doctor, locate


@pytest.fixture
def bare(monkeypatch):
    """No ImageJ, no Java in the usual places."""
    monkeypatch.setattr(locate, "_FIJI_PLACES", ())
    monkeypatch.setattr(locate, "_JAR_PLACES", ())
    monkeypatch.setattr(locate, "_java_homes", lambda environ, fiji: iter(()))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("DISPLAY", raising=False)


def by_name(checks):
    return {check.name: check for check in checks}


def test_without_java_and_imagej_the_main_job_still_runs(bare):
    checks = by_name(doctor.examine(environ={}))
    assert checks["engine"].status == checks["java"].status == checks["display"].status == "warning"
    assert "libij-java" in checks["engine"].hint
    assert checks["display"].hint == "apt install xvfb"
    assert doctor.main_job_can_run(list(checks.values()))


def test_broken_settings_are_named_one_by_one(tmp_path):
    environ = {
        "DLSIM_FIJI": str(tmp_path / "nowhere"),
        "JAVA_HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    checks = by_name(doctor.examine(environ=environ))
    assert checks["engine"].status == "warning"
    assert f"{tmp_path / 'nowhere'} (DLSIM_FIJI) is not a folder" in checks["engine"].detail
    assert f"JAVA_HOME={tmp_path} holds no Java" in checks["java"].detail
    assert "JAVA_HOME" in checks["java"].hint


def test_no_torch_means_no_main_job(bare, monkeypatch):
    import importlib.metadata

    real = importlib.metadata.version

    def version(name):
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    checks = doctor.examine(environ={})
    assert by_name(checks)["torch"].status == "error"
    assert not doctor.main_job_can_run(checks)


def test_a_full_or_missing_disk_is_a_warning(bare, tmp_path):
    assert by_name(doctor.examine(environ={}, folder=tmp_path / "gone"))["disk"].status == "warning"


def test_plugins_are_named_from_the_jars(tmp_path):
    folder = tmp_path / "Fiji.app"
    jars = [folder / "plugins" / name for name in ("NanoJ_SQUIRREL_.jar", "bio-formats_plugins-6.7.0.jar")]
    installation = locate.Installation(
        kind="fiji", path=folder, origin="", asked=True, jars=tuple(jars), version="2.3.0", needs_java=8
    )
    checks = by_name(doctor._plugins(installation))
    assert checks["plugins"].detail == "2 plugin jars"
    assert checks["NanoJ-SQUIRREL"].detail == "NanoJ_SQUIRREL_.jar"
    assert checks["Bio-Formats"].detail == "bio-formats_plugins-6.7.0.jar"
    assert checks["ImDecorr"].detail.startswith("not in this Fiji; no update site")
    assert checks["SIMcheck"].detail.endswith("Manage Update Sites, tick SIMcheck")
    assert {check.status for check in checks.values()} == {"ok"}


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_survives_a_broken_environment(tmp_path, as_json):
    environ = {
        **os.environ, "PATH": "",
        "DLSIM_FIJI": str(tmp_path / "no Fiji"), "JAVA_HOME": str(tmp_path / "no Java"),
    }  # fmt: skip
    words = [sys.executable, "-m", "dlsim_ij", "doctor", *(["--json"] if as_json else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environ, check=False)
    assert done.stderr == ""
    if as_json:
        (line,) = done.stdout.splitlines()
        checks = json.loads(line)["checks"]
        assert all(set(check) == {"name", "status", "detail", "hint"} for check in checks)
        assert {"python", "torch", "engine", "java", "display", "disk", "models"} <= {
            c["name"] for c in checks
        }
        wrong = {check["name"] for check in checks if check["status"] == "error"}
        assert done.returncode == bool(wrong)
        assert "engine" not in wrong
    else:
        assert "no Fiji (DLSIM_FIJI) is not a folder" in done.stdout
        assert done.stdout.index("WARNING") < done.stdout.index(
            "The main job can"
        )  # facts first, advice last
