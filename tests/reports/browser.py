"""A page in a real browser, where there is one: what it looks like on a screen, and on paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--allow-file-access-from-files", "--virtual-time-budget=8000")  # fmt: skip
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

def seen(report: Path, width: int, profile: Path, look: str = LOOK) -> dict[str, Any]:
    """What a browser with a window of this width makes of the page: with LOOK all that is folded being open, with PRINT on paper."""
    probe = report / f"probe-{width}.html"
    probe.write_text(look.format(width=width))
    command = [str(BROWSER), *QUIET, f"--user-data-dir={profile}", "--window-size=1600,2200", "--dump-dom", probe.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
    told = re.search(r"<pre>(.+?)</pre>", found, re.DOTALL)
    assert told is not None, f"the page was not done loading: {found[-500:]}"
    return dict(json.loads(unescape(told[1])))
