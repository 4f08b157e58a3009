"""What is left to do: inputs against what the manifest and the disk know of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlsim_ij.batch_job.content import content_sha256, touched
from dlsim_ij.batch_job.manifest import Look, Manifest, Row
from dlsim_ij.batch_job.task import Task
from dlsim_ij.errors import DlsimError, OutputError
from dlsim_ij.files import refuse_existing

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One input that is to be done.

    Attributes
    ----------
    item : ImageInput
        With an absolute path.
    why : str
        new, again (the run before was ended), changed input, changed parameters, missing output, failed, all.
    attempts : int
        How often it was begun before with this content and these parameters.
    """

    item: ImageInput
    why: str
    attempts: int = 0

    @property
    def key(self) -> str:
        """Sub-folder and stem of the outputs."""
        return key_of(self.item)

    def row(self, task: Task, state: str, **known: object) -> Row:
        """Return its row of the manifest."""
        cells = {"attempts": self.attempts, "parameters_sha256": task.parameters_sha256, **known}
        return Row(input=str(self.item.path), item=self.key, state=state, **cells)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to do, and what is not.

    Attributes
    ----------
    todo : list of Planned
    done : list of str
        Keys of inputs whose outputs are complete, of the same content and parameters.
    failed : list of str
        Keys of inputs that failed before and are as they were.
    """

    todo: list[Planned]
    done: list[str]
    failed: list[str]


def key_of(item: ImageInput) -> str:
    """Return what names an input in the manifest: sub-folder and stem of its outputs."""
    return (item.subfolder / item.name).as_posix()


def batch_inputs(items: Sequence[ImageInput], output: Path, part: tuple[int, int] | None) -> list[ImageInput]:
    """Make paths absolute, leave out what lies in the output folder, and take one part of N.

    Parameters
    ----------
    part : (int, int), optional
        K and N: of every N inputs the K-th.
    """
    top = output.resolve()
    absolute = [dataclasses.replace(item, path=item.path.absolute()) for item in items]
    ours = [item for item in absolute if not item.path.resolve().is_relative_to(top)]
    return ours if part is None else ours[part[0] - 1 :: part[1]]


def make_plan(
    items: Sequence[ImageInput],
    task: Task,
    manifest: Manifest | Look,
    *,
    resume: bool = True,
    retry_failed: bool = False,
    overwrite: bool = False,
) -> Plan:
    """Compare inputs with the manifest.

    Parameters
    ----------
    items : sequence of ImageInput
        From `batch_inputs`.
    resume : bool
        Without it everything is done anew.
    retry_failed : bool
        Do failed inputs again although nothing has changed.
    overwrite : bool
        Replace files that are not of this batch.

    Raises
    ------
    OutputError
        A file that this batch did not write is in the way.
    """
    todo: list[Planned] = []
    done: list[str] = []
    failed: list[str] = []
    for item in items:
        key = key_of(item)
        row = manifest.rows.get(key)
        if row is None:
            for path in task.outputs(item):
                refuse_existing(path, overwrite)
            todo.append(Planned(item=item, why="new"))
            continue
        signs = touched(item.path)
        same_content = _same_content(item, row, signs)
        if not same_content and row.input != str(item.path) and row.output and not overwrite:
            raise OutputError(
                f"{task.output / key} was made of another file, {row.input}",
                f"give another -o than for {item.path}, or allow it with --overwrite",
            )
        same_parameters = row.parameters_sha256 == task.parameters_sha256
        same = same_content and same_parameters
        attempts = row.attempts if same else 0
        if not resume:
            todo.append(Planned(item=item, why="all"))
        elif row.state == "done" and same and row.is_complete(task.output):
            done.append(key)
            if signs != row.touched or row.input != str(item.path):
                manifest.add(dataclasses.replace(row, touched=signs, input=str(item.path)))
        elif row.state == "failed" and same and not retry_failed:
            failed.append(key)
        else:
            todo.append(Planned(item=item, why=_why(row, same_content, same_parameters), attempts=attempts))
    return Plan(todo=todo, done=done, failed=failed)


def _same_content(item: ImageInput, row: Row, signs: str) -> bool:
    if row.input == str(item.path) and row.touched == signs:
        return True
    if not row.content_sha256:
        return row.state not in ("done", "failed") and row.input == str(item.path)
    try:
        return content_sha256(item.path) == row.content_sha256
    except DlsimError:
        return False


def _why(row: Row, same_content: bool, same_parameters: bool) -> str:
    if not same_parameters:
        return "changed parameters"
    if not same_content:
        return "changed input"
    return {"failed": "failed", "done": "missing output", "waiting": "new"}.get(row.state, "again")
