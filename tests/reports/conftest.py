"""Plausible made-up run folders in the tables' schema, for tests of the report only: no model has run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.compute.ledger import COST_COLUMNS
from results.schema import TABLES

TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
STEPS = {"ar": 7, "diffusion": 12}
FLOPS = {"ar": 0.9e8, "diffusion": 2.4e8}
SKILL = {"ar": 0.42, "diffusion": 0.48}


@dataclass
class Synthetic:
    """What a made-up run holds."""

    models: dict[str, str] = field(default_factory=lambda: {"shapes-infinity": "ar", "shapes-flux": "diffusion"})
    searches: tuple[str, ...] = ("random", "beam:width=2", "greedy", "zero-order")
    verifiers: tuple[str, ...] = ("shapes-reward", "shapes-clip")
    budgets: tuple[float, ...] = (14, 28, 56, 112)
    tasks: tuple[str, ...] = TASKS
    prompts: int = 3
    seeds: tuple[int, ...] = (0,)
    suite: str = "geneval@shapes"
    truth: bool = True
    nan_share: float = 0.0
    text: str = "a photo of a red circle"
    prompt_prefix: str = ""
    weights: str = "ab12"
    notes: tuple[str, ...] = ("greedy does not fit shapes-flux: it needs prefixes; skipped",)
    picture_px: int = 24
    saved: bool = True
    """Whether pictures are saved; rows name them and numbers are the same without."""
    _tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})


def write_run(folder: Path, run: Synthetic) -> Path:
    """Write manifest, tables and pictures of a made-up run; returns the folder."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(7)
    for model, family in run.models.items():
        for search in run.searches:
            fits = {"beam": "ar", "greedy": "ar", "zero-order": "diffusion"}.get(search.partition(":")[0], family)
            if fits == family:
                for seed in run.seeds:
                    _method(folder, run, generator, model, search, seed)
    for name, rows in run._tables.items():
        columns = [column.name for column in TABLES[name]]
        pd.DataFrame(rows, columns=columns).to_parquet(folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps(_manifest(run)))
    return folder


