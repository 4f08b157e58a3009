"""What the pages say is run: Python blocks, commands, options, links, targets of make."""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from dlsim_ij.cli.main import VERBS, run

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "fiji_macros" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEEDS_JAVA = re.compile(r"\bFiji\(|^\$ dlsim macro", re.MULTILINE)


def text_of(page):
    return page.read_text(encoding="utf-8")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def pages_that_run():
    for page in PAGES:
        code = "".join(block for _, block in BLOCK.findall(text_of(page)))
        if code:
            marks = [pytest.mark.jvm] if NEEDS_JAVA.search(code) else []
            yield pytest.param(page, bool(marks), marks=marks, id=name_of(page))


def commands(page):
    """Give every `dlsim ...` line of a page, in a block of any kind or indented, as words."""
    for line in text_of(page).replace("\\\n", " ").splitlines():
        if re.match(r"(    |\$ )?dlsim [a-z]", line):
            yield shlex.split(line.strip().removeprefix("$ "), comments=True)


@pytest.mark.parametrize(("page", "needs_java"), list(pages_that_run()))
def test_every_block_runs(page, needs_java, tmp_path, monkeypatch, capsys, request):
    """In one namespace per page, in a folder that holds the demo's stack and nothing else."""
    if needs_java:
        request.getfixturevalue("fiji")  # the one Java of the run, closed at its end
    for name in ("demo_raw.tif", "demo_truth.tif"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    shutil.copytree(ROOT / "examples" / "macros", tmp_path / "examples" / "macros")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for kind, block in BLOCK.findall(text_of(page)):
        if kind == "python":
            exec(compile(block, f"a block of {page.name}", "exec"), namespace)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if line.startswith("$ ") and words[0] == "dlsim":
                code = run(words[1:])
                assert code == 0, f"{line}\n{capsys.readouterr().err}"


def test_the_readme_has_blocks_of_both_kinds():
    kinds = [kind for kind, _ in BLOCK.findall(text_of(README))]
    assert {"python", "console"} <= set(kinds)


def options_of(verb):
    command = importlib.import_module(f"dlsim_ij.cli.{verb.replace('-', '_')}").command
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_only_shown_exist(page):
    """Those need data of the user; verb and options are checked, and files of the repository."""
    for words in commands(page):
        assert words[1] in VERBS, words
        known = options_of(words[1])
        if words[1] == "batch":  # knows the options of the verb that it repeats
            known |= set().union(*(options_of(verb) for verb in ("run", "predict", "recon")))
        used = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
        assert used <= known | {"--help"}, words
        for word in words[2:]:
            if word.startswith(("configs/", "examples/", "fiji_macros/")):
                assert (ROOT / word).exists(), words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_named_in_the_text_exist(page):
    """`dlsim VERB --option` in running text."""
    for verb, rest in re.findall(r"`dlsim ([a-z][a-z-]*)([^`]*)`", text_of(page)):
        assert verb in VERBS, f"dlsim {verb}"
        command = importlib.import_module(f"dlsim_ij.cli.{verb.replace('-', '_')}").command
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known | {"--help"}, f"dlsim {verb}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page)):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_scripts_and_settings_named_in_the_text_exist(page):
    for name in re.findall(
        r"\b((?:benchmarks|configs|examples|fiji_macros)/[\w/.-]+\.(?:py|yaml|tif|ijm))", text_of(page)
    ):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_targets_of_make_exist(page):
    makefile = text_of(ROOT / "Makefile")
    for target in re.findall(r"(?:^ +|`|\$ )make ([a-z]+)", text_of(page), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_every_verb_stands_in_the_readme():
    assert [verb for verb in VERBS if f"`dlsim {verb}`" not in text_of(README)] == []


def test_every_page_is_linked_from_the_index():
    index = text_of(ROOT / "docs" / "index.md")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"]
    assert [name for name in pages if f"]({name})" not in index] == []


def test_every_extra_named_for_pip_exists():
    import configparser

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for page in PAGES:
        for extra in re.findall(r"pip install [\"']?(?:\.|dlsim-ij)\[([a-z,]+)\]", text_of(page)):
            assert set(extra.split(",")) <= set(setup["options.extras_require"]), extra
