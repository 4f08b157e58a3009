"""From what ImageJ left behind to one error with a line, or none.

ImageJ reports failures in seven places: its interpreter's message, an exception, a dialog, its error
message, its exception handler, a window titled "Exception", and the log. A failure that none of them shows
is not known to us.
"""

from __future__ import annotations

import re
from typing import Any

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import DlsimError, MacroError
from dlsim_ij.fiji.dialogs import Dialog
from dlsim_ij.fiji.interpreter import Call, one_line
from dlsim_ij.fiji.session import Session

NEEDS_DISPLAY = "apt install xvfb (it is used by itself), or give a Fiji with --fiji or DLSIM_FIJI"

_ASKS = "the macro asks something and nobody can see it"
_ANSWER = 'give the options in run("...", "..."), and values through getArgument()'
_INNER = "that line is counted in the inner macro, of eval(...) or runMacro(...)"
_OFFSCREEN = "mode='offscreen' (dlsim macro --offscreen) with Xvfb"
_STUMBLES = f"this Fiji's headless mode stumbles over that command: {_OFFSCREEN}"
_CANCELED = "Macro canceled"  # what ImageJ throws to stop a macro without a word


def command_names() -> list[str]:
    """Return the names of all commands in ImageJ's menus."""
    from jpype import JClass

    commands = JClass("ij.Menus").getCommands()
    return [] if commands is None else [str(name) for name in commands.keySet()]


def find_problem(
    session: Session, call: Call, dialogs: list[Dialog], failures: list[Any], log: str, strict: bool
) -> Exception | None:
    """Return the error of a macro that did not end well, None if it did.

    Parameters
    ----------
    session : Session
        Where it ran.
    call : Call
        The finished run.
    dialogs : list of Dialog
        What was cancelled meanwhile.
    failures : list of Throwable
        What commands threw.
    log : str
        What was printed.
    strict : bool
        Whether a Java error that ImageJ only writes down counts.
    """
    from jpype import JClass

    if call.python_error is not None:
        return _python_problem(call.python_error, call.line())
    said = one_line(JClass("ij.IJ").getErrorMessage())
    message = call.message()
    if message is not None:
        return _led_to(_interpreter_problem(session, message, call.line()), dialogs, said, call)
    thrown = call.thrown
    cancelled = thrown is not None and str(thrown.getMessage()) == _CANCELED
    if cancelled and re.search(r"\bexit\b", call.statement()):
        return _exit_problem(call, dialogs, log)
    if thrown is not None and not cancelled:
        return _java_problem(session, thrown, call.line())
    if failures and strict:
        return _java_problem(session, failures[0], call.line())
    asked = next((dialog for dialog in dialogs if not dialog.is_message), None)
    if asked is not None:
        return _asked(asked)
    last = dialogs[-1] if dialogs else None
    line = last.line if last is not None else call.line() if cancelled else None
    if said is not None and (cancelled or "redirectErrorMessages" not in call.code):
        return MacroError(said, line)
    if cancelled:
        words = f"{last.title}: {last.text}" if last is not None else "a command was cancelled"
        return MacroError(words, line, "a plugin stopped the macro")
    return _swallowed(session, call, log) if strict else None


def _python_problem(error: BaseException, line: int | None) -> Exception:
    if isinstance(error, DlsimError):
        return MacroError(error.message, line, error.hint)
    if not isinstance(error, Exception):
        return MacroError(f"a verb of Ext.dlsim raised {type(error).__name__}", line)
    error.add_note(f"in line {line} of the macro")  # a bug: shown as it is
    return error


def _interpreter_problem(session: Session, message: str, line: int | None) -> MacroError:
    command = re.search(r'Unrecognized command: "(.*?)"', message)
    if command is None:
        return MacroError(message, line)
    if session.headless and session.kind == "imagej":
        return _needs_display(session, line)  # without a display ImageJ knows no command
    return MacroError(message, line, did_you_mean(command[1], command_names()))


def _led_to(end: MacroError, dialogs: list[Dialog], said: str | None, call: Call) -> MacroError:
    """Name the command that failed first: a macro goes on after its message, and stumbles later."""
    first = next((dialog for dialog in dialogs if dialog.is_message), None)
    if first is None or said is None or first.line is None or first.line == end.line:
        return end
    if "redirectErrorMessages" in call.code:
        return end
    return MacroError(f"{said}; then line {end.line}: {end.message}", first.line, end.hint)


