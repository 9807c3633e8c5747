"""The registry of published generators: complete rows, settings merged in order, wrong ones refused."""

from __future__ import annotations

import re

import pytest

from harness.errors import WrongInput
from harness.weights.repositories import repository, rows
from models.published import PublishedModel, published_models
from suites.published import PublishedGrader, published_graders
from verifiers.published import PublishedVerifier, published_verifiers

MODELS = published_models()
NAMES = {
    "infinity-125m", "infinity-2b", "infinity-8b", "infinity-8b-512", "janus-pro-1b", "janus-pro-7b", "flux-dev",
    "flux-schnell", "sd3.5-medium", "sd3.5-large", "sdxl", "pixart-sigma", "sana-1.6b",
}  # fmt: skip


def test_every_row_says_where_what_and_under_which_terms() -> None:
    assert set(MODELS) == NAMES
    for model in MODELS.values():
        assert model.repositories["weights"].files
        assert model.licence
        assert all(one.bytes > 1e8 and one.licence for one in model.repositories.values())
        moving = {one.repo for one in model.repositories.values() if not re.fullmatch(r"[0-9a-f]{40}", one.revision)}
        assert moving <= {"FoundationVision/Infinity", "deepseek-community/Janus-Pro-7B"}, "docs/models.md names those at a branch"
        assert all(":" in target for target in (model.loader, model.generator))
        assert all(set(preset) <= set(model.settings) for preset in model.presets.values())


def test_settings_are_the_rows_then_the_presets_then_the_given() -> None:
    model = MODELS["infinity-2b"]
    assert (model.merged({})["cfg"], model.merged({})["tau"]) == (4.0, 1.0)
    notebook = model.merged({"preset": "notebook", "tau": 0.7})
    assert (notebook["cfg"], notebook["tau"]) == (3.0, 0.7)
    assert "preset" not in notebook
    with pytest.raises(WrongInput, match="no preset 'demo': presets of infinity-2b are geneval, script, notebook"):
        model.merged({"preset": "demo"})
    with pytest.raises(WrongInput, match="model infinity-2b has no setting 'steps': its settings are"):
        model.merged({"steps": 4})


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(ValueError, match="has a key 'size': known are"):
        repository({"repo": "a/b", "files": ["x"], "size": 3})
    with pytest.raises(ValueError, match=r"no repository 'flan-t5' in repositories\.toml: known are flan-t5-xl, "):
        repository("flan-t5")


@pytest.mark.parametrize(
    ("kind", "what"), [(PublishedModel, "model"), (PublishedVerifier, "verifier"), (PublishedGrader, "grader")]
)
def test_a_row_with_a_key_misspelt_or_missing_is_refused(kind: type, what: str) -> None:
    repositories = {"weights": {"repo": "a/b", "files": ["x"], "bytes": 1}}
    whole = {"summary": "", "loader": "", "licence": "MIT", "paper": "", "gated": True, "repositories": repositories}
    whole |= {"family": "ar", "generator": "", "settings": {}} if kind is PublishedModel else {}
    (row,) = rows(kind, what, {"mine": whole}).values()
    assert row.repositories["weights"].gated
    assert row.repositories["weights"].licence == "MIT"
    with pytest.raises(ValueError, match=rf"{what} mine has a key 'lisence': did you mean licence.* known are summary, "):
        rows(kind, what, {"mine": {**whole, "lisence": "MIT"}})
    with pytest.raises(ValueError, match=f"{what} mine has no loader: give it in its entry"):
        rows(kind, what, {"mine": {key: value for key, value in whole.items() if key != "loader"}})


def test_what_several_need_is_one_repository() -> None:
    texts = [model.repositories["text_encoder"] for name, model in MODELS.items() if name.startswith("infinity")]
    clips = [published_verifiers()[name].repositories["weights"] for name in ("aesthetic", "clip-score")]
    clips.append(published_graders()["geneval-grader"].repositories["clip"])
    assert all(one is texts[0] for one in texts)
    assert all(one is clips[0] for one in clips)
