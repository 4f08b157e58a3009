"""The one start of Java in this process, and its end.

A process can start one Java virtual machine, once. So there is one `Session`, made by `start` or `adopt` on
first need and closed when Python exits. Each option and each step of the exit answers a failure that was
seen; docs/fiji.md lists them.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import locate
from dlsim_ij.fiji.display import VirtualDisplay, can_make_display, has_display
from dlsim_ij.fiji.java_log import JavaLog

logger = logging.getLogger(__name__)

INSTALL_JAVA = "apt install default-jre, or pip install 'dlsim-ij[java]', or set JAVA_HOME"


@dataclass(kw_only=True)
class Session:
    """The running Java of this process."""

    kind: str  # "fiji" or "imagej"
    way: str  # "pyimagej", "scijava", "jar"
    source: str  # folder, jar or endpoint
    java: str
    headless: bool  # no windows at all; otherwise a display, ours or the user's
    interactive: bool  # windows are for a person to see
    owned: bool  # we started Java, so we close it
    log: JavaLog
    gateway: Any = None
    display: VirtualDisplay | None = None
    preferences: Path | None = None
    pid: int = field(default_factory=os.getpid)
    faulthandler: bool = field(default_factory=faulthandler.is_enabled)
    over: str | None = None  # why Java cannot be used any more

    def require_usable(self) -> None:
        """Refuse before a call that would hang or crash.

        Raises
        ------
        FijiError
            This is a forked child, Java is closed, or faulthandler took Java's signal handlers.
        """
        if os.getpid() != self.pid:
            # the child has Java's memory but none of its threads: it hangs at the first garbage collection
            raise FijiError(
                "this process was forked from one that runs Java, and cannot use it",
                "start workers with the method 'spawn', or use Fiji in the parent only",
            )
        if self.over is not None:
            raise FijiError(self.over, "start a new Python process")
        if faulthandler.is_enabled() != self.faulthandler:
            was = "enabled" if faulthandler.is_enabled() else "disabled"
            undo = "disable" if faulthandler.is_enabled() else "enable"
            raise FijiError(
                f"faulthandler was {was} after Java started; the next Java error would crash Python",
                f"call faulthandler.{undo}(), or do it before Fiji starts (pytest: -p no:faulthandler)",
            )


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
    mode : {"headless", "interactive"}
        Whether windows are for a person to see.
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
    if mode == "interactive" and not running.interactive:
        raise FijiError(f"this process already runs {what} without windows", advice)


def _start(engine: str, path: str | os.PathLike[str] | None, mode: str) -> Session | None:
    if threading.current_thread() is not threading.main_thread():
        raise FijiError(
            "Java must be started in the main thread",
            "call Fiji().start() there first; other threads may use it afterwards",
        )
    if locate.is_endpoint(path):
        return _start_endpoint(str(path), mode)
    installation = locate.find(path, engine)
    if installation is None:
        return None
    fiji = installation.path if installation.kind == "fiji" else None
    java = locate.find_java(installation.needs_java, fiji=fiji)
    if java is None or java.library is None:
        if engine == "auto" and path is None and installation.origin != "DLSIM_FIJI":
            return None
        old = [
            f"{java.version} at {java.home}" for java in locate.javas(fiji=fiji) if java.library is not None
        ]
        seen = f"; found only {', '.join(old)}" if old else ""
        raise FijiError(f"no Java {max(installation.needs_java, 11)} or newer was found{seen}", INSTALL_JAVA)
    return _start_local(installation, java, mode)


def _start_local(installation: locate.Installation, java: locate.Java, mode: str) -> Session:
    import jpype
    import jpype.config

    interactive = mode == "interactive"
    imglyb = locate.imglyb_jars(installation) if installation.kind == "fiji" and _has_pyimagej() else None
    own_options = user_options()
    display, screen, headless = _choose_display(installation, java, interactive)
    preferences = Path(tempfile.mkdtemp(prefix="dlsim-java-"))
    arguments = java_options(java.major, headless, preferences, installation) + own_options
    class_path = [str(jar) for jar in dict.fromkeys((*installation.jars, *(imglyb or ())))]
    logger.info("starting Java %s from %s (%s)", java.version, java.home, java.origin)
    logger.debug("Java options: %s", " ".join(arguments))
    handlers = _signal_handlers()
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
            _open_imagej(interactive)
    except Exception as error:  # whatever Java says becomes one line; nothing goes on
        _undo_start(display, preferences)
        if isinstance(error, FijiError):
            raise
        raise FijiError(
            f"Java {java.version} from {java.home} did not start ImageJ: {_one_line(error)}",
            "see dlsim doctor; more with -v -v",
        ) from error
    finally:
        _put_back(handlers)
        if screen is not None:
            # Java has its connection; matplotlib and child processes must not use our screen
            os.environ.pop("DISPLAY") if shown is None else os.environ.update(DISPLAY=shown)
    return session


def java_options(
    java_major: int, headless: bool, preferences: Path, installation: locate.Installation | None
) -> list[str]:
    """Return the options of the virtual machine; docs/fiji.md says what each one prevents."""
    options = [
        "-Xrs",
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-XX:+UnlockExperimentalVMOptions",
        "-XX:+DisablePrimordialThreadGuardPages",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "-Dscijava.context.strict=false",
        f"-Djava.util.prefs.userRoot={preferences}",
        f"-Djava.awt.headless={'true' if headless else 'false'}",
    ]
    if java_major >= 17:
        options.append("--enable-native-access=ALL-UNNAMED")
    if installation is not None and installation.kind == "fiji":
        options.append(f"-Dplugins.dir={installation.path / 'plugins'}")
        options.append(f"-Dimagej.dir={installation.path}")
        if (0,) < installation.patcher < (2,):
            # its edits of ImageJ's dialogs do not pass the verifier of Java 17
            options += ["-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"]
    return options


def user_options() -> list[str]:
    """Return the user's own options, from DLSIM_JAVA_HEAP and DLSIM_JAVA_OPTIONS.

    Raises
    ------
    FijiError
        The heap is no size, or less than ImageJ needs; Java itself would end the process.
    """
    options = shlex.split(os.environ.get("DLSIM_JAVA_OPTIONS", ""))
    heap = os.environ.get("DLSIM_JAVA_HEAP")
    if heap:
        match = re.fullmatch(r"([1-9]\d*)([mMgG])", heap)
        if match is None or int(match[1]) * (1024 if match[2] in "gG" else 1) < 64:
            raise FijiError(f"DLSIM_JAVA_HEAP is '{heap}', which is no size from 64m on", "for example 3g")
        options.append(f"-Xmx{heap}")
    return options


def _choose_display(
    installation: locate.Installation, java: locate.Java, interactive: bool
) -> tuple[VirtualDisplay | None, str | None, bool]:
    """Return our own display, the value DISPLAY must have for Java, and whether Java runs headless."""
    if interactive:
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


def _open_imagej(interactive: bool) -> None:
    """Make the ImageJ object: without it, "no image is open" makes ImageJ call System.exit."""
    from jpype import JClass

    imagej = JClass("ij.ImageJ")
    imagej(imagej.STANDALONE if interactive else imagej.NO_SHOW).exitWhenQuitting(False)


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
    if session.interactive:
        session.gateway.ui().showUI()
    from dlsim_ij.fiji.self_test import self_test

    self_test(session.source)


def _pyimagej_gateway(session: Session) -> Any:
    import imagej  # type: ignore[import-not-found, unused-ignore]
    import scyjava.config

    scyjava.config.endpoints.clear()  # importing imagej asks for a download, which a local Fiji does not need
    gateway = imagej.init(session.source, mode="interactive" if session.interactive else "headless")
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
    if interactive and not has_display():
        raise FijiError("interactive mode needs a display", "leave mode='headless', or connect with ssh -X")
    own_options = user_options()
    preferences = Path(tempfile.mkdtemp(prefix="dlsim-java-"))
    scyjava.config.set_java_constraints(fetch="auto")  # never download a Java unasked
    scyjava.config.add_options(java_options(java.major, not interactive, preferences, None) + own_options)
    scyjava.config.add_kwargs(jvmpath=str(java.library), interrupt=False)
    handlers = _signal_handlers()
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
    except Exception as error:
        _undo_start(None, preferences)
        if isinstance(error, FijiError):
            raise
        raise FijiError(
            f"{endpoint} did not start: {_one_line(error)}",
            "it is downloaded: check the network, or give a Fiji folder",
        ) from error
    finally:
        _put_back(handlers)
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
        interactive=mode == "interactive", owned=False, log=JavaLog(), gateway=gateway,
    )  # fmt: skip


def _has_class(name: str) -> bool:
    from jpype import JClass

    try:
        JClass(name)
    except TypeError:
        return False
    return True


def _find_gateway() -> Any:
    """Ask ImageJ's legacy layer for its context, so that no second gateway takes ImageJ's services away."""
    from jpype import JClass

    context = JClass("ij.IJ").runPlugIn("org.scijava.Context", "")
    return JClass("net.imagej.ImageJ")(context) if context is not None else None


def _way(gateway: Any) -> str:
    return "jar" if gateway is None else "pyimagej" if hasattr(gateway, "py") else "scijava"


def _signal_handlers() -> dict[int, Any]:
    """Return Python's own handlers; `-Xrs` and `interrupt=False` keep most, but not in every Java."""
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    return {number: signal.getsignal(number) for number in numbers if number is not None}


