"""Published prompt sets: protocol, counts and digests of the local copies, and the forms in which their files are found."""

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import WrongInput
from harness.registry import entry
from suites.base import Suite
from suites.prompt_set import PromptSetSuite, digest
from suites.sources import VARIABLE, MissingPrompts, Source

DATA = Path(__file__).parents[2] / "../shared/data"
COUNTS = {"drawbench": 200, "t2i-compbench": 2400, "parti": 1632, "dpg-bench": 1065}
FOLDERS = {"drawbench": "drawbench", "t2i-compbench": "t2i_compbench", "parti": "parti", "dpg-bench": "dpg_bench"}
NAMES = (*COUNTS, "image-reward-prompts")


def suite(name: str) -> PromptSetSuite:
    return entry("suite", name).resolve()()


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.skipif(not DATA.is_dir(), reason="the original prompt files are not beside this checkout")
def test_the_published_prompts_are_read_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_path = suite(name).reading(DATA / FOLDERS[name])
    prompts = by_path.prompts("photo")
    assert len(prompts) == len({prompt.id for prompt in prompts}) == COUNTS[name]
    assert by_path.notes("photo") == ()
    assert {prompt.task for prompt in prompts} == set(by_path.card.tasks)
    assert len(by_path.card.settings["prompts_sha256"]) == 64
    monkeypatch.setenv(VARIABLE, str(DATA))
    assert suite(name).prompts("photo") == prompts


@pytest.mark.skipif(not DATA.is_dir(), reason="the original prompt files are not beside this checkout")
def test_categories_have_their_published_sizes() -> None:
    drawbench = suite("drawbench").reading(DATA / "drawbench/imagen.csv").prompts("photo")
    assert drawbench == suite("drawbench").reading(DATA / "drawbench").prompts("photo")
    counts = Counter(prompt.task for prompt in drawbench)
    assert (counts["Colors"], counts["Reddit"], counts["Rare Words"], counts["Text"]) == (25, 38, 7, 21)
    compbench = suite("t2i-compbench").reading(DATA / "t2i_compbench").prompts("photo")
    assert set(Counter(prompt.task for prompt in compbench).values()) == {300}
    assert compbench[0].text == "a green bench and a blue bowl"
    assert not any("\r" in prompt.text or "\t" in prompt.text for prompt in compbench)
    parti = Counter(prompt.task for prompt in suite("parti").reading(DATA / "parti").prompts("photo"))
    assert (parti["Animals"], parti["Indoor Scenes"]) == (314, 40)


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_the_protocol_and_missing_prompts_say_how_to_get_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    one = suite(name)
    assert isinstance(one, Suite)
    card = one.card
    assert card.name == name
    assert card.images_per_prompt >= 1
    assert all((card.version, card.source, card.licence, card.tasks, card.overall))
    with pytest.raises(MissingPrompts, match=f"prompts of {name} are not at hand.*--prompts-from PATH or VISTAS_PROMPTS") as refusal:
        one.prompts("photo")
    assert "\n" not in str(refusal.value)


def test_t2i_compbench_is_run_as_published() -> None:
    card = suite("t2i-compbench").card
    assert (card.images_per_prompt, len(card.tasks), card.settings["split"]) == (10, 8, "val")


