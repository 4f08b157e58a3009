"""ImageJ macros, with their value, log, tables and images; and with errors, which ImageJ itself swallows.

A macro runs in a thread of its own, so that Ctrl-C stops it and so that a call of ``System.exit`` inside
ImageJ ends the macro instead of Python.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from dlsim_ij.errors import FijiError, MacroError
from dlsim_ij.fiji.arrays import Array, from_imageplus, to_imageplus
from dlsim_ij.fiji.dialogs import Dialog, DialogWatch
from dlsim_ij.fiji.extension import Verb
from dlsim_ij.fiji.imagej_object import bring_back
from dlsim_ij.fiji.interpreter import Call, java_field
from dlsim_ij.fiji.macro_errors import find_problem
from dlsim_ij.fiji.session import Session
from dlsim_ij.fiji.tables import Table, clear_results, open_tables
from dlsim_ij.results import Result

_lock = threading.Lock()  # ImageJ has one list of images, one results table, one log


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroResult(Result):
    """What a macro gave and left behind."""

    value: str | None  # of `return`; ImageJ's macros return strings only
    log: str  # print() and what Java wrote
    tables: dict[str, Table]  # by window title; "Results" is ImageJ's own
    images: tuple[xr.DataArray, ...] = field(repr=False, compare=False)  # left open; the current one is last

    @property
    def image(self) -> xr.DataArray | None:
        """The image that was current at the end."""
        return self.images[-1] if self.images else None


class MacroRunner:
    """Runs macros in one session, one at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watch: DialogWatch | None = None
        self._failures: list[Any] = []
        self._thread: threading.Thread | None = None
        self._prepare()

    def _prepare(self) -> None:
        import jpype
        from jpype import JClass

        if not (self._session.headless or self._session.interactive):
            self._watch = DialogWatch()
        handler = jpype.JProxy("ij.IJ$ExceptionHandler", dict={"handle": self._failures.append})
        if self._session.owned:
            # errors inside commands would go to a window or into the log, and the macro would go on
            JClass("ij.IJ").setExceptionHandler(handler)

    def run(
        self,
        code: str,
        argument: str = "",
        images: Sequence[Array] = (),
        verbs: Mapping[str, Verb] | None = None,
        strict: bool = True,
        questions: bool = False,
    ) -> MacroResult:
        """Run a macro; see `Fiji.run_macro`."""
        self._session.require_usable()
        if threading.current_thread() is self._thread:
            raise FijiError(
                "a macro cannot be run from within Ext.dlsim", "call the Python function directly"
            )
        with _lock:
            return self._run(code, argument, images, verbs or {}, strict, questions)

    def _run(
        self,
        code: str,
        argument: str,
        images: Sequence[Array],
        verbs: Mapping[str, Verb],
        strict: bool,
        questions: bool,
    ) -> MacroResult:
        from jpype import JClass

        ij = JClass("ij.IJ")
        bring_back(self._session)
        inputs = [to_imageplus(image) for image in images]
        self._failures.clear()
        with _own_log(self._session), _own_images(self._session) as left:
            if self._session.owned and not self._session.interactive:
                clear_results()
                if ij.getLog() is not None:
                    ij.log("\\Clear")
            before = str(ij.getLog() or "")
            ij.getErrorMessage()  # forget the last one
            # left behind by "no image is open", it would swallow the next command's error
            java_field("ij.IJ", "macroInterpreter").set(None, None)
            call = Call(code, argument, inputs, verbs)
            dialogs = self._execute(call)
            log = str(ij.getLog() or "").removeprefix(before) + self._session.log.fetch()
            problem = find_problem(
                self._session, call, [] if questions else dialogs, self._failures, log, strict
            )
            if problem is not None:
                raise problem
            log += "".join(f"[{d.title or 'message'}] {d.text}\n" for d in dialogs)
            return MacroResult(
                value=call.value, log=log, tables=open_tables(),
                images=tuple(map(from_imageplus, left(call.current_id))),
            )  # fmt: skip

    def _execute(self, call: Call) -> list[Dialog]:
        """Run in a thread, so that the main one stays free for Ctrl-C."""
        done, quitting = threading.Event(), threading.Event()

        def work() -> None:
            try:
                call.run()
            finally:
                done.set()

        def on_exit() -> None:
            if not done.is_set():
                quitting.set()
                done.set()
                threading.Event().wait()  # as long as this hook waits, Java lives

        self._thread = threading.Thread(target=work, name="dlsim macro", daemon=True)
        if self._watch is not None:
            self._watch.begin(call.line)
        with _exit_hook(on_exit):
            self._thread.start()
            try:
                while not done.wait(0.5):
                    self._session.log.drain()
            except KeyboardInterrupt:
                call.abort()
                self._thread.join(5)
                if self._thread.is_alive():
                    self._session.over = "a macro that was interrupted does not end"
                raise
        if quitting.is_set():
            self._session.over = "ImageJ wanted to end this process"
            raise MacroError(self._session.over, call.line(), "later macros need a new Python process")
        self._thread.join()
        self._thread = None
        return self._watch.end() if self._watch is not None else []


@contextmanager
def _own_log(session: Session) -> Iterator[None]:
    """Collect what Java prints; in a Java that is not ours, only meanwhile."""
    session.log.fetch()
    if not session.owned:
        session.log.redirect()
    try:
        yield
    finally:
        session.log.fetch()
        if not session.owned:
            session.log.restore()


@contextmanager
def _own_images(session: Session) -> Iterator[Callable[[int | None], list[Any]]]:
    """Give a function that lists the images opened since, the given one last; close them at the end.

    Headless, images live in ImageJ's batch list, so none needs a window.
    """
    from jpype import JClass

    interpreter, windows = JClass("ij.macro.Interpreter"), JClass("ij.WindowManager")
    batch = bool(interpreter.batchMode)
    before = {int(i) for i in windows.getIDList() or ()}
    current_before = windows.getCurrentImage() if before else None
    frames = {int(window.hashCode()) for window in windows.getNonImageWindows()}
    if not session.interactive:
        interpreter.batchMode = True

    def opened(last_id: int | None = None) -> list[Any]:
        if not session.interactive:
            interpreter.batchMode = True  # a macro may have switched it off
        new = [windows.getImage(int(i)) for i in windows.getIDList() or () if int(i) not in before]
        return sorted(new, key=lambda image: int(image.getID()) == last_id)

    try:
        yield opened
    finally:
        if session.over is None:
            if not session.interactive:
                for image in opened():
                    image.changes = False
                    image.close()
                for window in windows.getNonImageWindows():
                    if int(window.hashCode()) not in frames and str(window.getTitle()) not in (
                        "Log",
                        "Results",
                    ):
                        window.dispose()
                        windows.removeWindow(window)
            interpreter.batchMode = batch
            windows.setTempCurrentImage(None)
            if current_before is not None and current_before.getWindow() is not None:
                windows.setCurrentWindow(current_before.getWindow())


@contextmanager
def _exit_hook(action: Callable[[], None]) -> Iterator[None]:
    """Call `action` when somebody calls System.exit meanwhile."""
    import jpype
    from jpype import JClass

    runtime = JClass("java.lang.Runtime").getRuntime()
    hook = JClass("java.lang.Thread")(jpype.JProxy("java.lang.Runnable", dict={"run": action}))
    runtime.addShutdownHook(hook)
    try:
        yield
    finally:
        with suppress(JClass("java.lang.IllegalStateException")):  # Java is at its end: the hook is running
            runtime.removeShutdownHook(hook)
