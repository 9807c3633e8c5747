"""The page in a real browser: nothing fails to load, nothing sticks out on a screen or on paper, and prompts stay text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from reports.build import build_report
from reports.figure_labels import LABELS

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--allow-file-access-from-files", "--virtual-time-budget=8000")  # fmt: skip
HOSTILE = 'a photo of <script>document.title = "run"</script><img src=x onerror="document.title = \'run\'"> a cow'
LOOK = """
<iframe src="index.html" style="width: {width}px; height: 2000px; border: 0"></iframe><pre></pre>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  page.querySelectorAll("details").forEach(one => one.open = true);
  const inside = one => one.closest(".scroll, svg") !== null;
  const shown = one => one.getClientRects().length > 0;
  document.querySelector("pre").textContent = JSON.stringify({{
    title: page.title,
    broken: [...page.images].filter(one => shown(one) && one.naturalWidth === 0).length,
    pictures: page.images.length, figures: page.querySelectorAll("svg").length,
    width: root.clientWidth, needed: root.scrollWidth,
    sideways: [...page.querySelectorAll(".scroll")].filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel),
    wide: [...page.body.querySelectorAll("*")].filter(one => !inside(one) && one.getBoundingClientRect().right > root.clientWidth + 1)
      .map(one => one.tagName + "." + one.className).slice(0, 5),
  }});
}};
</script>"""
PRINT = """
<iframe src="index.html" style="width: {width}px; height: 2000px; border: 0"></iframe><pre></pre>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, sheet = page.styleSheets[0];
  for (const rule of [...sheet.cssRules].filter(one => one instanceof page.defaultView.CSSMediaRule)) {{
    if (rule.media.mediaText === "print") for (const inner of [...rule.cssRules])
      try {{ sheet.insertRule(inner.cssText, sheet.cssRules.length); }} catch {{ /* @page, which only paper has */ }}
    else if (rule.media.mediaText.startsWith("screen")) rule.media.mediaText = "not all";
  }}
  const seen = one => one.checkVisibility(), shown = where => [...page.querySelectorAll(where)].filter(seen);
  document.querySelector("pre").textContent = JSON.stringify({{
    closed: [...page.querySelectorAll("details:not([open])")].length,
    folded: [...page.querySelectorAll("details > :not(summary)")].filter(one => !seen(one)).map(one => one.tagName),
    axes: shown(".axis").map(one => one.textContent), svg: shown("svg").length,
    cut: shown(".scroll").filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel),
    scrolls: shown(".scroll").filter(one => page.defaultView.getComputedStyle(one).overflowX !== "visible").length,
    kept: ["h2", "h3", "summary", "figcaption"].map(one => page.defaultView.getComputedStyle(page.querySelector(one)).breakAfter),
  }});
}};
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome here")


@pytest.fixture(scope="module")
def report(module_unpainted: None, make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page has its figures as SVG; PNG is for the Markdown beside it."""
    folder = tmp_path_factory.mktemp("browser")
    run = make_run(folder / "run", text=HOSTILE, budgets=(14, 28, 56, 84, 112), tasks=("counting", "colors"))
    return build_report([run], folder / "out").parent


def seen(report: Path, width: int, profile: Path, look: str = LOOK) -> dict[str, Any]:
    """What a browser with a window of this width makes of the page: with LOOK all that is folded being open, with PRINT on paper."""
    probe = report / f"probe-{width}.html"
    probe.write_text(look.format(width=width))
    command = [str(BROWSER), *QUIET, f"--user-data-dir={profile}", "--window-size=1600,2200", "--dump-dom", probe.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
    told = re.search(r"<pre>(.+?)</pre>", found, re.DOTALL)
    assert told is not None, f"the page was not done loading: {found[-500:]}"
    return dict(json.loads(unescape(told[1])))


@pytest.mark.parametrize("width", [1400, 390])
def test_everything_loads_and_fits(report: Path, width: int, tmp_path: Path) -> None:
    page = seen(report, width, tmp_path)
    assert page["title"] == "vistas: geneval@shapes"
    assert page["pictures"] > 0
    assert page["figures"] > 0
    assert page["broken"] == 0
    assert page["wide"] == []
    assert page["needed"] <= page["width"]
    assert all(name.startswith("Pictures of") or name == LABELS["tree"] for name in page["sideways"]), "no table and no curve does"
    assert width < 1000 or page["sideways"] == [], "also galleries of five budgets"


def test_paper_holds_all_of_it(report: Path, tmp_path: Path) -> None:
    """703 px: between the margins of A4."""
    page = seen(report, 703, tmp_path, PRINT)
    assert page["closed"] > 3
    assert page["folded"] == []
    assert page["axes"] == ["by NFE", "by FLOPs", "by seconds"] * 2
    assert page["svg"] == 10, "wide figures only, of every unit"
    assert page["cut"] == []
    assert page["scrolls"] == 0
    assert set(page["kept"]) == {"avoid"}
