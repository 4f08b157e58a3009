"""ImageJ macros, with their value, log, tables and images; and with errors, which ImageJ itself swallows.

A macro runs in a thread of its own, so that Ctrl-C stops it and so that a call of ``System.exit`` inside
ImageJ ends the macro instead of Python.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import xarray as xr

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import FijiError, MacroError
from dlsim_ij.fiji import extension
from dlsim_ij.fiji.arrays import Array, from_imageplus, to_imageplus
from dlsim_ij.fiji.dialogs import Dialog, DialogWatch
from dlsim_ij.fiji.launch import Session
from dlsim_ij.fiji.tables import Table, clear_results, open_tables
from dlsim_ij.results import Result

NEEDS_DISPLAY = "apt install xvfb (it is used by itself), or give a Fiji with --fiji or DLSIM_FIJI"

_ASKS = "the macro asks something and nobody can see it"
_ANSWER = 'give the options in run("...", "..."), and values through getArgument()'
_INNER = "that line is counted in the inner macro, of eval(...) or runMacro(...)"

_CANCELED = "Macro canceled"  # what ImageJ throws to stop a macro without a word
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
        verbs: Mapping[str, extension.Verb] | None = None,
    ) -> MacroResult:
        """Run a macro; see `Fiji.run_macro`."""
        self._session.require_usable()
        if threading.current_thread() is self._thread:
            raise FijiError("a macro cannot be run from within Ext.dlsim", "call the Python function directly")
        with _lock:
            return self._run(code, argument, images, verbs or {})

    def _run(
        self, code: str, argument: str, images: Sequence[Array], verbs: Mapping[str, extension.Verb]
    ) -> MacroResult:
        from jpype import JClass

        inputs = [to_imageplus(image) for image in images]
        self._failures.clear()
        with _own_log(self._session), _own_images(self._session) as left:
            if self._session.owned:
                clear_results()
                JClass("ij.IJ").log("\\Clear") if JClass("ij.IJ").getLog() is not None else None
            before = str(JClass("ij.IJ").getLog() or "")
            JClass("ij.IJ").getErrorMessage()  # forget the last one
            # left behind by "no image is open", it would swallow the next command's error
            _field("ij.IJ", "macroInterpreter").set(None, None)
            call = _Call(code, argument, inputs, verbs)
            dialogs = self._execute(call)
            log = str(JClass("ij.IJ").getLog() or "").removeprefix(before) + self._session.log.fetch()
            problem = self._problem(call, dialogs, log)
            if problem is not None:
                raise problem
            log += "".join(f"[{d.title or 'message'}] {d.text}\n" for d in dialogs)
            return MacroResult(
                value=call.value, log=log, tables=open_tables(),
                images=tuple(map(from_imageplus, left(call.current_id))),
            )  # fmt: skip

    def _execute(self, call: _Call) -> list[Dialog]:
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

    def _problem(self, call: _Call, dialogs: list[Dialog], log: str) -> Exception | None:
        """Return the error of a macro that did not end well, None if it did."""
        from jpype import JClass

        if call.python_error is not None:
            error = call.python_error
            told = extension.describe(error)
            if told is None and isinstance(error, Exception):
                error.add_note(f"in line {call.line()} of the macro")
                return error
            message, hint = told or (str(error), None)
            return MacroError(message, call.line(), hint)
        ij_message = _text(JClass("ij.IJ").getErrorMessage())
        thrown = call.thrown
        message = call.message()
        if message is not None:
            return self._translated(message, call)
        if thrown is not None and str(thrown.getMessage()) == _CANCELED:
            return self._cancelled(call, dialogs, log, ij_message)
        if thrown is not None:
            return self._java_failure(thrown, call.line())
        if self._failures:
            return self._java_failure(self._failures[0], call.line())
        asked = [dialog for dialog in dialogs if not dialog.is_message]
        if asked:
            return _asked(asked[0])
        if ij_message is not None and "redirectErrorMessages" not in call.code:
            line = next((dialog.line for dialog in dialogs if dialog.is_message), None)
            return MacroError(ij_message, line)
        inner = re.search(r"^Macro Error: (.+ in line \d+)", log, re.MULTILINE) if self._session.headless else None
        if inner is not None:  # a headless Fiji logs it and goes on
            return MacroError(inner[1], None, _INNER)
        return self._swallowed(call, log)

    def _swallowed(self, call: _Call, log: str) -> MacroError | None:
        """Find the Java error of a ``call(...)``, which ImageJ shows in a window or logs before it goes on."""
        from jpype import JClass

        texts = [log]
        for window in JClass("ij.WindowManager").getNonImageWindows():
            if str(window.getTitle()) == "Exception" and hasattr(window, "getTextPanel"):
                texts.append(str(window.getTextPanel().getText()))
        match = re.search(
            r"^(java[\w.$]+(?:Exception|Error)\b.*)\n(?:\s+at .*\n)*?\s+at ij\.macro\.Functions\.call\(",
            "\n".join(texts), re.MULTILINE,
        )  # fmt: skip
        if match is None:
            return None
        lines = [n for n, text in enumerate(call.code.splitlines(), 1) if re.search(r"\bcall\s*\(", text)]
        return MacroError(
            f"a Java method failed: {match[1].strip()}", lines[0] if len(lines) == 1 else None,
            "look at the macro's call(...)",
        )  # fmt: skip

    def _cancelled(
        self, call: _Call, dialogs: list[Dialog], log: str, ij_message: str | None
    ) -> MacroError | None:
        line = call.line()
        statement = call.statement()
        if re.search(r"\bexit\b", statement):
            messages = [dialog.text for dialog in dialogs if dialog.title == "Macro"]
            if not messages and re.search(r"\bexit\s*\(\s*[^)\s]", statement):
                messages = log.strip().splitlines()[-1:]
            if messages:
                return MacroError(messages[-1], line, "the macro itself stopped there")
            return None  # a plain exit is an end like any other
        asked = [dialog for dialog in dialogs if not dialog.is_message]
        if asked:
            return _asked(asked[0])
        if ij_message is not None:
            return MacroError(ij_message, line)
        if self._failures:
            return self._java_failure(self._failures[0], line)
        if dialogs:
            return MacroError(f"{dialogs[-1].title}: {dialogs[-1].text}", dialogs[-1].line or line)
        return MacroError("a command was cancelled", line, "a plugin stopped without saying why")

    def _translated(self, message: str, call: _Call) -> MacroError:
        """Add what to do to ImageJ's own words."""
        line = call.line()
        command = re.search(r'Unrecognized command: "(.*?)"', message)
        if command is None:
            return MacroError(message, line)
        if self._session.headless and self._session.kind == "imagej":
            return self._needs_display(line)  # without a display ImageJ knows no command
        return MacroError(message, line, did_you_mean(command[1], command_names()))

    def _java_failure(self, error: Any, line: int | None) -> MacroError:
        if str(error.getClass().getName()) == "java.lang.reflect.InvocationTargetException":
            error = error.getCause() or error  # of a call(...)
        name, text = str(error.getClass().getName()), _text(error.getMessage()) or ""
        if "headless dialog" in text:  # a headless Fiji's word for a dialog that no macro option answers
            return MacroError(_ASKS, line, _ANSWER)
        if any("Interpreter.showError" in str(frame) for frame in error.getStackTrace()):
            return MacroError("a macro inside this one failed", line, "see the macro in eval(...) or runMacro(...)")
        if name.endswith("HeadlessException"):
            return self._needs_display(line)
        if name.endswith("OutOfMemoryError"):
            return MacroError("Java is out of memory", line, "set DLSIM_JAVA_HEAP, for example to 8g")
        return MacroError(f"{name}: {text}".rstrip(": "), line, "a Java error inside ImageJ")

    def _needs_display(self, line: int | None) -> MacroError:
        if self._session.kind == "imagej":
            return MacroError("ImageJ commands and windows need a display or Fiji", line, NEEDS_DISPLAY)
        return MacroError(
            "this opens a window, which a headless Fiji cannot", line,
            "use a variant without one, mode='interactive', or --engine imagej with Xvfb",
        )  # fmt: skip


