"""Candidates: their order, their origin, and what is refused."""

import sys
import zipfile

import pytest

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import locate

CLASS_OF_JAVA_21 = b"\xca\xfe\xba\xbe\x00\x00\x00\x41"
CLASS_OF_JAVA_8 = b"\xca\xfe\xba\xbe\x00\x00\x00\x34"


def make_jar(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        for name, content in entries.items():
            jar.writestr(name, content)
    return path


@pytest.fixture
def ij_jar(tmp_path):
    return make_jar(tmp_path / "ij.jar", {"ij/IJ.class": CLASS_OF_JAVA_8})


@pytest.fixture
def fiji_folder(tmp_path):
    def make(name, natives, compiled=CLASS_OF_JAVA_8):
        folder = tmp_path / name
        for jar in ("ij-1.54p", "imagej-2.17.0", "imagej-legacy-2.0.3", "ij1-patcher-2.0.0", *natives):
            make_jar(folder / "jars" / f"{jar}.jar", {"net/X.class": compiled})
        make_jar(folder / "plugins" / "Some_Plugin.jar", {"X.class": compiled})
        return folder

    return make


@pytest.fixture(autouse=True)
def _no_usual_places(monkeypatch):
    monkeypatch.setattr(locate, "_FIJI_PLACES", ())
    monkeypatch.setattr(locate, "_JAR_PLACES", ())


def test_the_path_wins_over_the_environment_and_fiji_over_a_jar(tmp_path, ij_jar):
    environ = {"DLSIM_FIJI": str(tmp_path / "A"), "DLSIM_IJ_JAR": str(ij_jar)}
    seen = [(c.kind, c.path.name, c.origin) for c in locate.candidates(tmp_path / "B", environ=environ)]
    assert seen == [("fiji", "B", "the given path"), ("imagej", "ij.jar", "DLSIM_IJ_JAR")]
    assert next(locate.candidates(environ=environ)).origin == "DLSIM_FIJI"
    assert [c.kind for c in locate.candidates(engine="imagej", environ=environ)] == ["imagej"]


def test_a_misspelt_place_is_an_error_and_not_a_reason_to_go_on(tmp_path, ij_jar):
    with pytest.raises(FijiError, match=r"Fiij.app \(DLSIM_FIJI\) is not a folder"):
        locate.find(environ={"DLSIM_FIJI": str(tmp_path / "Fiij.app"), "DLSIM_IJ_JAR": str(ij_jar)})


@pytest.mark.parametrize(
    ("natives", "kept"),
    [
        (["linux64/a-linux64", "win64/a-win64", "macosx/a-mac"], "a-linux64.jar"),  # old Fiji.app
        (["linux-x64/a-x64", "windows-x64/a-win", "macos-arm64/a-mac"], "a-x64.jar"),  # new Fiji
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the expected folder is Linux'")
def test_both_layouts_without_other_systems_natives(fiji_folder, natives, kept, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    found = locate.find(fiji_folder("Fiji", natives), environ={})
    assert found.kind == "fiji"
    assert found.version == "2.17.0"
    names = {jar.name for jar in found.jars}
    assert {kept, "Some_Plugin.jar", "ij-1.54p.jar"} <= names
    assert not any("win" in name or "mac" in name for name in names)


def test_the_java_that_a_fiji_needs_is_read_from_its_classes(fiji_folder):
    assert locate.find(fiji_folder("Old", []), environ={}).needs_java == 8
    assert locate.find(fiji_folder("New", [], CLASS_OF_JAVA_21), environ={}).needs_java == 21


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a readable jar"), (None, "is not there"), ({"x": b""}, "not ImageJ's")],
)
def test_a_jar_that_is_none_is_refused(tmp_path, content, message):
    jar = tmp_path / "broken.jar"
    if isinstance(content, dict):
        make_jar(jar, content)
    elif content is not None:
        jar.write_bytes(content)
    with pytest.raises(FijiError, match=message):
        locate.find(environ={"DLSIM_IJ_JAR": str(jar)})


def test_a_folder_without_jars_is_no_fiji(tmp_path):
    with pytest.raises(FijiError, match=r"ij-\*.jar, imagej-\*.jar, imagej-legacy-\*.jar is missing"):
        locate.find(tmp_path, environ={})


def test_nothing_found_is_none_unless_an_engine_was_asked_for():
    assert locate.find(environ={}) is None
    with pytest.raises(FijiError, match="no ImageJ was found"):
        locate.find(engine="imagej", environ={})


def test_imglyb_jars_come_from_the_named_folder(fiji_folder, tmp_path):
    found = locate.find(fiji_folder("Fiji", []), environ={})
    environ = {"DLSIM_IMGLYB": str(tmp_path / "glue"), "M2_REPO": str(tmp_path / "none")}
    assert locate.imglyb_jars(found, environ) is None
    make_jar(tmp_path / "glue" / "imglib2-unsafe-1.1.0.jar", {})
    assert locate.imglyb_jars(found, environ) is None
    newest = make_jar(tmp_path / "glue" / "imglib2-imglyb-1.10.0.jar", {})
    make_jar(tmp_path / "glue" / "imglib2-imglyb-1.9.0.jar", {})
    assert newest in locate.imglyb_jars(found, environ)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("sc.fiji:fiji:2.17.0", True), ("net.imagej:imagej", True), ("/opt/Fiji.app", False), ("C:/Fiji", False),
     (None, False)],
)  # fmt: skip
def test_endpoints_are_told_from_folders(path, expected):
    assert locate.is_endpoint(path) is expected


@pytest.mark.parametrize(
    ("version", "major"), [("17.0.15", 17), ("1.8.0_452", 8), ("21", 21), ("25.0.2", 25), (None, 0)]
)
def test_java_versions(tmp_path, version, major):
    assert locate.Java(home=tmp_path, library=None, origin="", version=version).major == major


def make_java(home, version):
    (home / "lib" / "server").mkdir(parents=True)
    (home / "lib" / "server" / "libjvm.so").touch()
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libjvm.so is Linux'")
def test_an_old_java_home_is_passed_over_and_nonsense_is_named(tmp_path):
    old = make_java(tmp_path / "old", "1.8.0_292")
    new = make_java(tmp_path / "new", "21.0.4")
    (new / "bin").mkdir()
    (new / "bin" / "java").touch(mode=0o755)
    found = locate.find_java(11, {"JAVA_HOME": str(old), "PATH": str(new / "bin")})
    assert (found.home, found.origin) == (new, "the java on the PATH")
    first = next(locate.javas({"JAVA_HOME": str(tmp_path / "nonsense"), "PATH": ""}))
    assert (first.origin, first.library) == ("JAVA_HOME", None)
