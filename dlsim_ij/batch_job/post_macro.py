"""The user's own ImageJ macro as the last step of every input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlsim_ij.batch_job.task import Task
from dlsim_ij.errors import FijiError, MacroError

if TYPE_CHECKING:
    from dlsim_ij.batch_job.work import Do, OnMain
    from dlsim_ij.images import ImageInput


def with_macro(do: Do, task: Task, on_main: OnMain) -> Do:
    """Return the work of a verb followed by the task's macro, in the ImageJ of this process.

    The macro's argument is ``input=... output=... folder=... name=...``; what it returns are paths of files
    that it has written, one a line, or nothing. Those count as outputs.

    Raises
    ------
    FijiError
        There is no ImageJ.
    """
    from dlsim_ij.fiji import Fiji, format_key_values

    assert task.post_macro is not None
    where, code = task.post_macro
    fiji = Fiji(engine=task.settings.get("engine", "auto"), path=task.settings.get("fiji_path"))
    on_main(fiji.start)
    if fiji.name == "none":
        raise FijiError("--post-macro needs an ImageJ, and none was found", "see dlsim doctor")

    def both(item: ImageInput) -> tuple[list[Path], list[str]]:
        files, warnings = do(item)
        told = {"input": item.path, "output": files[0], "folder": files[0].parent, "name": item.name}
        try:
            answer = fiji.run_macro(code, format_key_values(told)).value or ""
        except MacroError as error:
            line = "" if error.line is None else f" line {error.line}"
            raise MacroError(f"{where}{line}: {error.message}", error.line, error.hint) from error
        return [*files, *_written(answer, where, task.output)], warnings

    return both


def _written(answer: str, where: str, output: Path) -> list[Path]:
    paths = [Path(line.strip()) for line in answer.splitlines() if line.strip()]
    for path in paths:
        if not (path.is_file() and path.resolve().is_relative_to(output)):
            raise MacroError(
                f"{where} returned '{path}', which is no file in {output}",
                hint="let it return nothing, or the paths of files that it has written there, one a line",
            )
    return [path.resolve() for path in paths]


def read_macro(path: Path) -> tuple[str, str]:
    """Return a macro's path and text.

    Raises
    ------
    FijiError
        It cannot be read.
    """
    try:
        return str(path), path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return str(path), path.read_text(encoding="latin-1")  # old macros with a micro sign
    except OSError as error:
        raise FijiError(f"cannot read {path}: {error.strerror}", "give the path of FILE.ijm") from error