def _asked(dialog: Dialog) -> MacroError:
    if dialog.title == "Macro Error":  # of a macro inside this one
        return MacroError(dialog.text.removesuffix(' Show "Debug" Window'), dialog.line, _INNER)
    return MacroError(f"{_ASKS}: {dialog.title}: {dialog.text}".rstrip(": "), dialog.line, _ANSWER)


def command_names() -> list[str]:
    """Return the names of all commands in ImageJ's menus."""
    from jpype import JClass

    commands = JClass("ij.Menus").getCommands()
    return [] if commands is None else [str(name) for name in commands.keySet()]


class _Call:
    """One run of one macro in ``ij.macro.Interpreter``.

    Not `Interpreter.run(code, argument)`: that has no place for extensions, and without a display it sets
    `ignoreErrors`, with which the interpreter notes an error and *goes on*, on wrong values. Left as it is,
    an error opens a dialog, which is cancelled, or fails without a display; either ends the macro there.
    """

    def __init__(
        self, code: str, argument: str, inputs: Sequence[Any], verbs: Mapping[str, extension.Verb]
    ) -> None:
        from jpype import JClass

        self.code = code
        self.current_id: int | None = None  # of the image that was current at the end
        self.value: str | None = None
        self.thrown: Any = None
        self._python = extension.PythonCalls(verbs)
        self._interpreter = JClass("ij.macro.Interpreter")()
        self._argument = argument
        self._inputs = inputs
        self._program: Any = None
        self._bug: BaseException | None = None

    @property
    def python_error(self) -> BaseException | None:
        """What went wrong on our side of the call."""
        return self._python.error or self._bug

    def run(self) -> None:
        """Run to the end; nothing is raised, `thrown` and `message` tell.

        ImageJ's current image belongs to the thread, so it is set and read here.
        """
        from jpype import JClass, JException

        windows = JClass("ij.WindowManager")
        try:
            for image in self._inputs:
                image.show()
            functions = JClass("ij.macro.Interpreter").getAdditionalFunctions()
            self._program = JClass("ij.macro.Tokenizer")().tokenize(self.code + "\n" + str(functions or ""))
            self._python.add_to(self._program)
            if self._program.hasVars() and _field("ij.macro.Program", "hasFunctions").get(self._program):
                self._interpreter.saveGlobals(self._program)
            _field("ij.macro.Interpreter", "argument").set(self._interpreter, self._argument)
            self._interpreter.runMacro(self._program, 0, "dlsim")
            value = _field("ij.macro.Interpreter", "returnValue").get(self._interpreter)
            self.value = None if value is None else str(value)
            current = windows.getCurrentImage()
            self.current_id = int(current.getID()) if current is not None else None
        except JException as error:
            self.thrown = error
        except BaseException as error:
            self._bug = error
        finally:
            windows.setTempCurrentImage(None)  # or ImageJ would keep the thread and its image for ever

    def abort(self) -> None:
        """Stop at the next statement."""
        self._interpreter.abortMacro()

    def message(self) -> str | None:
        """Return the interpreter's own error message."""
        return _text(self._interpreter.getErrorMessage())

    def line(self) -> int | None:
        """Return the line at which the interpreter stands or failed, counted from 1."""
        if self._program is None:
            return None
        line = int(_field("ij.macro.Interpreter", "lineNumber").get(self._interpreter))
        if line == 0:  # it is set by an error only, which then moves the position on
            position = int(_field("ij.macro.Interpreter", "pc").get(self._interpreter))
            if position < 0:
                return None
            line = int(_field("ij.macro.Program", "lineNumbers").get(self._program)[position])
        return min(line, max(1, len(self.code.splitlines())))

    def statement(self) -> str:
        """Return the text of that line."""
        line = self.line()
        lines = self.code.splitlines()
        return lines[line - 1] if line is not None and line <= len(lines) else ""


def _text(words: Any) -> str | None:
    """Return Java's words on one line."""
    return None if words is None else " ".join(str(words).split())


@lru_cache
def _field(owner: str, name: str) -> Any:
    """Return a field of ImageJ's interpreter that has no getter."""
    from jpype import JClass

    found = JClass(owner).class_.getDeclaredField(name)
    found.setAccessible(True)
    return found


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
                    if int(window.hashCode()) not in frames and str(window.getTitle()) not in ("Log", "Results"):
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
        try:
            runtime.removeShutdownHook(hook)
        except JClass("java.lang.IllegalStateException"):
            pass  # Java is at its end: the hook is running
