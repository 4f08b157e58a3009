"""The one start of Java in this process, and its end.

A process can start one Java virtual machine, once. So there is one `Session`, made by `get` on first need
and closed when Python exits. Each option and each step of the exit answers a failure that was seen;
docs/fiji.md lists them.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import locate
from dlsim_ij.fiji.display import VirtualDisplay, can_make_display, has_display
from dlsim_ij.fiji.imagej_object import open_imagej
from dlsim_ij.fiji.java_log import JavaLog
from dlsim_ij.fiji.java_options import java_options, user_options
from dlsim_ij.fiji.session import Session
from dlsim_ij.fiji.shutdown import CLOSED, close_session
from dlsim_ij.fiji.signal_handlers import put_back, signal_handlers

logger = logging.getLogger(__name__)

INSTALL_JAVA = "apt install default-jre, or pip install 'dlsim-ij[java]', or set JAVA_HOME"

_FOREIGN = "a Java that already ran"

_session: Session | None = None
_start_lock = threading.Lock()


def session() -> Session | None:
    """Return the session of this process, if Java runs."""
    return _session


def java_runs() -> bool:
    """Whether a Java virtual machine runs in this process, whoever started it."""
    jpype = sys.modules.get("jpype")
    return jpype is not None and bool(jpype.isJVMStarted())


def get(engine: str, path: str | os.PathLike[str] | None, mode: str, gateway: Any = None) -> Session | None:
    """Return the session that fits the wish, starting or adopting Java if need be.

    Parameters
    ----------
    engine : {"auto", "fiji", "imagej"}
        What is wanted.
    path : path-like, optional
        Fiji folder, ``ij.jar`` or Maven endpoint.
    mode : {"headless", "offscreen", "interactive"}
        No windows if possible, windows on a virtual screen, windows for a person to see.
    gateway : PyImageJ gateway, optional
        One that the caller already has.

    Returns
    -------
    Session or None
        None if `engine` is "auto" and no ImageJ or no Java was found.

    Raises
    ------
    FijiError
        The wish contradicts the running session, or the start failed.
    """
    global _session
    with _start_lock:
        if _session is not None:
            _session.require_usable()
            _check_fits(_session, engine, path, mode)
            return _session
        if gateway is not None or java_runs():
            _session = adopt(engine, mode, gateway)
        else:
            _session = _start(engine, path, mode)
        if _session is not None:
            os.register_at_fork(after_in_child=_after_fork)
            atexit.register(close)  # after jpype's own, so it runs before it
        return _session


def _check_fits(running: Session, engine: str, path: str | os.PathLike[str] | None, mode: str) -> None:
    what = f"{running.kind} from {running.source}"
    advice = "one process holds one Java: use that engine, or start a new Python process"
    if engine not in ("auto", running.kind):
        raise FijiError(f"this process already runs {what}, so {engine} cannot start", advice)
    if path is not None and engine in ("auto", locate.kind_of(path)) and running.source != _FOREIGN:
        asked = str(path) if locate.is_endpoint(path) else os.path.realpath(Path(path).expanduser())
        if asked not in (running.source, os.path.realpath(running.source)):
            raise FijiError(f"this process already runs {what}, so {path} cannot start", advice)
    if (mode == "interactive" and not running.interactive) or (mode == "offscreen" and running.headless):
        raise FijiError(f"this process already runs {what} without windows", advice)


def _start(engine: str, path: str | os.PathLike[str] | None, mode: str) -> Session | None:
    if threading.current_thread() is not threading.main_thread():
        raise FijiError(
            "Java must be started in the main thread",
            "call Fiji().start() there first; other threads may use it afterwards",
        )
    if locate.is_endpoint(path):
        return _start_endpoint(str(path), mode)
    for installation in locate.installations(path, engine):
        fiji = installation.path if installation.kind == "fiji" else None
        java = locate.find_java(installation.needs_java, fiji=fiji)
        if java is not None:
            return _start_local(installation, java, mode)
        old = [
            f"{java.version} at {java.home}" for java in locate.javas(fiji=fiji) if java.library is not None
        ]
        needs = f"no Java {max(installation.needs_java, 11)} or newer was found for {installation.path}"
        message = needs + (f"; there is only {', '.join(old)}" if old else "")
        if installation.asked or engine != "auto":
            raise FijiError(message, INSTALL_JAVA)
        logger.warning("%s", message)
    return None


def _start_local(installation: locate.Installation, java: locate.Java, mode: str) -> Session:
    import jpype
    import jpype.config

    interactive = mode == "interactive"
    imglyb = locate.imglyb_jars(installation) if installation.kind == "fiji" and _has_pyimagej() else None
    own_options = user_options()
    display, screen, headless = _choose_display(installation, java, mode)
    preferences = Path(tempfile.mkdtemp(prefix="dlsim-java-"))
    arguments = java_options(java.major, headless, preferences, installation) + own_options
    class_path = [str(jar) for jar in dict.fromkeys((*installation.jars, *(imglyb or ())))]
    logger.info("starting Java %s from %s (%s)", java.version, java.home, java.origin)
    logger.debug("Java options: %s", " ".join(arguments))
    handlers = signal_handlers()
    shown = os.environ.get("DISPLAY")
    try:
        if screen is not None:
            os.environ["DISPLAY"] = screen
        jpype.startJVM(
            *arguments, jvmpath=str(java.library), classpath=class_path, interrupt=False, convertStrings=False
        )
        log = JavaLog()
        log.redirect()
        session = Session(
            kind=installation.kind, way="jar", source=str(installation.path), java=java.version or "?",
            headless=headless, interactive=interactive, owned=True, log=log, display=display,
            preferences=preferences,
        )  # fmt: skip
        if installation.kind == "fiji":
            _open_gateway(session, with_pyimagej=imglyb is not None)
        elif not headless:
            open_imagej(interactive)
    except BaseException as error:  # Ctrl-C too; what Java says becomes one line, and nothing goes on
        _undo_start(display, preferences)
        if isinstance(error, FijiError) or not isinstance(error, Exception):
            raise
        raise FijiError(
            f"Java {java.version} from {java.home} did not start ImageJ: {_one_line(error)}",
            "see dlsim doctor; more with -v -v",
        ) from error
    finally:
        put_back(handlers)
        if screen is not None:  # Java has its connection; matplotlib and child processes must not use it
            del os.environ["DISPLAY"]
            if shown is not None:
                os.environ["DISPLAY"] = shown
    return session


def _choose_display(
    installation: locate.Installation, java: locate.Java, mode: str
) -> tuple[VirtualDisplay | None, str | None, bool]:
    """Return our own display, the value DISPLAY must have for Java, and whether Java runs headless."""
    if mode == "offscreen":
        if not java.can_draw:
            raise FijiError(f"the Java at {java.home} opens no windows", "apt install default-jre")
        if can_make_display():  # also where there is a display: nothing shall flash up on it
            display = VirtualDisplay()
            return display, display.start(), False
        if has_display():
            return None, None, False
        raise FijiError("windows off the screen need Xvfb, which is not installed", "apt install xvfb")
    if mode == "interactive":
        if not (has_display() and java.can_draw):
            raise FijiError(
                "interactive mode needs a display", "leave mode='headless', or connect with ssh -X"
            )
        return None, None, False
    if installation.kind == "fiji" or not java.can_draw:  # a Fiji edits itself for headless use
        return None, None, True
    if has_display():
        return None, None, False
    if can_make_display():
        display = VirtualDisplay()
        return display, display.start(), False
    return None, None, True


def _has_pyimagej() -> bool:
    from importlib.util import find_spec

    return find_spec("imagej") is not None and find_spec("scyjava") is not None


def _open_gateway(session: Session, with_pyimagej: bool) -> None:
    from jpype import JClass

    if with_pyimagej:
        session.way = "pyimagej"
        session.gateway = _pyimagej_gateway(session)
    else:
        session.way = "scijava"
        session.gateway = JClass("net.imagej.ImageJ")()
    if not session.headless:
        session.gateway.ui().showUI()
    from dlsim_ij.fiji.self_test import self_test

    self_test(session.source)


def _pyimagej_gateway(session: Session) -> Any:
    import imagej  # type: ignore[import-not-found, unused-ignore]
    import scyjava.config

    scyjava.config.endpoints.clear()  # importing imagej asks for a download, which a local Fiji does not need
    gateway = imagej.init(session.source, mode="headless" if session.headless else "interactive")
    if not gateway:  # PyImageJ's way of reporting a failure
        raise FijiError(
            "PyImageJ could not make its gateway", "see its log, or leave pyimagej out: raw SciJava works"
        )
    return gateway


def _start_endpoint(endpoint: str, mode: str) -> Session:
    """Start what a Maven endpoint names; PyImageJ resolves and downloads it."""
    if not _has_pyimagej():
        raise FijiError(
            f"{endpoint} is a Maven endpoint, which needs PyImageJ", "pip install 'dlsim-ij[fiji]'"
        )
    java = locate.find_java(11)
    if java is None:
        raise FijiError("no Java 11 or newer was found", INSTALL_JAVA)
    import imagej
    import scyjava.config

    interactive = mode == "interactive"
    if mode == "offscreen":
        raise FijiError("the mode 'offscreen' is for a local Fiji or an ij.jar", "give its folder")
    if interactive and not has_display():
        raise FijiError("interactive mode needs a display", "leave mode='headless', or connect with ssh -X")
    own_options = user_options()
    preferences = Path(tempfile.mkdtemp(prefix="dlsim-java-"))
    scyjava.config.set_java_constraints(fetch="auto")  # never download a Java unasked
    scyjava.config.add_options(java_options(java.major, not interactive, preferences, None) + own_options)
    scyjava.config.add_kwargs(jvmpath=str(java.library), interrupt=False)
    handlers = signal_handlers()
    try:
        gateway = imagej.init(endpoint, mode=mode)
        if not gateway:
            raise FijiError("PyImageJ could not make its gateway", "see its log")
        log = JavaLog()
        log.redirect()
        session = Session(
            kind="fiji", way="pyimagej", source=endpoint, java=java.version or "?", headless=not interactive,
            interactive=interactive, owned=True, log=log, gateway=gateway, preferences=preferences,
        )  # fmt: skip
        from dlsim_ij.fiji.self_test import self_test

        self_test(endpoint)
    except BaseException as error:
        _undo_start(None, preferences)
        if isinstance(error, FijiError) or not isinstance(error, Exception):
            raise
        raise FijiError(
            f"{endpoint} did not start: {_one_line(error)}",
            "it is downloaded: check the network, or give a Fiji folder",
        ) from error
    finally:
        put_back(handlers)
    return session


def adopt(engine: str, mode: str, gateway: Any = None) -> Session:
    """Use a Java that somebody else started (a notebook's PyImageJ, Fiji's own Python mode).

    Raises
    ------
    FijiError
        There is no ImageJ on its class path and none can be added, or it is not the one asked for.
    """
    import jpype
    from jpype import JClass

    if not jpype.isJVMStarted():
        raise FijiError(
            "that gateway's Java does not run in this process", "give the object of imagej.init()"
        )
    has = {name: _has_class(name) for name in ("ij.IJ", "net.imagej.ImageJ")}
    if not has["ij.IJ"]:
        installation = locate.find(None, "imagej") if engine != "fiji" else None
        if installation is None:
            raise FijiError(
                "a Java already runs here, without an ImageJ", "use Fiji before whatever starts Java"
            )
        jpype.addClassPath(str(installation.path))
        if not _has_class("ij.IJ"):
            raise FijiError(
                "a Java already runs here, and ImageJ cannot be added to it", "use Fiji before it starts"
            )
    kind = "fiji" if gateway is not None or has["net.imagej.ImageJ"] else "imagej"
    if engine not in ("auto", kind):
        raise FijiError(
            f"the Java that already runs here holds {kind}, not {engine}", "start a new Python process"
        )
    headless = bool(JClass("java.awt.GraphicsEnvironment").isHeadless())
    if gateway is None and kind == "fiji":
        gateway = _find_gateway()
    return Session(
        kind=kind, way=_way(gateway), source=_FOREIGN,
        java=str(JClass("java.lang.System").getProperty("java.version")), headless=headless,
        interactive=mode == "interactive" or not headless, owned=False, log=JavaLog(), gateway=gateway,
    )  # fmt: skip


def _has_class(name: str) -> bool:
    from jpype import JClass, JException

    try:
        JClass(name)
    except (TypeError, JException):
        return False
    return True


def _find_gateway() -> Any:
    """Ask ImageJ's legacy layer for its context, so that no second gateway takes ImageJ's services away."""
    from jpype import JClass

    context = JClass("ij.IJ").runPlugIn("org.scijava.Context", "")
    return JClass("net.imagej.ImageJ")(context) if context is not None else None


def _way(gateway: Any) -> str:
    return "jar" if gateway is None else "pyimagej" if hasattr(gateway, "py") else "scijava"


def _undo_start(display: VirtualDisplay | None, preferences: Path) -> None:
    if display is not None and not _java_holds_display():
        display.stop()
    shutil.rmtree(preferences, ignore_errors=True)


def _java_holds_display() -> bool:
    """Whether Java is a client of the display, which then ends with this process and not before."""
    if not java_runs():
        return False
    from jpype import JClass, JException

    try:
        JClass("java.awt.Toolkit").getDefaultToolkit()
    except JException:
        return False
    return True


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _after_fork() -> None:
    """In a forked child: leave the parent's Java alone, also at exit.

    JPype asks Java to collect its garbage when Python has: here no thread of Java is left to answer, and
    Python would wait for ever in whatever line happened to start its collector.
    """
    import jpype.config

    gc.callbacks[:] = [call for call in gc.callbacks if getattr(call, "__module__", None) != "_jpype"]

    jpype.config.onexit = False
    jpype.config.destroy_jvm = False
    atexit.unregister(close)


def close() -> None:
    """Close Java; runs by itself at exit."""
    if _session is not None and _session.pid == os.getpid() and _session.over != CLOSED:
        close_session(_session)
