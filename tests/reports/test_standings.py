import pandas as pd
import pytest

from reports.standings import main, standings

KEY = ["suite", "model", "verifier", "budget_unit", "budget", "search", "seed"]


def write(
    folder, graded: dict[tuple[str, float, int], tuple[float | None, ...]], verifier: str = "v", unit: str = "nfe", nfe: int = 18
) -> None:
    """A run's tables: grades of prompts a, b, … by search, budget and seed; None where no image was returned."""
    folder.mkdir()
    keys = [("s", "m", verifier, unit, budget, search, seed) for search, budget, seed in graded]
    rows = [(*key, prompt, "t", "grade", value) for key, values in zip(keys, graded.values(), strict=True)
            for prompt, value in zip("abcd", values, strict=False)]  # fmt: skip
    scores = pd.DataFrame(rows, columns=[*KEY, "prompt_id", "task", "metric", "value"]).astype({"value": float}).assign(reason="")
    scores.to_parquet(folder / "scores.parquet")
    there = [value is not None for *_, value in rows]
    selections = scores.drop(columns=["metric", "value", "reason"]).assign(
        flops=2e12, nfe=nfe, considered=[int(one) for one in there], candidate=["0" if one else "" for one in there],
    )  # fmt: skip
    selections.to_parquet(folder / "selections.parquet")


def test_every_search_is_compared_with_random_on_common_prompts(tmp_path) -> None:
    write(tmp_path / "one", {("random", 10.0, 0): (1, 0, 0, 1), ("random", 20.0, 0): (1, 0, 0, 1), ("beam", 20.0, 0): (1, 1, 0, 1)})
    write(tmp_path / "two", {("smc", 20.0, 0): (0, 0, 0)})
    assert standings([tmp_path / "one", tmp_path / "two"]).splitlines()[2:] == [
        "| s | m | v | 10 NFE | random | 0.500 | 4, 1 | reference | 18, 2e+03 |",
        "| s | m | v | 20 NFE | beam | 0.750 | 4, 1 | +0.250 ± 0.250 | 18, 2e+03 |",
        "| s | m | v | 20 NFE | random | 0.500 | 4, 1 | reference | 18, 2e+03 |",
        "| s | m | v | 20 NFE | smc | 0.000 | 3, 1 | -0.333 ± 0.333 | 18, 2e+03 |",
    ]


def test_seeds_of_a_prompt_are_averaged_before_the_error_is_taken(tmp_path) -> None:
    """Two seeds that say the same of every prompt are worth one."""
    once = {("random", 20.0, 0): (1, 0, 0, 1), ("beam", 20.0, 0): (1, 1, 0, 1)}
    write(tmp_path / "one", once)
    write(tmp_path / "same", {(search, budget, 1): values for (search, budget, _), values in once.items()})
    line = standings([tmp_path / "one", tmp_path / "same"]).splitlines()[2]
    assert line == "| s | m | v | 20 NFE | beam | 0.750 | 4, 2 | +0.250 ± 0.250 | 18, 2e+03 |"


def test_verifiers_and_units_are_lines_of_their_own(tmp_path) -> None:
    graded = {("random", 20.0, 0): (1, 0, 0, 1), ("beam", 20.0, 0): (1, 1, 0, 1)}
    write(tmp_path / "one", graded)
    write(tmp_path / "other", graded, verifier="w")
    write(tmp_path / "images", graded, unit="images", nfe=180)
    lines = standings([tmp_path / name for name in ("one", "other", "images")]).splitlines()[2:]
    assert len(lines) == 6
    assert lines[0] == "| s | m | v | 20 images | beam | 0.750 | 4, 1 | +0.250 ± 0.250 | 180, 2e+03 |"
    assert lines[2] == "| s | m | v | 20 NFE | beam | 0.750 | 4, 1 | +0.250 ± 0.250 | 18, 2e+03 |"
    assert lines[4] == "| s | m | w | 20 NFE | beam | 0.750 | 4, 1 | +0.250 ± 0.250 | 18, 2e+03 |"


def test_nothing_returned_is_wrong_and_an_image_that_could_not_be_graded_is_left_out(tmp_path) -> None:
    late, nan = {("random", 2.0, 0): (1, 0, 1, 1), ("beam", 2.0, 0): (1, 1, None, None)}, float("nan")
    write(tmp_path / "late", late, unit="seconds")
    line = standings([tmp_path / "late"]).splitlines()[3]
    assert line == "| s | m | v | 2 s | beam | 0.500 | 4, 1 | -0.250 ± 0.479 | 18, 2e+03 |"
    write(tmp_path / "ungraded", late | {("beam", 2.0, 0): (1, 1, nan, nan)}, unit="seconds")
    line = standings([tmp_path / "ungraded"]).splitlines()[2]
    assert line == "| s | m | v | 2 s | beam | 1.000 | 2, 1 | +0.500 ± 0.500 | 18, 2e+03 |"


@pytest.mark.parametrize("folders", [[], ["nowhere"]])
def test_what_is_no_run_is_refused(folders, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["standings", *folders])
    with pytest.raises(SystemExit, match="give folders of finished runs"):
        main()
