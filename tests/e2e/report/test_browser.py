"""The page of ``dlsim report`` in a real browser: no error, no request, both themes, phone and paper."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from dlsim_ij.cli.main import run

EVIL = "cell <script>alert(1)<&script>"
CONTRAST = """(() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0.5) return c;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.getClientRects().length || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const ink = rgb(element.ownerSVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.add(element.className + " " + element.textContent.slice(0, 30));
  }
  return [...poor];
})()"""


class Browser:
    """Chromium driven over its own pipe: requests, console and screenshots are seen from inside."""

    def __init__(self, chromium: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", chromium, *flags],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "Chromium has ended"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def open(self, page: Path, width: int = 1200, height: int = 900, theme: str = "light") -> None:
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)  # fmt: skip
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + 30
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline
            self.events.append(self._next())
        time.sleep(0.2)  # a late script or request would come now
        self.evaluate("0")

    def press(self, key: str, code: int = 0) -> None:
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key,
                  windowsVirtualKeyCode=code, **text)  # fmt: skip
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def requests(self) -> list[str]:
        urls = [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]

    def complaints(self) -> list[str]:
        wanted = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(e["params"]) for e in self.events if e.get("method") in wanted]

    def screenshot(self) -> Image.Image:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        return Image.open(io.BytesIO(base64.b64decode(data)))

    def pdf(self) -> bytes:
        return base64.b64decode(
            self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=False)["data"]
        )

    def close(self) -> None:
        self._session = None
        self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory) -> Iterator[Browser]:
    driven = Browser(chromium, tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory, results_folder) -> Path:
    folder = results_folder(tmp_path_factory.mktemp("one") / "results", "cell")
    assert run(["report", str(folder), "-q"]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def overview(tmp_path_factory, results_folder) -> Path:
    folder = results_folder(tmp_path_factory.mktemp("many") / "results", "cell", EVIL, *"abcdef")
    assert run(["report", str(folder), "-q"]) == 0
    return folder / "report.html"


class TestInChromium:
    pytestmark = pytest.mark.browser

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1200, 390])
    def test_the_page_is_quiet_and_fits(self, browser, report, overview, tmp_path, theme, width):
        for page in (report, overview):
            browser.open(page, width=width, theme=theme)
            assert browser.requests() == [page.as_uri()]
            assert browser.complaints() == []
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
            assert browser.evaluate(broken) == 0
            shot = browser.screenshot()
            shot.save(tmp_path / f"{page.parent.parent.name}_{theme}_{width}.png")
            corner = np.asarray(shot.convert("L"))[:40, :10].mean()
            assert corner > 230 if theme == "light" else corner < 50
            # the curves take the theme's colours too
            if page == report:
                text = browser.evaluate("getComputedStyle(document.querySelector('.drawing text')).fill")
                level = sum(int(v) for v in text[4:-1].split(","))
                assert level < 330 if theme == "light" else level > 430

    def test_the_control_page_is_not_quiet(self, browser, report, tmp_path):
        """What the other test looks for can be seen: a request, and what our policy does to one."""
        loud = tmp_path / "loud.html"
        loud.write_text('<img src="http://127.0.0.1:9/a.png"><script>console.error("x")</script>')
        browser.open(loud)
        assert "http://127.0.0.1:9/a.png" in browser.requests()
        assert browser.complaints()
        attacked = tmp_path / "attacked.html"
        inject = '<img src="http://127.0.0.1:9/b.png"><script>document.title = "taken over"</script></main>'
        attacked.write_text(report.read_text().replace("</main>", inject, 1))
        browser.open(attacked)
        assert any("Content Security Policy" in line for line in browser.complaints())
        assert browser.evaluate("document.title") == "cell · Super-resolution report"
        failed = [e["params"] for e in browser.events if e.get("method") == "Network.loadingFailed"]
        assert {f.get("blockedReason") for f in failed} == {"csp"}

    def test_a_name_with_a_tag_stays_text(self, browser, overview):
        browser.open(overview)
        names = browser.evaluate("[...document.querySelectorAll('tbody th a')].map(a => a.textContent)")
        cards = browser.evaluate("[...document.querySelectorAll('.card a')].map(a => a.textContent)")
        assert len(cards) == 5
        assert EVIL in names
        assert browser.evaluate("document.scripts.length") == 1
        page = browser.evaluate(f"[...document.links].find(a => a.textContent === {json.dumps(EVIL)}).href")
        browser.open(Path(unquote(urlsplit(page).path)))
        assert browser.evaluate("document.querySelector('h1').textContent") == EVIL
        assert browser.complaints() == []

    def test_the_slider_works_from_the_keyboard(self, browser, report):
        browser.open(report)
        state = "getComputedStyle(document.querySelector('.slider .canvas')).getPropertyValue('--at')"
        assert browser.evaluate(state) == "50%"
        browser.evaluate("document.querySelector('.slider input').focus()")
        browser.press("ArrowRight", 39)
        assert browser.evaluate(state) == "51%"

    def test_the_first_key_leads_past_the_navigation(self, browser, report):
        browser.open(report)
        browser.press("Tab", 9)
        assert browser.evaluate("document.activeElement.className") == "skip"
        assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0

    def test_the_pictures_move_together_from_the_keyboard(self, browser, report):
        browser.open(report)
        planes = """[...document.querySelectorAll('.viewer .plane')].map((plane) => {
          const b = plane.getBoundingClientRect();
          const c = plane.closest('.canvas').getBoundingClientRect();
          const part = [(c.left - b.left) / b.width, (c.top - b.top) / b.height, c.width / b.width];
          return part.map((v) => +v.toFixed(3)).join();
        })"""
        start = browser.evaluate(planes)
        assert len(start) == 6  # three pictures and the error, two under the slider
        assert len(set(start)) == 1, "all show the same place"
        # the region that the lead names, in a picture of 160 px
        left, width = (float(v) * 160 for v in start[0].split(",")[::2])
        lead = browser.evaluate("document.querySelector('#zoom .lead').textContent")
        assert f"x {left:.0f}–{left + width:.0f}" in lead
        bar = "document.querySelector('.window .scale').textContent"
        assert browser.evaluate(bar) == "500 nm"
        browser.evaluate("document.querySelector('.panels').focus()")
        browser.press("+", 187)
        zoomed = browser.evaluate(planes)
        assert len(set(zoomed)) == 1
        assert float(zoomed[0].split(",")[2]) == pytest.approx(float(start[0].split(",")[2]) / 1.5, abs=2e-3)
        assert browser.evaluate(bar) == "200 nm"
        browser.press("ArrowRight", 39)
        moved = browser.evaluate(planes)
        assert len(set(moved)) == 1
        assert float(moved[0].split(",")[0]) > float(zoomed[0].split(",")[0])
        assert moved[0].split(",")[1:] == zoomed[0].split(",")[1:]
        browser.press("0", 48)
        assert browser.evaluate(planes) == start
        browser.evaluate("document.querySelector('[data-do=all]').click()")
        assert set(browser.evaluate(planes)) == {"0,0,1"}
        assert browser.complaints() == []

    def test_the_pointer_shows_its_place_in_every_picture(self, browser, report):
        browser.open(report)
        browser.evaluate("document.querySelector('.panels').scrollIntoView({behavior: 'instant'})")
        left, top, width, height = browser.evaluate(
            "(() => { const b = document.querySelectorAll('.window')[1].getBoundingClientRect(); "
            "return [b.left, b.top, b.width, b.height] })()"
        )
        crosses = """[...document.querySelectorAll('.window')].map((pane) => {
          const c = pane.querySelector('.cross').getBoundingClientRect();
          const b = pane.getBoundingClientRect();
          return [(c.left - b.left) / b.width, (c.top - b.top) / b.height].map((v) => +v.toFixed(2)).join();
        })"""
        x, y = left + 0.25 * width, top + 0.6 * height
        browser.mouse("mouseMoved", x, y)
        assert set(browser.evaluate(crosses)) == {"0.25,0.6"}
        where = "document.querySelector('.where').textContent"
        assert "px of the result" in browser.evaluate(where)
        # what was under the pointer stays under it while it drags
        place = browser.evaluate(where).partition("·")[2]
        browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        browser.mouse("mouseMoved", x + 20, y - 15, button="left", buttons=1)
        assert browser.evaluate(where).partition("·")[2] == place
        browser.mouse("mouseReleased", x + 20, y - 15, button="left", clickCount=1)
        browser.mouse("mouseMoved", 5, 5)
        assert browser.evaluate("getComputedStyle(document.querySelector('.cross')).display") == "none"

    def test_the_table_is_sorted_from_the_keyboard(self, browser, overview):
        browser.open(overview)
        rows = "[...document.querySelectorAll('[data-sortable] tbody tr')]"
        column = f"(n => {rows}.map(r => r.cells[n].textContent.trim()))"
        before = browser.evaluate(f"{column}(5)")
        head = "document.querySelectorAll('[data-sortable] thead th')"
        names = browser.evaluate(f"[...{head}].map(h => h.textContent.trim())")
        assert names[4:6] == ["RSP", "RSE, counts"]
        assert browser.evaluate(f"{head}[1].querySelector('button')") is None  # pictures have no order
        browser.evaluate(f"{head}[5].querySelector('button').focus()")
        for key, code, direction in (("Enter", 13, "ascending"), (" ", 32, "descending")):
            browser.press(key, code)
            values = [float(v) for v in browser.evaluate(f"{column}(5)")]
            assert values == sorted((float(v) for v in before), reverse=direction == "descending")
            assert browser.evaluate(f"{head}[5].getAttribute('aria-sort')") == direction
        browser.evaluate(f"{head}[2].querySelector('button').click()")
        levels = browser.evaluate(f"{column}(2)")
        assert [level[1:] for level in levels[:2]] == ["Do not trust"] * 2  # by seriousness, not by letter
        assert browser.evaluate("document.querySelectorAll('[aria-sort]').length") == 1

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_text_has_contrast(self, browser, report, overview, theme):
        """WCAG AA: 4.5 to 1 for text, computed in the browser from what is painted behind it."""
        for page in (report, overview):
            browser.open(page, theme=theme)
            assert browser.evaluate(CONTRAST) == []

    def test_the_contrast_check_sees_grey_on_grey(self, browser, report, tmp_path):
        faint = tmp_path / "faint.html"
        faint.write_text(report.read_text().replace("--ink-soft: #55606a", "--ink-soft: #a0a6ab"))
        browser.open(faint)
        assert browser.evaluate(CONTRAST)

    def test_without_script_the_pictures_show_the_region(self, browser, report):
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(report)
            dead = "[...document.querySelectorAll('.tools, .slider')].map(e => getComputedStyle(e).display)"
            assert set(browser.evaluate(dead)) == {"none"}
            shown = "document.querySelector('.plane').getBoundingClientRect().width"
            window = "document.querySelector('.window').getBoundingClientRect().width"
            assert browser.evaluate(shown) > 2 * browser.evaluate(window)
        finally:
            browser.call("Emulation.setScriptExecutionDisabled", value=False)

    def test_it_prints(self, browser, report, tmp_path):
        browser.open(report, theme="dark")
        data = browser.pdf()
        (tmp_path / "report.pdf").write_bytes(data)
        assert data.startswith(b"%PDF")
        assert 2 <= data.count(b"/Type /Page\n") <= 8
