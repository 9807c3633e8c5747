"""The verifiers' cards say how well they agree with the grader on pictures of the generators that are shipped now."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.card_file import CARD_FILE
from models.hashes import joint_sha256
from models.shapes.load import weights
from suites.geneval.wording import TAGS
from verifiers.agreement import agreement
from verifiers.load_embedded import weights_folder
from verifiers.shapes import generated
from verifiers.shapes.curves import CURVE_FILE

NAMES = ("shapes-clip", "shapes-aesthetic", "shapes-reward")
GENERATORS = ("shapes-flux", "shapes-infinity")


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / CARD_FILE).read_text())
    return card


@pytest.mark.parametrize("name", NAMES)
def test_generated_pictures_are_those_of_the_shipped_generators(name: str) -> None:
    found = card_of(weights_folder(name))["generated"]
    shipped = {generator: joint_sha256(card_of(weights(generator))["files"].values()) for generator in GENERATORS}
    assert {generator: block["weights_sha256"] for generator, block in found.items()} == shipped
    for block in found.values():
        assert set(block["tasks"]) == set(TAGS)
        assert block["images"] >= 4 * block["prompts"] * 0.99
        assert 0 < block["right"] < 1


@pytest.mark.parametrize("name", NAMES)
def test_readme_shows_the_figures(name: str) -> None:
    folder = weights_folder(name)
    card, text = card_of(folder), (folder / "README.md").read_text()
    for generator, block in card["generated"].items():
        assert f"pictures of {generator}" in text
        assert f"| all | {block['right']} | {block['auroc']} | {block['auroc_within']} |" in text
    assert card["training"]["recipe"] in text
    assert (folder / CURVE_FILE).is_file() == bool(card["training"]["final_losses"]) == (CURVE_FILE in text)


def test_figures_go_to_the_cards_of_verifiers_that_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = weights_folder("shapes-clip")
    (tmp_path / "shapes-clip").mkdir()
    (tmp_path / "shapes-clip" / CARD_FILE).write_bytes((source / CARD_FILE).read_bytes())
    monkeypatch.setattr(generated, "weights_folder", lambda name: tmp_path / name)
    rows = [("g", verifier, "colors", "1", score, truth) for verifier in ("shapes-clip", "shapes-ensemble")
            for score, truth in ((0.1, 0.0), (0.2, 1.0))]  # fmt: skip
    rows += [("g", verifier, "counting", "2", 0.3, 0.0) for verifier in ("shapes-clip", "shapes-ensemble")]
    table = pd.DataFrame(rows, columns=["model", "verifier", "task", "prompt_id", "score", "truth"])
    judged = agreement(table.assign(seed=0, search="random", budget=2.0))
    assert generated.write_generated(judged, 2, {"g": "abc"}) == ["shapes-clip"]
    block = card_of(tmp_path / "shapes-clip")["generated"]["g"]
    assert block == {
        "weights_sha256": "abc", "prompts": 2, "images": 3, "right": 0.333, "auroc": 0.5, "auroc_within": 1.0,
        "tasks": {
            "colors": {"right": 0.5, "auroc": 1.0, "auroc_within": 1.0},
            "counting": {"right": 0.0, "auroc": None, "auroc_within": None},
        },
    }  # fmt: skip
    assert "| counting | 0.0 | – | – |" in (tmp_path / "shapes-clip" / "README.md").read_text()