def _exit_problem(call: Call, dialogs: list[Dialog], log: str) -> MacroError | None:
    """Tell ``exit("why")``, an error, from a plain ``exit``, an end like any other."""
    words = [dialog.text for dialog in dialogs if dialog.title == "Macro"]
    if not words and re.search(r"\bexit\s*\(\s*[^)\s]", call.statement()):
        words = log.strip().splitlines()[-1:]  # without windows it is printed
    return MacroError(words[-1], call.line(), "the macro itself stopped there") if words else None


def _java_problem(session: Session, error: Any, line: int | None) -> MacroError:
    if str(error.getClass().getName()) == "java.lang.reflect.InvocationTargetException":
        error = error.getCause() or error  # of a call(...)
    name, text = str(error.getClass().getName()), one_line(error.getMessage()) or ""
    if "headless dialog" in text:  # a headless Fiji's word for a dialog that no macro option answers
        return MacroError(_ASKS, line, _ANSWER)
    if any("Interpreter.showError" in str(frame) for frame in error.getStackTrace()):
        return MacroError(
            "a macro inside this one failed", line, "see the macro in eval(...) or runMacro(...)"
        )
    if name.endswith("HeadlessException"):
        return _needs_display(session, line)
    if any("HeadlessGenericDialog" in str(frame) for frame in error.getStackTrace()):
        return MacroError(f"{name}: {text}".rstrip(": "), line, _STUMBLES)
    if name.endswith("OutOfMemoryError"):
        return MacroError("Java is out of memory", line, "set DLSIM_JAVA_HEAP, for example to 8g")
    return MacroError(f"{name}: {text}".rstrip(": "), line, "a Java error inside ImageJ")


def _needs_display(session: Session, line: int | None) -> MacroError:
    if session.kind == "imagej":
        return MacroError("ImageJ commands and windows need a display or Fiji", line, NEEDS_DISPLAY)
    return MacroError(
        "this opens a window, which a headless Fiji cannot",
        line,
        f"use a variant without one, {_OFFSCREEN}, or --engine imagej",
    )


def _asked(dialog: Dialog) -> MacroError:
    if dialog.title == "Macro Error":  # of a macro inside this one
        return MacroError(dialog.text.removesuffix(' Show "Debug" Window'), dialog.line, _INNER)
    return MacroError(f"{_ASKS}: {dialog.title}: {dialog.text}".rstrip(": "), dialog.line, _ANSWER)


def _swallowed(session: Session, call: Call, log: str) -> MacroError | None:
    """Find what ImageJ only writes down before the macro goes on.

    That is, errors of inner macros (headless), and Java errors below ``run(...)`` and ``call(...)``: their
    stack passes through the interpreter.
    """
    from jpype import JClass

    inner = re.search(r"^Macro Error: (.+ in line \d+)", log, re.MULTILINE)
    if inner is not None and session.headless:
        return MacroError(inner[1], None, _INNER)
    windows = [w for w in JClass("ij.WindowManager").getNonImageWindows() if str(w.getTitle()) == "Exception"]
    texts = [log, *(str(w.getTextPanel().getText()) for w in windows if hasattr(w, "getTextPanel"))]
    trace = re.search(
        r"^([\w.$]+(?:Exception|Error)\b.*)\n(?:(?:\s+at |Caused by|\s+\.\.\.).*\n)*?"
        r"\s+at ij\.macro\.Functions\.(call|doRun)\(",
        "\n".join(texts),
        re.MULTILINE,
    )
    if trace is None:
        return None
    word = {"call": r"\bcall\s*\(", "doRun": r"\brun\s*\("}[trace[2]]
    lines = [n for n, text in enumerate(call.code.splitlines(), 1) if re.search(word, text)]
    line = lines[0] if len(lines) == 1 else None  # the macro has gone on since
    lenient = "if the command handles it itself: run_macro(..., strict=False), dlsim macro --lenient"
    hint = _STUMBLES if "HeadlessGenericDialog" in trace[0] else lenient
    return MacroError(f"a Java error inside a command: {one_line(trace[1])}", line, hint)
