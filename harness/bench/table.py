"""What `vistas bench-model` has measured, for people and for programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from io import StringIO

from harness.bench.measured import Measured
from harness.bench.origin import Origin
from harness.compute.speeds import Swing
from harness.markdown import table_lines


def as_csv(found: Sequence[Measured], origin: Origin) -> str:
    """All that was measured, and where, in every line: what `harness/bench/speed_files.py` reads."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(field.name for field in (*fields(Measured), *fields(Origin)))
    lines.writerows([*asdict(one).values(), *asdict(origin).values()] for one in found)
    return text.getvalue()


def as_markdown(found: Iterable[Measured | str], share: bool, memory: bool) -> Iterator[str]:
    """Each row as soon as it comes; sentences after the table.

    `share` and `memory` say whether there are shares of the card's peak and peaks of memory; a sentence says where there are not.
    """
    columns = ["batch", "operation", "rows", "calls", "seconds", "lowest to highest", "TFLOP", "TFLOP/s"]
    columns += ["share of peak"] * share + ["peak memory"] * memory
    sentences: list[str] = []
    shown: list[Measured] = []

    def rows() -> Iterator[list[str]]:
        for one in found:
            if isinstance(one, str):
                sentences.append(one)
                continue
            what = one.operation if one.step < 0 else f"{one.operation} {one.step}"
            shown.append(one)
            times = [str(one.calls), f"{one.seconds:.4f}", f"{one.seconds_lowest:.4f} to {one.seconds_highest:.4f}"]
            cells = [str(one.batch), what, str(one.rows), *times, f"{one.tflop:.3g}", f"{one.tflop_per_second:.3g}"]
            yield cells + [f"{one.share_of_peak:.1%}"] * share + [f"{one.peak_gigabytes:.2f} GB"] * memory

    yield from table_lines(columns, rows())
    if not share:
        sentences.append("no share of peak: it is known of some cards, in 16 bits")
    if not memory:
        sentences.append("no peak memory: it is measured on CUDA devices")
    yield from sentences
    swing = Swing.of((one.seconds, one.seconds_lowest, one.seconds_highest) for one in shown)
    if swing.told:
        yield swing.told