def _method(folder: Path, run: Synthetic, generator: np.random.Generator, model: str, search: str, seed: int) -> None:
    family = run.models[model]
    steps, tree = STEPS[family], search.startswith(("beam", "greedy"))
    for t, task in enumerate(run.tasks):
        for p in range(run.prompts):
            prompt_id = f"{run.prompt_prefix}{t * run.prompts + p:05d}"
            ease = np.clip(SKILL[family] - 0.09 * t + generator.normal(0, 0.25), 0.02, 0.98)
            for verifier in run.verifiers:
                for budget in run.budgets:
                    images = int(budget // steps)
                    if images < (4 if tree else 1):
                        continue
                    who = dict(
                        unit=f"{model}-{search}-{seed}", suite=run.suite, prompt_id=prompt_id, task=task, model=model, family=family,
                        search=search, verifier=verifier, seed=seed, budget_unit="nfe", budget=float(budget),
                    )  # fmt: skip
                    _point(folder, run, generator, who, images, tree, float(ease))


def _point(
    folder: Path, run: Synthetic, generator: np.random.Generator, who: dict[str, Any], images: int, tree: bool, ease: float
) -> None:
    steps = STEPS[who["family"]]
    truths = (generator.random(images) < ease + (0.1 if tree else 0)).astype(float)
    scores = truths * 1.2 + generator.normal(0, 0.8, images)
    scores[generator.random(images) < run.nan_share] = np.nan
    best = None if np.isnan(scores).all() else int(np.nanargmax(scores))
    rows, survivors = [], [""]
    per_step = max(images // steps, 2)
    for i in range(images):
        step = 1 + i // per_step if tree else 0
        parent = survivors[(step - 1) % len(survivors)] if tree and step > 1 else ""
        path = f"{parent}.{i % per_step}" if parent else str(i % per_step if tree else i)
        kept = tree and i % per_step == 0
        if kept:
            survivors.append(path)
        pictured = who["prompt_id"].endswith(("0", "3", "6", "9")) or i == best
        image = _picture(folder, generator, run) if pictured else ""
        spent = _cost(who["family"], i + 1, steps, tree)
        rows.append(
            who | dict(order=i, candidate=path, parent=parent, step=step, complete=True, kept=kept, score=scores[i],
                       reason="" if scores[i] == scores[i] else "too small", image=image,
                       truth=truths[i] if run.truth and who["search"] == "random" else np.nan)
            | spent
        )  # fmt: skip
    run._tables["candidates"] += rows
    chosen = rows[best] if best is not None else rows[-1] | dict(candidate="", image="", score=np.nan)
    cost = {name: rows[-1][name] for name in COST_COLUMNS}
    run._tables["selections"].append(
        who | dict(prompt=run.text, parameters=json.dumps({"candidates": images}), candidate=chosen["candidate"],
                   score=chosen["score"], considered=images, image=chosen["image"]) | cost
    )  # fmt: skip
    metrics = {name: chosen["score"] + generator.normal(0, 0.1) for name in run.verifiers}
    if run.truth:
        metrics["grade"] = truths[best] if best is not None else np.nan
    for metric, value in metrics.items():
        run._tables["scores"].append(who | dict(metric=metric, value=value, reason="" if value == value else "no image"))


def _cost(family: str, images: int, steps: int, tree: bool) -> dict[str, Any]:
    nfe = images * steps if not tree else int(images * (steps + 1) / 2)
    model = int(FLOPS[family] * images * steps * (0.8 if tree else 1))
    parts = dict(model_flops=model, decode_flops=images * 40_000_000, text_flops=30_000_000, verifier_flops=images * 60_000_000)
    return dict(
        nfe=nfe, forwards=2 * nfe, **parts, flops=sum(parts.values()), images=images, verifier_calls=images,
        seconds=model / 4e9 + images * 0.004, verifier_seconds=images * 0.004,
    )  # fmt: skip


def _picture(folder: Path, generator: np.random.Generator, run: Synthetic) -> str:
    size = run.picture_px
    pixels = np.full((size, size, 3), generator.integers(150, 240, 3), dtype=np.uint8)
    low = int(generator.integers(4, size // 2))
    pixels[low : low + size // 3, low : low + size // 3] = generator.integers(0, 255, 3)
    relative = f"images/{generator.integers(1 << 40):010x}.png"
    if run.saved:
        (folder / "images").mkdir(exist_ok=True)
        file = io.BytesIO()  # saving to a path looks at the disk several times
        Image.fromarray(pixels).save(file, "png", compress_level=1)
        (folder / relative).write_bytes(file.getvalue())
    return relative


def _manifest(run: Synthetic) -> dict[str, Any]:
    card = dict(licence="Apache-2.0", weights_sha256=run.weights * 16)
    return dict(
        schema_version=1,
        configuration=dict(suite="geneval", models=list(run.models), searches=list(run.searches), verifiers=list(run.verifiers),
                           budgets=list(run.budgets), unit="nfe", prompts=run.prompts * len(run.tasks), sample_seed=0,
                           seeds=list(run.seeds)),
        suite=dict(name="geneval", version="1", source="https://example.org/geneval", licence="MIT", images_per_prompt=1,
                   tasks=list(run.tasks), overall="unweighted mean of the task means", settings={"threshold": 0.3}),
        models={name: card | dict(name=name, family=family, domain="shapes", steps=STEPS[family], image_size=[64, 64],
                                  parameters=2_100_000, settings={"guidance": 2.5}) for name, family in run.models.items()},
        verifiers={name: card | dict(name=name, domain="shapes", score_range=[-3, 3], parts=[name]) for name in run.verifiers},
        environments=[dict(python="3.11", packages={"torch": "2.14.1"}, commit="0123abcd", system="Linux x86_64", processor="made up",
                           cores=2, threads=1, device="cpu", accelerator="")],
        notes=list(run.notes),
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Write a made-up run: `make_run(folder, **fields of Synthetic)`."""
    return lambda folder, **fields: write_run(folder, Synthetic(**fields))


@pytest.fixture(scope="session")
def make_tables() -> Callable[..., Path]:
    """`make_run` without files of pictures, which take most of its time: for tests that draw no gallery."""
    return lambda folder, **fields: write_run(folder, Synthetic(**fields, saved=False))
