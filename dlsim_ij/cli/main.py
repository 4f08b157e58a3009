"""The command ``dlsim``: finds the verb, and is the one place from errors to exit codes."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import dlsim_ij
from dlsim_ij.cli import macro_answer
from dlsim_ij.errors import DlsimError
from dlsim_ij.worker.client import run_in_worker

# The one-line helps stand here, so that `dlsim --help` imports no verb; a test keeps them true.
VERBS = {
    "doctor": "Explain this environment: what works, what is missing, what to install.",
    "run": "Raw SIM stacks in, super-resolved images and a quality report out.",
    "check": "Say what raw SIM stacks are, and whether they can be reconstructed.",
    "predict": "Super-resolved images only: no comparison, no report.",
    "resolution": "Resolution of every plane from the image itself: decorrelation analysis, and FRC.",
    "squirrel": "Compare super-resolved images with diffraction-limited ones: RSP, RSE, error maps.",
    "score": "Compare images with a truth: PSNR, NRMSE and SSIM in every convention.",
    "report": "Build the report of a results folder again.",
    "prepare": "Cut raw fields of view into a training dataset.",
    "recon": "Conventional super-resolution images of raw SIM stacks: Wiener SIM.",
    "dose": "How little light is enough: quality against photons, from one bright stack.",
    "srrf": "Super-resolution images from the blinking in a time series: SRRF and eSRRF.",
    "simulate": "Make raw SIM stacks with known truth.",
    "sample": "Fetch the public microtubule sample of the paper: 34 TIFFs, 4.5 MB.",
    "train": "Train a network from a configuration file, or tune one to your own stacks.",
    "batch": "Many inputs on many processes or machines: each done once, whatever happens.",
    "macro": "Run an ImageJ macro headless, with its errors and line numbers.",
    "fiji-install": "Put our macros and menu entries into a Fiji or an ImageJ, or take them out.",
    "models": "List the models: what each is for, trained on what, measured how.",
    "export-bmz": "Write a model as a BioImage Model Zoo package, for deepImageJ and others.",
    "serve": "Keep models and Java loaded: later calls use this worker by themselves.",
}

DONE, INCOMPLETE, REFUSED, INTERRUPTED = 0, 1, 2, 130


class Verbs(click.Group):
    """A group whose commands are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of the verb and return its command."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"dlsim_ij.cli.{cmd_name.replace('-', '_')}")
        command = getattr(module, "command")  # noqa: B009
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown verb with the closest known one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from dlsim_ij.config import did_you_mean

            raise DlsimError(f"no verb is called '{args[0]}'", did_you_mean(args[0], VERBS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of verbs without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: dlsim run raw_stack.tif -o results",
)
@click.version_option(dlsim_ij.__version__, prog_name="dlsim")
def cli() -> None:
    """Super-resolution from few or dark raw SIM frames, with ImageJ in the same process."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code (interface.md, section 1).

    With ``--macro`` the last line on stdout is ``DLSIM OK <results.json>`` or ``DLSIM ERROR <why>``, also
    when the command line itself is wrong.

    Parameters
    ----------
    arguments : list of str
        What stands behind ``dlsim``.

    Returns
    -------
    int
        0 done; 1 finished but a check said no or an item failed (or a bug of ours); 2 refused;
        130 interrupted.
    """
    with macro_answer.asked_for_in(arguments) as answer:
        code = _run(arguments)
        if answer is not None and not answer.given:
            macro_answer.print_line(answer.write(code))
    return code


def _run(arguments: list[str]) -> int:
    try:
        result: Any = run_in_worker(arguments)
        answer = macro_answer.current()
        if result is None:
            result = cli.main(arguments, prog_name="dlsim", standalone_mode=False)
        elif answer is not None:
            answer.given = True  # the worker has written the files and printed the line
    except DlsimError as error:
        _show_refusal(error.message, error.hint, arguments)
        return REFUSED
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return REFUSED
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "dlsim"
        message, hint = error.format_message(), f"see {path} --help"
        if "unexpected extra argument" in message:
            hint = f"an option takes one value, so repeat it for each; quote names with spaces; {hint}"
        _show_refusal(message, hint, arguments)
        return REFUSED
    except click.ClickException as error:
        _show_refusal(error.format_message(), None, arguments)
        return REFUSED
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing is half written", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our stdout has gone, as in `dlsim ... | head`
        sys.stderr.close()
        return DONE
    except Exception as error:
        _show_refusal(
            f"this is a bug of dlsim: {type(error).__name__}: {error}",
            "run it again with -v -v and send the output to the developers",
            arguments,
        )
        return INCOMPLETE
    return result if isinstance(result, int) else DONE


def _show_refusal(message: str, hint: str | None, arguments: list[str]) -> None:
    if _wants_traceback(arguments):
        traceback.print_exc()
    answer = macro_answer.current()
    if answer is not None:
        answer.refuse(message, hint)
    click.echo("error: " + " ".join(message.split()), err=True)
    if hint:
        click.echo("hint: " + " ".join(hint.split()), err=True)


def _wants_traceback(arguments: list[str]) -> bool:
    count = 0
    for word in arguments:
        if word == "--verbose":
            count += 1
        elif word.startswith("-v") and set(word[1:]) == {"v"}:
            count += len(word) - 1
    return count >= 2
