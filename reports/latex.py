"""A table in LaTeX: a `tabular` with the rules of the package booktabs, to `\\input` under a caption of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

_MATHEMATICS = str.maketrans({"≈": r"$\approx$", "×": r"$\times$", "−": "$-$"})
"""Signs in our numbers that LaTeX has in mathematics only."""


def tabular(rows: Sequence[Mapping[str, str]], is_words: Callable[[str], bool]) -> str:
    """Texts by column, escaped; columns of words are set flush left, all others right."""
    frame = pd.DataFrame(list(rows))
    columns = "".join("l" if is_words(column) else "r" for column in frame.columns)
    return str(frame.to_latex(index=False, escape=True, column_format=columns)).translate(_MATHEMATICS)
