"""Every Python block and every dlsim command of the README and of docs/ runs."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from dlsim_ij.cli.main import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
JVM_PAGES = {"README.md", "fiji.md"}


def pages():
    for page in PAGES:
        marks = [pytest.mark.jvm] if page.name in JVM_PAGES else []
        yield pytest.param(page, marks=marks, id=page.name)


@pytest.mark.parametrize("page", list(pages()))
def test_every_snippet_runs(page, tmp_path, monkeypatch, capsys, request):
    if page.name in JVM_PAGES:
        request.getfixturevalue("fiji")  # the one JVM of the run, closed at its end
    for name in ("demo_raw.tif", "demo_truth.tif"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    shutil.copytree(ROOT / "examples" / "macros", tmp_path / "examples" / "macros")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(text, str(page), "exec"), namespace)
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if line.startswith("$ dlsim"):
                code = run(words[1:])
                assert code == 0 or (code == 1 and words[1] == "doctor"), capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_only_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"^ +make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"


def test_every_verb_stands_in_the_readme():
    from dlsim_ij.cli.main import VERBS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`dlsim {verb}`" not in readme] == []
