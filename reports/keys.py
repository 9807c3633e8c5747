"""The columns that name what a report is about, across runs: a selection, and a point of a curve."""

IDENTITY = ["suite", "model", "search", "verifier", "seed", "budget_unit", "budget", "prompt_id"]
"""What names one selection, whatever unit it was computed in."""
POINT = ["model", "search", "budget_unit", "verifier", "budget"]
"""What names a point: a method (model, search, budget unit) under one guiding verifier at one budget."""
