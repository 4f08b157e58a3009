"""What works here and what does not: facts first, advice last; nothing is started or changed.

The launcher and the doctor read the same candidates (`locate`), so they cannot disagree.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import display, locate
from dlsim_ij.fiji.known_plugins import KNOWN_PLUGINS
from dlsim_ij.fiji.launch import INSTALL_JAVA
from dlsim_ij.results import Result

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Result):
    """One line of the doctor's table."""

    name: str
    status: str  # "ok", "warning" (less works) or "error" (the main job cannot run)
    detail: str
    hint: str | None = None


def examine(
    engine: str = "auto",
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> list[Check]:
    """Look at Python, torch, Java, ImageJ, the display and the disk.

    Parameters
    ----------
    engine : {"auto", "fiji", "imagej", "none"}
        The one wanted.
    path : path-like, optional
        Fiji folder, ``ij.jar`` or Maven endpoint.
    environ : mapping, optional
        Instead of ``os.environ``; for tests.
    folder : Path, optional
        Where results would go, for the disk check; the current folder by default.

    Returns
    -------
    list of Check
        An "error" means that the main job cannot run; Java is not needed for it.
    """
    environ = os.environ if environ is None else environ
    checks = [_python(), _package(), *_torch()]
    if engine != "none":
        checks += [*_engine(engine, path, environ)]
    checks.append(_disk(folder or Path.cwd()))
    return checks


def main_job_can_run(checks: list[Check]) -> bool:
    """Whether no check is an error."""
    return all(check.status != ERROR for check in checks)


def _python() -> Check:
    detail = f"{platform.python_version()} at {sys.executable} on {platform.platform(terse=True)}"
    return Check(name="python", status=OK, detail=detail)


def _package() -> Check:
    import dlsim_ij

    return Check(
        name="dlsim-ij", status=OK, detail=f"{dlsim_ij.__version__} at {Path(dlsim_ij.__file__).parent}"
    )


def _torch() -> Iterator[Check]:
    # its version is read without importing it, which takes seconds
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        yield Check(name="torch", status=ERROR, detail="not installed", hint="pip install torch")
        return
    yield Check(name="torch", status=OK, detail=version)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS")
    yield Check(
        name="threads", status=OK,
        detail=f"{cores} cores" + (f", OMP_NUM_THREADS={asked}" if asked else ""),
    )  # fmt: skip


def _engine(engine: str, path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Iterator[Check]:
    fiji = None
    installation: locate.Installation | None = None
    if locate.is_endpoint(path):
        yield Check(
            name="engine", status=WARNING, detail=f"fiji: {path}, downloaded at the first start",
            hint="needs a network and pip install 'dlsim-ij[fiji]'",
        )  # fmt: skip
    else:
        try:
            installation = locate.find(path, engine, environ)
        except FijiError as error:
            yield Check(name="engine", status=WARNING, detail=error.message, hint=error.hint)
        else:
            yield _engine_check(installation)
    if installation is not None and installation.kind == "fiji":
        fiji = installation.path
        yield _way_in(installation, environ)
        yield from _plugins(installation)
    yield _java(environ, installation, fiji)
    yield _display(environ, installation, fiji)
    yield from _others(path, environ, installation)


def _engine_check(installation: locate.Installation | None) -> Check:
    if installation is None:
        return Check(
            name="engine", status=WARNING, hint=locate.INSTALL_IMAGEJ,
            detail="none: no Fiji and no ImageJ found; resizing and measures work, macros do not",
        )  # fmt: skip
    version = f" {installation.version}" if installation.version else ""
    return Check(
        name="engine", status=OK,
        detail=f"{installation.kind}{version} at {installation.path} ({installation.origin})",
    )  # fmt: skip


def _way_in(installation: locate.Installation, environ: Mapping[str, str]) -> Check:
    try:
        detail = f"PyImageJ {importlib.metadata.version('pyimagej')}"
    except importlib.metadata.PackageNotFoundError:
        return Check(name="pyimagej", status=OK, detail="not installed; Fiji is used directly")
    if locate.imglyb_jars(installation, environ) is None:
        return Check(
            name="pyimagej", status=OK, detail=f"{detail}, not used: its imglyb jars are missing",
            hint="for fiji.gateway.py: imglib2-imglyb and -unsafe into jars/, or DLSIM_IMGLYB",
        )  # fmt: skip
    return Check(name="pyimagej", status=OK, detail=f"{detail}, used")


def _plugins(installation: locate.Installation) -> Iterator[Check]:
    """Count the plugins, and say of each that the field asks for whether it is here, or where it is."""
    n_plugins = sum("plugins" in jar.relative_to(installation.path).parts[:1] for jar in installation.jars)
    yield Check(name="plugins", status=OK, detail=f"{n_plugins} plugin jars")
    names = [jar.name for jar in installation.jars]
    for name, plugin in KNOWN_PLUGINS.items():
        jar = plugin.found(names)
        yield Check(name=name, status=OK, detail=jar or f"not in this Fiji; {plugin.source}")


def _java(environ: Mapping[str, str], installation: locate.Installation | None, fiji: Path | None) -> Check:
    homes = list(locate.javas(environ, fiji))
    needs = max(11, installation.needs_java if installation else 11)
    chosen = locate.find_java(needs, environ, fiji)
    wrong = next((java for java in homes if java.library is None), None)
    nonsense = f"JAVA_HOME={wrong.home} holds no Java" if wrong is not None else ""
    try:
        bridge = f", JPype {importlib.metadata.version('JPype1')}"
    except importlib.metadata.PackageNotFoundError:
        return Check(name="java", status=WARNING, detail="JPype is not installed", hint="pip install JPype1")
    if chosen is None:
        old = ", ".join(f"{java.version} at {java.home}" for java in homes if java.library is not None)
        detail = (
            f"no Java {needs} or newer"
            + (f"; found {old}" if old else "")
            + (f"; {nonsense}" if nonsense else "")
        )
        return Check(name="java", status=WARNING, detail=detail, hint=INSTALL_JAVA)
    detail = f"{chosen.version or 'of unknown version'} at {chosen.home} ({chosen.origin}){bridge}"
    if nonsense:
        return Check(
            name="java", status=WARNING, detail=f"{detail}; {nonsense}", hint="unset or correct JAVA_HOME"
        )
    return Check(name="java", status=OK, detail=detail)


def _display(
    environ: Mapping[str, str], installation: locate.Installation | None, fiji: Path | None
) -> Check:
    named = environ.get("DISPLAY")
    java = locate.find_java(11, environ, fiji)
    if java is not None and not java.can_draw and (installation is None or installation.kind == "imagej"):
        return Check(
            name="display", status=WARNING, detail=f"the Java at {java.home} is a headless package",
            hint="ImageJ's commands need it: apt install default-jre",
        )  # fmt: skip
    if display.has_display():
        return Check(name="display", status=OK, detail=named or sys.platform)
    if display.can_make_display():
        unreachable = f"DISPLAY={named} does not answer; " if named else "none; "
        return Check(
            name="display", status=OK, detail=f"{unreachable}Xvfb is installed and started when needed"
        )
    if installation is not None and installation.kind == "fiji":
        return Check(name="display", status=OK, detail="none; a Fiji runs its commands without")
    return Check(
        name="display", status=WARNING, detail="none, and no Xvfb: macros with run(...) do not work",
        hint="apt install xvfb",
    )  # fmt: skip


def _others(
    path: str | os.PathLike[str] | None, environ: Mapping[str, str], chosen: locate.Installation | None
) -> Iterator[Check]:
    """Name what was found as well and is not used."""
    for candidate in locate.candidates(None if locate.is_endpoint(path) else path, "auto", environ):
        try:
            installation = locate.examine(candidate)
        except FijiError:
            continue
        if chosen is None or installation.path != chosen.path:
            yield Check(
                name="also found", status=OK,
                detail=f"{installation.kind} at {installation.path} ({installation.origin})",
            )  # fmt: skip


def _disk(folder: Path) -> Check:
    try:
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Check(
            name="disk", status=WARNING, detail=f"{folder}: {error.strerror}", hint="go to another folder"
        )
    detail = f"{free_gb:.1f} GB free at {folder}"
    if not os.access(folder, os.W_OK):
        return Check(
            name="disk", status=WARNING, detail=f"{detail}, not writable", hint="results need -o elsewhere"
        )
    if free_gb < 1:
        return Check(
            name="disk", status=WARNING, detail=detail, hint="a run writes about 50 MB per field of view"
        )
    return Check(name="disk", status=OK, detail=detail)
