import pandas as pd
import pytest

from reports.standings import standings

COLUMNS = ["model", "search", "verifier", "seed", "prompt_id", "budget_unit", "budget", "metric", "value"]


def write(folder, graded: dict[tuple[str, float, int], tuple[int, ...]]) -> None:
    """A run's tables: grades of prompts a, b, … by search, budget and seed."""
    folder.mkdir()
    rows = [("m", search, "v", seed, prompt, "nfe", budget, "grade", value)
            for (search, budget, seed), values in graded.items() for prompt, value in zip("abcd", values, strict=False)]  # fmt: skip
    pd.DataFrame(rows, columns=COLUMNS).to_parquet(folder / "scores.parquet")
    spent = [("m", search, budget, 2e12, 18) for search, budget, _ in graded]
    pd.DataFrame(spent, columns=["model", "search", "budget", "flops", "nfe"]).to_parquet(folder / "selections.parquet")


def test_every_search_is_compared_with_random_on_common_prompts(tmp_path) -> None:
    write(tmp_path / "one", {("random", 10.0, 0): (1, 0, 0, 1), ("random", 20.0, 0): (1, 0, 0, 1), ("beam", 20.0, 0): (1, 1, 0, 1)})
    write(tmp_path / "two", {("smc", 20.0, 0): (0, 0, 0)})
    assert standings([tmp_path / "one", tmp_path / "two"]).splitlines()[2:] == [
        "| m | 10 nfe | random | 0.500 | 4, 1 | reference | 18, 2e+03 |",
        "| m | 20 nfe | beam | 0.750 | 4, 1 | +0.250 ± 0.250 | 18, 2e+03 |",
        "| m | 20 nfe | random | 0.500 | 4, 1 | reference | 18, 2e+03 |",
        "| m | 20 nfe | smc | 0.000 | 3, 1 | -0.333 ± 0.333 | 18, 2e+03 |",
    ]


def test_seeds_of_a_prompt_are_averaged_before_the_error_is_taken(tmp_path) -> None:
    """Two seeds that say the same of every prompt are worth one."""
    once = {("random", 20.0, 0): (1, 0, 0, 1), ("beam", 20.0, 0): (1, 1, 0, 1)}
    write(tmp_path / "one", once)
    write(tmp_path / "same", {(search, budget, 1): values for (search, budget, _), values in once.items()})
    line = standings([tmp_path / "one", tmp_path / "same"]).splitlines()[2]
    assert line == "| m | 20 nfe | beam | 0.750 | 4, 2 | +0.250 ± 0.250 | 18, 2e+03 |"


@pytest.mark.parametrize("folders", [[], ["nowhere"]])
def test_what_is_no_run_is_refused(folders, monkeypatch) -> None:
    from reports.standings import main

    monkeypatch.setattr("sys.argv", ["standings", *folders])
    with pytest.raises(SystemExit, match="give folders of finished runs"):
        main()
