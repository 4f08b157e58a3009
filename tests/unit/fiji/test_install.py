"""Macros into a Fiji and out again: only files that are ours are ever touched."""

import json
import sys
from pathlib import Path

import pytest

from dlsim_ij.cli.main import run
from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.install import install_macros, macros_folder, own_command, remove_macros

CORE = "macros/DLSIM/dlsim_reconstruct.ijm"


@pytest.fixture(params=["Fiji.app", "Fiji", "ImageJ"])
def place(request, tmp_path):
    """Return a folder as the old and the new Fiji, and plain ImageJ, have it, with files of its own."""
    root = tmp_path / "my progräms" / request.param
    if request.param == "ImageJ":
        root.mkdir(parents=True)
        (root / "ij.jar").write_bytes(b"")
    else:
        (root / "jars" / "linux64").mkdir(parents=True)
        (root / "jars" / "ij-1.54p.jar").write_bytes(b"")
        (root / "scripts" / "Plugins").mkdir(parents=True)
        (root / "scripts" / "Plugins" / "Own_Script.ijm").write_text("// theirs")
    for name in ("macros", "plugins"):
        (root / name).mkdir()
    (root / "macros" / "StartupMacros.txt").write_text("// theirs")
    return root


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_in_and_out_again_leaves_it_as_it_was(place):
    before = files(place), sorted(p for p in place.rglob("*") if p.is_dir() and "DLSIM" not in p.parts)
    done = install_macros(place)
    assert done.kind == ("imagej" if place.name == "ImageJ" else "fiji")
    menu = "plugins/DLSIM" if done.kind == "imagej" else "scripts/Plugins/DLSIM"
    assert {CORE, f"{menu}/DLSIM_Reconstruct.ijm", f"{menu}/DLSIM_Set_Command.ijm"} <= set(done.installed)
    text = (place / menu / "DLSIM_Reconstruct.ijm").read_text()
    assert ("#@" in text) == (done.kind == "fiji")  # plain ImageJ silently does nothing with such a file
    assert len(list((place / menu).iterdir())) == len(list((place / "macros" / "DLSIM").glob("dlsim_*.ijm")))

    again = install_macros(place)
    assert (again.installed, again.kept) == ((), ())
    assert set(again.unchanged) == set(done.installed)

    out = remove_macros(place)
    assert set(out.removed) == set(done.installed)
    assert (files(place), sorted(p for p in place.rglob("*") if p.is_dir())) == before
    assert remove_macros(place).removed == ()


def test_what_is_not_ours_or_was_changed_stays(place):
    foreign = place / "macros" / "DLSIM" / "dlsim_check.ijm"
    foreign.parent.mkdir()
    foreign.write_text("// theirs")
    mine = foreign.parent / "notes.txt"
    mine.write_text("theirs too")
    done = install_macros(place)
    assert done.kept == ("macros/DLSIM/dlsim_check.ijm",)
    (place / CORE).write_text("// changed by the user")
    assert set(install_macros(place).kept) == {"macros/DLSIM/dlsim_check.ijm", CORE}
    out = remove_macros(place)
    assert out.kept == (CORE,)  # the foreign one was never ours
    assert foreign.read_text() == "// theirs"
    assert mine.read_text() == "theirs too"
    assert (place / CORE).read_text() == "// changed by the user"


def test_a_newer_version_replaces_what_is_as_we_wrote_it(place, monkeypatch, tmp_path):
    import shutil

    old = tmp_path / "old"
    shutil.copytree(macros_folder(), old)
    (old / "dlsim_reconstruct.ijm").write_text("// an older one")
    (old / "dlsim_gone.ijm").write_text("// no longer there")
    with monkeypatch.context() as patch:
        patch.setattr("dlsim_ij.fiji.install.macros_folder", lambda: old)
        install_macros(place)
    done = install_macros(place)
    assert done.installed == (CORE,)
    assert done.removed == ("macros/DLSIM/dlsim_gone.ijm",)
    assert (place / CORE).read_bytes() == (macros_folder() / "dlsim_reconstruct.ijm").read_bytes()


def test_links_are_not_followed(place, tmp_path):
    target = tmp_path / "elsewhere.ijm"
    target.write_text("// theirs")
    (place / "macros" / "DLSIM").mkdir()
    (place / CORE).symlink_to(target)
    assert install_macros(place).kept == (CORE,)
    remove_macros(place)
    assert target.read_text() == "// theirs"


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"files": {"../../precious": "0"}}', '{"files": {"macros/precious.ijm": "0"}}']
)
def test_a_damaged_manifest_is_refused(place, text):
    install_macros(place)
    (place / "macros" / "DLSIM" / "installed.json").write_text(text)
    before = files(place)
    for change in (install_macros, remove_macros):
        with pytest.raises(FijiError, match=r"installed\.json"):
            change(place)
    assert files(place) == before


def test_a_folder_that_is_neither_is_refused_with_the_right_one(place):
    with pytest.raises(FijiError) as caught:
        install_macros(place.parent)
    assert str(place) in caught.value.hint
    with pytest.raises(FijiError, match="not a folder"):
        install_macros(place / "nothing")


def test_the_command_is_written_for_any_java(place):
    install_macros(place, command=["C:\\Users\\Jürgen\\dlsim.exe"])
    text = (place / "macros" / "DLSIM" / "dlsim_command.properties").read_text(encoding="ascii")
    assert text == "word1=C:\\\\Users\\\\J\\u00fcrgen\\\\dlsim.exe\n"
    install_macros(place, command=["python", "-m", "dlsim_ij"])
    text = (place / "macros" / "DLSIM" / "dlsim_command.properties").read_text(encoding="ascii")
    assert text == "word1=python\nword2=-m\nword3=dlsim_ij\n"


def test_our_own_command_starts_us():
    import subprocess

    words = own_command()
    assert Path(words[0]).is_absolute()
    done = subprocess.run([*words, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("dlsim, version ")
    assert Path(words[0]).parent == Path(sys.executable).parent


def test_the_verb(place, capsys):
    assert run(["fiji-install", str(place), "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not (place / CORE).exists()
    assert run(["fiji-install", str(place), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["installed"] == planned["installed"]
    (place / CORE).write_text("// changed")
    assert run(["fiji-install", str(place), "--remove"]) == 1
    out, err = capsys.readouterr()
    assert "files removed" in out
    assert err.startswith(f"error: kept, since it is not ours or was changed: {place / CORE}\nhint: ")
