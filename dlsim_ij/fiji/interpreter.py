"""One run of one macro in ImageJ's own interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from dlsim_ij.fiji.extension import PythonCalls, Verb


class Call:
    """One run of one macro in ``ij.macro.Interpreter``.

    Not `Interpreter.run(code, argument)`: that has no place for extensions, and without a display it sets
    `ignoreErrors`, with which the interpreter notes an error and *goes on*, on wrong values. Left as it is,
    an error opens a dialog, which is cancelled, or fails without a display; either ends the macro there.
    """

    def __init__(self, code: str, argument: str, inputs: Sequence[Any], verbs: Mapping[str, Verb]) -> None:
        from jpype import JClass

        self.code = code
        self.current_id: int | None = None  # of the image that was current at the end
        self.value: str | None = None
        self.thrown: Any = None
        self._python = PythonCalls(verbs)
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
        # threads of Python have no class loader, and plugins that ask for it fail
        loader = JClass("ij.IJ").class_.getClassLoader()
        JClass("java.lang.Thread").currentThread().setContextClassLoader(loader)
        try:
            for image in self._inputs:
                image.show()
            functions = JClass("ij.macro.Interpreter").getAdditionalFunctions()
            self._program = JClass("ij.macro.Tokenizer")().tokenize(self.code + "\n" + str(functions or ""))
            self._python.add_to(self._program)
            if self._program.hasVars() and java_field("ij.macro.Program", "hasFunctions").get(self._program):
                self._interpreter.saveGlobals(self._program)
            java_field("ij.macro.Interpreter", "argument").set(self._interpreter, self._argument)
            self._interpreter.runMacro(self._program, 0, "dlsim")
            value = java_field("ij.macro.Interpreter", "returnValue").get(self._interpreter)
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
        return one_line(self._interpreter.getErrorMessage())

    def line(self) -> int | None:
        """Return the line at which the interpreter stands or failed, counted from 1."""
        if self._program is None:
            return None
        line = int(java_field("ij.macro.Interpreter", "lineNumber").get(self._interpreter))
        if line == 0:  # it is set by an error only, which then moves the position on
            position = int(java_field("ij.macro.Interpreter", "pc").get(self._interpreter))
            if position < 0:
                return None
            line = int(java_field("ij.macro.Program", "lineNumbers").get(self._program)[position])
        return min(line, max(1, len(self.code.splitlines())))

    def statement(self) -> str:
        """Return the text of that line."""
        line = self.line()
        lines = self.code.splitlines()
        return lines[line - 1] if line is not None and line <= len(lines) else ""


def one_line(words: Any) -> str | None:
    """Return Java's words on one line."""
    return None if words is None else " ".join(str(words).split())


@lru_cache
def java_field(owner: str, name: str) -> Any:
    """Return a field of ImageJ's interpreter that has no getter."""
    from jpype import JClass

    found = JClass(owner).class_.getDeclaredField(name)
    found.setAccessible(True)
    return found