def test_dpg_prompts_are_read_from_one_file_each(tmp_path: Path) -> None:
    for name, text in (("10", "ten"), ("2", "two,\nin two lines"), ("whoops1", "")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    one = suite("dpg-bench").reading(tmp_path)
    assert [(prompt.id, prompt.text) for prompt in one.prompts("photo")] == [("2", "two, in two lines"), ("10", "ten")]
    left_out, other = one.notes("photo")
    assert left_out == f"not scored: {tmp_path / 'whoops1.txt'}: prompt is empty"
    assert "not the published ones" in other


def test_image_reward_prompts_keep_their_ids(tmp_path: Path) -> None:
    (tmp_path / "benchmark-prompts.json").write_text(json.dumps([{"id": "a-1", "prompt": "a cat"}, {"id": "a-2", "prompt": "a dog"}]))
    assert [prompt.id for prompt in suite("image-reward-prompts").reading(tmp_path).prompts("photo")] == ["a-1", "a-2"]


def test_a_folder_without_the_files_says_which(tmp_path: Path) -> None:
    (tmp_path / "color_val.txt").write_text("a red cat and a blue dog\n")
    with pytest.raises(WrongInput, match=r"shape_val\.txt, texture_val\.txt.*not found there"):
        suite("t2i-compbench").reading(tmp_path).prompts("photo")
    with pytest.raises(WrongInput, match=r"are not there: give drawbench\.tsv"):
        suite("drawbench").reading(tmp_path / "nowhere").prompts("photo")


def test_the_hub_is_read_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set on disk, in the hub's form, goes through the same call."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/prompts.csv").write_text('Prompts,Category\n"a cat, asleep",Cats\nא dog,Dogs\n,Dogs\n', encoding="utf-8")
    lines = Source("x", {"x.csv": ""}, hub=str(tmp_path / "set")).lines("x", None)
    assert [(one.text, one.task, one.fault) for one in lines] == [
        ("a cat, asleep", "Cats", ""), ("א dog", "Dogs", ""), ("", "Dogs", "prompt is missing")
    ]  # fmt: skip


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`datasets` by itself asks six times, waits in between, and says so each time."""
    import datasets
    from huggingface_hub import constants

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with pytest.raises(MissingPrompts, match=r"someone/prompts at 0123456789ab cannot be loaded \(Connection refused\); get x\.csv"):
        Source("x", {"x.csv": ""}, hub="someone/prompts", revision="0123456789abcdef", obtain="someone").lines("x", None)
    assert waited == []
    assert capfd.readouterr() == ("", "")
    assert not constants.HF_HUB_OFFLINE
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_file_at_an_address_is_kept_unless_it_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    page = tmp_path / "p.json"
    source = Source("x", {"p.json": ""}, url=page.as_uri(), obtain="someone")
    page.write_text("<html>log in</html>")
    with pytest.raises(WrongInput, match="is no JSON"):
        source.lines("x", None)
    page.write_text('[{"id": "1", "prompt": "a cat"}]')
    assert [(one.text, one.id) for one in source.lines("x", None)] == [("a cat", "1")]
    page.unlink()
    assert [one.text for one in source.lines("x", None)] == ["a cat"]
    with pytest.raises(MissingPrompts, match=r"cannot be loaded \(.*No such file.*\); get q\.json from someone"):
        Source("x", {"q.json": ""}, url=(tmp_path / "q.json").as_uri(), obtain="someone").lines("x", None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingPrompts, match=r"cannot be loaded \(HF_HUB_OFFLINE is set\); get q\.json from someone"):
        Source("x", {"q.json": ""}, url=(tmp_path / "q.json").as_uri(), obtain="someone").lines("x", None)


def test_a_set_of_several_splits_is_refused_with_one_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("prompt\na cat\n")
    with pytest.raises(MissingPrompts, match=r"has splits train, test instead of one\); get x\.csv") as caught:
        Source("x", {"x.csv": ""}, hub=str(tmp_path), obtain="someone").lines("x", None)
    assert str(caught.value).count("--prompts-from") == 1


def test_other_prompts_have_another_digest(tmp_path: Path) -> None:
    (tmp_path / "drawbench.csv").write_text("prompt\na cat\n")
    one = suite("drawbench").reading(tmp_path)
    assert one.prompts("photo")[0].text == "a cat"
    assert "their digest is" in one.notes("photo")[0]
    assert one.card.settings["prompts_sha256"] == digest(one._read())


def test_suites_without_an_embedded_version_say_so() -> None:
    with pytest.raises(WrongInput, match="parti has no prompts in the shapes vocabulary"):
        suite("parti").prompts("shapes")
    with pytest.raises(ValueError, match="no evaluator of its own for photo"):
        suite("drawbench").grade(None, [], "photo")  # type: ignore[arg-type]
