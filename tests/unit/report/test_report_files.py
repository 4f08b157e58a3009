"""From a folder of records to html, csv and json, and what may be replaced."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from dlsim_ij.errors import DlsimError, OutputError
from dlsim_ij.report import RunImage, load_record, write_report
from dlsim_ij.report.build import REPORT_FILES
from dlsim_ij.report.html import render
from dlsim_ij.report.sections import build_document

EVIL = '<script>alert("x")</script>&\'<img src=http://evil.test/a onerror=alert(1)>'


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_one_record_makes_one_page_and_three_tables(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    assert write_report(tmp_path) == tmp_path / "report.html"
    assert {path.name for path in tmp_path.iterdir()} - before == set(REPORT_FILES)
    page = Page((tmp_path / "report.html").read_text())
    words = ["Detail beyond the widefield limit", "The third angle is weak.", "Check its polarisation."]
    words += ["3 angles × 5 phases", "25.50", "100.25", "1.53t", "10.1038/s41467-020-15784-x"]
    assert [word for word in words if word not in page.text] == []
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_a_rebuilt_report_is_the_same_report(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    write_report(tmp_path)
    first = {name: (tmp_path / name).read_bytes() for name in REPORT_FILES}
    write_report(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in REPORT_FILES} == first


def test_the_page_is_well_made(make_record):
    html = render(build_document(make_record()))
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>") or "<!DOCTYPE html>" in html[:20]
    assert page.all("html")[0]["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert len(page.all("h1")) == 1
    assert all(image["alt"] for image in page.all("img"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert targets
    assert set(targets) <= set(ids)
    references = re.findall(r'(?:url\(|href=")#([\w-]+)', html)
    assert set(references) <= set(ids)


def test_nothing_in_the_page_asks_the_network(make_record):
    html = render(build_document(make_record()))
    page = Page(html)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster", "action", "formaction"):
            assert attributes.get(name, "data:").startswith("data:")
        if "href" in attributes:
            outside = attributes["href"].startswith("http")
            assert not outside or tag == "a"
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_names_and_metadata_stay_text(make_record):
    record = make_record(
        input=EVIL, model=EVIL, verdict=EVIL, command=EVIL, acquisition=((EVIL, EVIL),),
        parameters={EVIL: EVIL}, engine={"name": EVIL}, metrics={"psnr_db": EVIL},
    )  # fmt: skip
    images = {EVIL: replace(record.images["wiener"], file=EVIL, note=EVIL)} | dict(record.images)
    page = Page(render(build_document(replace(record, name=EVIL, images=images))))
    assert len(page.all("script")) == 1
    assert not any("evil" in (a.get("src") or "") or "onerror" in a for _, a in page.tags)
    assert page.text.count(EVIL) >= 8


def test_without_pixel_size_the_bars_say_pixels(make_record):
    record = make_record()
    images = {role: replace(image, pixel_size_um=None) for role, image in record.images.items()}
    page = Page(render(build_document(replace(record, images=images))))
    assert "size unknown" in page.text
    assert "20 px" in page.text
    assert "cycles/pixel" in page.text
    assert "µm" not in page.text


def test_a_result_alone_makes_a_page(make_record):
    record = make_record(warnings=(), metrics={}, engine={})
    page = Page(render(build_document(replace(record, images={"sr": record.images["sr"]}))))
    assert "Where the result varies most" in page.text
    assert "Result minus" not in page.text
    assert not page.all("input")


@pytest.mark.parametrize("value", [0.0, 5.0])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (20, 200)])
def test_an_empty_field_makes_a_page(make_record, value, shape):
    empty = RunImage(file="e.tif", pixel_size_um=0.03, pixels=np.full(shape, value))
    record = make_record(images={"sr": empty, "widefield": empty, "uncertainty": empty, "residual": empty})
    assert "Result" in Page(render(build_document(record))).text


def test_noise_of_any_size_stays_below_three_megabytes(make_record):
    noise = np.random.default_rng(0).normal(size=(1100, 1100))
    images = {
        role: RunImage(file="n.tif", pixel_size_um=None, pixels=noise[:1024, :1024])
        for role in ("sr", "widefield", "wiener", "uncertainty", "residual", "error")
    }
    assert len(render(build_document(make_record(images=images)))) < 3_000_000


def test_several_records_make_an_overview_with_links(make_record, save, tmp_path):
    evil = "<script>alert(1)<&script> #1?"
    save(make_record("first"), tmp_path)
    save(make_record(evil, verdict_level="poor", metrics={"psnr_db": 20.5, "note": "x"}), tmp_path / "day 2")
    calls = []
    write_report(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]
    page = Page((tmp_path / "report.html").read_text())
    links = [a["href"] for a in page.all("a") if "_report.html" in a["href"]]
    assert len(links) == 2
    from urllib.parse import unquote

    for link in links:
        assert re.fullmatch(r"[\w./%-]+", link)
        assert (tmp_path / unquote(link)).is_file()
    assert len(page.all("script")) == 1
    assert evil in page.text
    assert "2 images: 1 good, 1 not to be trusted; 2 with warnings." in page.text
    assert "23.00" in page.text  # the median of 20.5 and 25.5


def test_csv_has_a_row_per_image_and_json_fits_its_schema(make_record, save, tmp_path):
    save(make_record("a"), tmp_path)
    save(make_record('b, "quoted"\nline', metrics={"psnr_db": 20.5, "list": [1, 2, 3]}), tmp_path)
    write_report(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "metrics.csv").read_text())))
    assert [row["name"] for row in rows] == ["a", 'b, "quoted"\nline']
    assert rows[0]["psnr_db"] == "25.5"
    assert rows[0]["registered_shift_x_px"] == "-0.5"
    assert rows[0]["ssim"] == rows[1]["registered_psnr_db"] == ""
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in rows[0])
    schema = json.loads((files("dlsim_ij.report") / "metrics.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads((tmp_path / "metrics.json").read_text())
    jsonschema.validate(data, schema)
    assert data["images"][0]["metrics"]["registered"]["shift_px"] == [0.0, -0.5]
    for broken in ({**data, "generator": "x"}, {**data, "images": []}, {"images": data["images"]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)
    params = json.loads((tmp_path / "params.json").read_text())
    assert params["runs"][0]["parameters"]["normalisation"] == {"low": 100.25}


@pytest.mark.parametrize("name", REPORT_FILES)
@pytest.mark.parametrize("content", ["my own notes", "", "{}", "\x00\xff", "[" * 100_000])
def test_a_file_that_is_not_ours_is_kept(make_record, save, tmp_path, name, content):
    save(make_record(), tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=name) as refusal:
        write_report(tmp_path)
    assert "--overwrite" in refusal.value.hint
    assert (tmp_path / name).read_text() == content
    assert sum((tmp_path / other).exists() for other in REPORT_FILES) == 1
    write_report(tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() != content


def test_a_folder_in_the_way_is_refused(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_report(tmp_path, overwrite=True)


def test_a_damaged_record_leaves_the_old_report(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    write_report(tmp_path)
    old = (tmp_path / "report.html").read_bytes()
    (tmp_path / "cell_run.json").write_text("{")
    with pytest.raises(DlsimError):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == old


def test_a_stack_shows_its_first_plane_and_says_so(make_record, save, tmp_path):
    record = make_record()
    sr = record.images["sr"]
    stack = replace(sr, pixels=np.stack([sr.pixels, 0 * sr.pixels]))
    save(replace(record, images={"sr": stack}), tmp_path)
    loaded = load_record(tmp_path / "cell_run.json").images["sr"]
    np.testing.assert_array_equal(loaded.pixels, sr.pixels)
    assert loaded.note == "first of 2 planes"
