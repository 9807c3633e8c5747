"""The report's first sentence for every way an answer can come out."""

from dataclasses import replace

from reports.answer import Verdict, _headline

CLEAR = Verdict("NFE", "60", "ar + beam", "ar", "0.9", "+0.2", True, "+0.3", True, False)


def test_a_clear_winner_under_every_unit_is_named() -> None:
    units = [replace(CLEAR, unit=unit) for unit in ("NFE", "FLOPs", "seconds")]
    assert _headline(units) == "ar + beam is ahead at equal compute, by NFE, FLOPs and seconds alike."
    assert _headline(units[:1]) == "ar + beam is ahead at equal compute, by NFE alike."


def test_units_that_disagree_are_said_to() -> None:
    other = replace(CLEAR, unit="FLOPs", best="flux + random", model="flux")
    assert _headline([CLEAR, other]) == "The answer depends on the unit: ar + beam by NFE, flux + random by FLOPs."
    doubtful = replace(other, clear=False)
    assert "not separable from the next at 95 % by FLOPs" in _headline([CLEAR, doubtful])


def test_a_lead_that_could_be_noise_is_not_called_one() -> None:
    unclear = replace(CLEAR, clear=False, model_clear=False)
    assert _headline([unclear]).startswith("No clear winner")
    assert "by FLOPs its lead cannot be told from noise" in _headline([replace(CLEAR, model_clear=False), replace(unclear, unit="FLOPs")])
