"""Figures as they stand in a page."""

from __future__ import annotations

import re
from collections import Counter

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from reports.style import as_svg, themed


def test_two_equal_pictures_and_two_figures_share_no_id() -> None:
    figure = Figure()
    for axes in figure.subplots(1, 2):
        axes.imshow(np.eye(3))
        axes.plot([0, 1])
    with mpl.rc_context({"svg.hashsalt": "vistas"}):  # as all figures of a report are drawn
        page = themed(as_svg(figure), "one", "a figure") + themed(as_svg(figure), "two", "another")
    assert page.count("<image ") == 4
    assert [name for name, count in Counter(re.findall(r' id="([^"]+)"', page)).items() if count > 1] == []
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(re.findall(r' id="([^"]+)"', page)), "what is referred to is there"
