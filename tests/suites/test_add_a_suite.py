"""What docs/add-a-suite.md says is all there is to do; docs/suites.md agrees with the cards."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from command_line import call

from harness import registry
from harness.registry import Entry
from models.base import Domain
from suites.base import Suite
from suites.document import columns_table, embedded_table, scores_table, suites_table

DOCS = Path(__file__).parents[2] / "docs"


def test_one_file_and_one_entry_make_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "add-a-suite.md").read_text(encoding="utf-8")
    code, entry = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "animals.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (name, known), = eval(f"{{{entry}}}", {"Entry": Entry}).items()
    monkeypatch.setitem(registry.SUITES, name, replace(known, target=known.target.removeprefix("suites.")))  # type: ignore[arg-type]
    (tmp_path / "prompts/animals").mkdir(parents=True)
    (tmp_path / "prompts/animals/animals.csv").write_text("prompt,category\na cat,cats\na dog,dogs\n")
    monkeypatch.setenv("VISTAS_PROMPTS", str(tmp_path / "prompts"))
    suite = registry.entry("suite", name).resolve()()
    assert isinstance(suite, Suite)
    assert [(prompt.text, prompt.task) for prompt in suite.prompts("photo")] == [("a cat", "cats"), ("a dog", "dogs")]
    assert suite.notes("photo") == ()
    (tmp_path / "prompts/animals/animals.csv").write_text("prompt,category\na cat,cats\na robin,birds\n")
    (said,) = registry.entry("suite", name).resolve()().reading(tmp_path / "prompts/animals").notes("photo")
    assert said.startswith("not among the tasks of animals (cats, dogs), and each run as a task more: 'birds' (animals.csv line 3); ")
    (listed,) = [line for line in call("list", "suites").stdout.splitlines() if name in line]
    assert listed.endswith("(photo)")
    sys.modules.pop("animals", None)


def test_any_detector_grades_a_folder_of_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GenEval's rules over a detector that sees a dog wherever there is light, from a folder on disk to the tables."""
    import json

    from PIL import Image

    (tmp_path / "dogs.py").write_text(
        "from suites.geneval.rules import PUBLISHED, Detection\n"
        "from suites.geneval.suite import GenEvalSuite\n"
        "class OneDog:\n"
        "    name, thresholds = 'one-dog', PUBLISHED\n"
        "    def detect(self, images):\n"
        "        return [[Detection('dog', 0.8, (0, 0, 8, 8))] if image.any() else [] for image in images]\n"
        "    def colors(self, images, detections):\n"
        "        return ['red'] * len(detections)\n"
        "def suite():\n"
        "    return GenEvalSuite({'photo': OneDog()})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry.SUITES, "dogs", Entry("dogs:suite", ""))  # type: ignore[arg-type]
    include = [{"class": "dog", "count": 1}]
    for n, shade in enumerate((0, 200)):
        folder = tmp_path / f"made/{n:05d}"
        folder.mkdir(parents=True)
        record = {"tag": "single_object", "include": include, "prompt": "a photo of a dog"}
        (folder / "metadata.jsonl").write_text(json.dumps(record))
        Image.new("RGB", (8 + n, 8), (shade, 0, 0)).save(folder / "00000.png")
    result = call("score", str(tmp_path / "made"), "--suite", "dogs")
    assert result.exit_code == 0, result.output
    assert "grade single_object: 0.5000 over 2 images" in result.stdout
    table = pd.read_parquet(tmp_path / "made-scores/scores.parquet")
    assert table["value"].tolist() == [0.0, 1.0]
    assert table["suite"].tolist() == ["geneval"] * 2


def test_the_page_agrees_with_the_cards() -> None:
    page = (DOCS / "suites.md").read_text(encoding="utf-8")
    for table in (suites_table(), embedded_table(), scores_table(), columns_table()):
        assert table in page, "write it anew: python -m suites.document prints the tables of docs/suites.md"


@pytest.mark.parametrize("domain", ["photo", "shapes"])
def test_every_suite_keeps_the_protocol(domain: Domain) -> None:
    for name, known in registry.entries("suite").items():
        suite = known.resolve()()
        assert isinstance(suite, Suite), name
        if domain == "shapes" and not known.domain and name != "file":
            assert suite.prompts(domain), name
