"""The end of Java: without it, ImageJ's own threads keep Python alive for ever."""

from __future__ import annotations

import logging
import shutil
import time
from typing import Any

from dlsim_ij.fiji.session import Session

logger = logging.getLogger(__name__)

CLOSED = "Java was closed in this process and cannot start again"
PATIENCE_SECONDS = 3.0


def close_session(session: Session) -> None:
    """Close what we started: ImageJ's thread pool, its windows, Java, the display, the preferences."""
    import jpype
    import jpype.config

    healthy, session.over = session.is_healthy, session.over or CLOSED
    if healthy:
        session.log.fetch()
        _stop_threads(session)
    if healthy and session.owned and _only_daemons_left(PATIENCE_SECONDS):
        jpype.shutdownJVM()
        if session.display is not None:
            session.display.stop()
    elif session.owned or not healthy:
        # Java would wait for a thread that never ends. Its display must outlive it, or X ends the process
        # with an exit code of its own; the display ends by itself when this process is gone.
        jpype.config.destroy_jvm = False
        if session.can_call_java:
            _stop_calls_into_python()
    if session.preferences is not None:
        shutil.rmtree(session.preferences, ignore_errors=True)


def _stop_threads(session: Session) -> None:
    """Ask all that keeps threads to end: ImageJ's pool; in our Java, SciJava's context and windows too."""
    from jpype import JClass, JException

    try:
        JClass("ij.util.ThreadUtil").threadPoolExecutor.shutdown()
    except (TypeError, AttributeError):
        logger.debug("this ImageJ has no thread pool")
    if not session.owned:
        return
    try:
        if session.gateway is not None:
            session.gateway.context().dispose()
        if not bool(JClass("java.awt.GraphicsEnvironment").isHeadless()):
            for window in JClass("java.awt.Window").getWindows():
                window.dispose()
    except JException as error:
        logger.debug("not all of ImageJ would close: %s", error)


def _stop_calls_into_python() -> None:
    """Stop JPype's thread that frees Python objects: in a Python that has ended it aborts the process."""
    from jpype import JClass

    try:
        queue = JClass("org.jpype.ref.JPypeReferenceQueue").getInstance()
        if queue.isRunning():  # else somebody called System.exit, and JPype stops it: again takes 10 s
            queue.stop()
    except (TypeError, AttributeError):
        logger.debug("this JPype has no reference queue")


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
