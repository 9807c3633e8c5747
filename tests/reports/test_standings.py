import pandas as pd

from reports.standings import standings


def test_every_search_is_compared_with_random_on_common_prompts(tmp_path) -> None:
    rows = [("m", search, "v", 0, prompt, "nfe", budget, "grade", value) for search, budget, values in [
        ("random", 10.0, (1, 0, 0, 1)), ("random", 20.0, (1, 0, 0, 1)), ("beam", 20.0, (1, 1, 0, 1)), ("smc", 20.0, (0, 0, 0, 1)),
    ] for prompt, value in zip("abcd", values, strict=True)]  # fmt: skip
    columns = ["model", "search", "verifier", "seed", "prompt_id", "budget_unit", "budget", "metric", "value"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "scores.parquet")
    spent = [("m", search, budget, 2e12, 18) for search in ("random", "beam", "smc") for budget in (10.0, 20.0)]
    pd.DataFrame(spent, columns=["model", "search", "budget", "flops", "nfe"]).to_parquet(tmp_path / "selections.parquet")
    lines = standings(tmp_path).splitlines()[2:]
    assert lines == [
        "| m | beam | 20 nfe | 0.750 | +0.250 ± 0.250 | 18, 2 |",
        "| m | random | 20 nfe | 0.500 | reference | 18, 2 |",
        "| m | smc | 20 nfe | 0.250 | -0.250 ± 0.250 | 18, 2 |",
    ]