def _put_back(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _undo_start(display: VirtualDisplay | None, preferences: Path) -> None:
    if display is not None and not java_runs():
        display.stop()
    shutil.rmtree(preferences, ignore_errors=True)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _after_fork() -> None:
    """In a forked child: leave the parent's Java alone, also at exit."""
    import jpype.config

    jpype.config.onexit = False
    jpype.config.destroy_jvm = False
    atexit.unregister(close)


def close() -> None:
    """Close Java; runs by itself at exit. ImageJ's thread pool first: its threads never end by themselves."""
    running = _session
    if running is None or running.pid != os.getpid() or running.over == _CLOSED:
        return
    import jpype
    import jpype.config

    healthy = running.over is None and faulthandler.is_enabled() == running.faulthandler
    running.over = running.over or _CLOSED
    if healthy:
        running.log.fetch()
        _stop_threads(dispose_windows=running.owned)
    if healthy and running.owned and _only_daemons_left(seconds=3):
        jpype.shutdownJVM()
        if running.display is not None:
            running.display.stop()
    elif running.owned or not healthy:
        # Java would wait for a thread that never ends. Its display must outlive it, or X ends the process
        # with an exit code of its own; the display ends by itself when this process is gone.
        jpype.config.destroy_jvm = False
    if running.preferences is not None:
        shutil.rmtree(running.preferences, ignore_errors=True)


_CLOSED = "Java was closed in this process and cannot start again"


def _stop_threads(dispose_windows: bool) -> None:
    from jpype import JClass, JException

    try:
        pool = JClass("ij.util.ThreadUtil").threadPoolExecutor
        pool.shutdown()
    except (TypeError, AttributeError):
        logger.debug("this ImageJ has no thread pool")
    if not dispose_windows or bool(JClass("java.awt.GraphicsEnvironment").isHeadless()):
        return
    try:
        for window in JClass("java.awt.Window").getWindows():
            window.dispose()
    except JException as error:
        logger.debug("a window would not close: %s", error)


def _threads() -> list[Any]:
    """Return the live Java threads for which the end of Java would wait."""
    from jpype import JClass

    thread = JClass("java.lang.Thread")
    current = thread.currentThread()
    return [
        t
        for t in thread.getAllStackTraces().keySet()
        if t.isAlive() and not t.isDaemon() and not t.equals(current)
        and str(t.getName()) not in ("DestroyJavaVM", "main")
    ]  # fmt: skip


def _only_daemons_left(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while threads := _threads():
        for thread in threads:
            if str(thread.getName()).startswith(("AWT-EventQueue", "AWT-Shutdown")):
                thread.interrupt()  # both, and they end at once; left alone, a second after the last window
        if time.monotonic() > deadline:
            names = ", ".join(sorted(str(t.getName()) for t in threads))
            logger.info("Java threads still run at exit: %s", names)
            return False
        time.sleep(0.005)
    return True
