"""The page of a finished run in headless Chromium: nothing asked for, nothing cut off."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom",
    "--window-size=1400,900",
]  # fmt: skip
# A window of Chromium is never narrower than 500 px; a frame is.
FRAME = """<style>:root {{ color-scheme: light dark }}</style>
<iframe src="page.html" style="width: {width}px; height: 800px; border: 0"></iframe>
<script>onmessage = event => document.body.append(event.data)</script>"""
WATCH = """<script nonce="watch">
const broken = [];
addEventListener("securitypolicyviolation", event => broken.push(event.blockedURI));
addEventListener("error", event => broken.push(event.message || event.target.tagName), true);
addEventListener("load", () => setTimeout(() => {
  const root = document.documentElement;
  parent.postMessage("FOUND" + JSON.stringify({
    broken, width: innerWidth, needed: root.scrollWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: getComputedStyle(document.body).backgroundColor,
    asked: performance.getEntriesByType("resource").filter(
      entry => !entry.name.startsWith("data:")).map(entry => entry.name),
    pictures: document.images.length,
    blank: [...document.images].filter(image => !image.naturalWidth).length,
  }) + "END", "*");
}, 200));
</script>"""
POLICY = "default-src 'none'; "

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH")


@pytest.fixture(scope="module")
def text(finished):
    return (finished / "report.html").read_text("utf-8")


@pytest.fixture
def opened(tmp_path):
    """Open a page at a width, light or dark; what it tells of itself, and the browser's console."""

    def open_page(text, *, width, dark):
        assert POLICY in text
        watched = text.replace(POLICY, POLICY + "script-src 'nonce-watch'; ", 1)
        head, meta, rest = re.split(r'(<meta http-equiv="Content-Security-Policy"[^>]*>)', watched)
        (tmp_path / "page.html").write_text(head + meta + WATCH + rest, "utf-8")
        (tmp_path / "frame.html").write_text(FRAME.format(width=width), "utf-8")
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        done = subprocess.run(
            [BROWSER, *FLAGS, scheme, f"--user-data-dir={tmp_path / 'profile'}",
             (tmp_path / "frame.html").as_uri()],
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        told = re.search(r"FOUND(\{.*\})END", done.stdout, re.DOTALL)
        assert told, done.stderr[-2000:]
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return json.loads(unescape(told[1])), console

    return open_page


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_error_no_request_no_sideways_scroll(text, opened, width, dark):
    told, console = opened(text, width=width, dark=dark)
    assert (told["width"], told["dark"]) == (width, dark)
    assert told["needed"] <= width
    assert (console, told["broken"], told["asked"]) == ([], [], [])
    assert told["pictures"] == text.count("<img") > 5 and told["blank"] == 0
    red, *_ = map(int, re.findall(r"\d+", told["paper"]))
    assert (red < 60) == dark


def test_planted_faults_are_found(text, opened):
    wide = '<div style="width: 700px">x</div><img src="http://127.0.0.1:9/x.png" alt="x">'
    spoiled = text.replace("</main>", wide + "<script>alert(1)</script></main>")
    told, console = opened(spoiled, width=360, dark=False)
    assert told["needed"] > 360 and told["blank"] == 1
    assert "http://127.0.0.1:9/x.png" in told["broken"] and console
