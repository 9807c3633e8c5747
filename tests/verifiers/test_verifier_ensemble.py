"""Rank averaging, shared passes, and what happens to candidates that a member could not score."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from verifiers.base import Verifier, VerifierCard, listeners, members_of, sharing, truncated_parts
from verifiers.cascade import Cascade
from verifiers.ensemble import Ensemble, mean_ranks
from verifiers.features import Described
from verifiers.scorer import Scorer


class Brightness(Scorer):
    """Mean of one channel; shares a pass with others of the same kind."""

    def __init__(self, channel: int, reads_text: bool = False, domain: str = "shapes") -> None:
        self.channel, self.reads_text = channel, reads_text
        self.card = VerifierCard(f"channel-{channel}", domain, (0, 255), (f"channel-{channel}",), "ab", "CC0", 5)  # type: ignore[arg-type]

    @property
    def image_passes(self) -> Mapping[str, int]:
        return {"shared": 100, f"own-{self.channel}": 7}

    @property
    def text_passes(self) -> Mapping[str, int]:
        return {"shared-text": 10} if self.reads_text else {}

    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        return np.asarray([float(image[self.channel].float().mean()) for image in images])


def ensemble(weights: list[float] | None = None) -> Ensemble:
    return Ensemble([Brightness(0), Brightness(1, reads_text=True)], "both", weights)


def pictures(*colours: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([[r, g, 0] for r, g in colours], dtype=torch.uint8)[:, :, None, None].expand(-1, 3, 4, 4)


def test_ranks_are_averaged_with_ties() -> None:
    values = np.array([[3.0, 1.0], [2.0, 1.0], [1.0, 5.0]])
    # ranks: first member 1 2 3; second 2.5 2.5 1
    assert ensemble().combine(values) == pytest.approx([-1.75, -2.25, -2.0])
    assert ensemble([3, 1]).combine(values) == pytest.approx([-(3 + 2.5) / 4, -(6 + 2.5) / 4, -(9 + 1) / 4])


def test_ranks_do_not_depend_on_scale() -> None:
    values = np.random.default_rng(0).standard_normal((6, 2))
    assert ensemble().combine(values) == pytest.approx(ensemble().combine(np.exp(values) * [1, 1000]))


def test_unscored_candidates_take_no_rank() -> None:
    values = np.array([[3.0, 1.0], [9.0, np.nan], [1.0, 5.0]])
    combined = ensemble().combine(values)
    assert np.isnan(combined[1])
    assert combined[[0, 2]] == pytest.approx(ensemble().combine(values[[0, 2]]))
    assert np.isnan(ensemble().combine(np.full((2, 2), np.nan))).all()


def test_scores_are_the_members_raw_ones_and_permute() -> None:
    images = pictures((10, 40), (20, 30), (30, 20))
    scores = ensemble().score(images, ["x"] * 3)
    assert scores.values_NM == pytest.approx(np.array([[10, 40], [20, 30], [30, 20]]))
    order = [2, 0, 1]
    assert ensemble().score(images[order], ["x"] * 3).values_NM == pytest.approx(scores.values_NM[order])


def test_a_member_that_cannot_score_gives_the_reason() -> None:
    scores = ensemble().score(pictures((1, 2), (3, 4)), ["x", " "])
    assert scores.reasons == ("", "prompt is empty")
    assert list(np.isnan(scores.values_NM[1])) == [False, True]


class Blind(Brightness):
    """Sees nothing, and says why."""

    def __init__(self, channel: int, why: str) -> None:
        super().__init__(channel)
        self.why = why

    def verdicts(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        return np.full(len(images), np.nan), [self.why] * len(images)


def test_every_member_that_cannot_score_gives_its_reason() -> None:
    cases = (
        (("no light", "no eyes"), "channel-0: no light; channel-1: no eyes"),
        (("no light", "no light"), "no light"),
        (("", "no eyes"), "channel-0 gave no finite score; channel-1: no eyes"),
    )
    for whys, expected in cases:
        members = [Blind(channel, why) for channel, why in enumerate(whys)]
        for both in (Ensemble(members, "both"), Cascade(*members, "both", None)):
            scores = both.score(pictures((1, 2)), ["x"])
            assert scores.reasons == (expected,)
            assert np.isnan(scores.values_NM).all()
    alone = Ensemble([Brightness(0), Blind(1, "no eyes"), Brightness(2)], "three").score(pictures((1, 2)), ["x"])
    assert alone.reasons == ("no eyes",)


def test_mean_ranks_by_hand() -> None:
    values = np.array([[3.0, 1.0, 0.0], [2.0, 1.0, 0.0], [1.0, 5.0, 0.0], [9.0, np.nan, 0.0]])
    assert mean_ranks(values)[:3] == pytest.approx([5.5 / 3, 6.5 / 3, 6 / 3])
    assert np.isnan(mean_ranks(values)[3])
    assert mean_ranks(values, [2, 1, 1])[:3] == pytest.approx([6.5 / 4, 8.5 / 4, 9 / 4])
    assert mean_ranks(np.zeros((4, 2))) == pytest.approx([2.5] * 4)
    assert mean_ranks(np.array([[np.inf], [-np.inf], [0.0]])) == pytest.approx([1, 3, 2])


def test_shared_passes_are_charged_once() -> None:
    price = ensemble().price(images=3, new_prompts=2)
    assert price.verifier_flops == 3 * (100 + 7 + 7) + 2 * 10
    assert price.verifier_calls == 3


def test_card_and_protocol() -> None:
    both = ensemble()
    assert isinstance(both, Verifier)
    assert both.card.parts == ("channel-0", "channel-1")
    assert both.card.text_limit_tokens == 5
    assert both.card.question is None


def test_what_members_are_asked_is_asked_by_all_of_them_together() -> None:
    silent, asking = Brightness(0), Brightness(1)
    asking.card = replace(asking.card, question="Is this {}?")
    assert Ensemble([silent, asking], "both").card.question == "channel-1: Is this {}?"


@pytest.mark.parametrize(
    ("members", "weights", "words"),
    [
        ([], None, "no members"),
        ([Brightness(0), Brightness(1, domain="photo")], None, "mixes domains"),
        ([Brightness(0)], [1.0, 2.0], "1 members"),
        ([Brightness(0)], [-1.0], "above 0"),
    ],
)
def test_wrong_ensembles_are_refused(members: list[Scorer], weights: list[float] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Ensemble(members, "wrong", weights)


def test_a_prompt_is_truncated_where_any_member_reads_only_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Brightness, "truncated", lambda self, prompts: tuple(len(p) > 3 + self.channel for p in prompts))
    assert ensemble().truncated(["red", "blue", "green"]) == (False, True, True)
    assert truncated_parts(ensemble(), ["red", "blue"]) == {"channel-0": (False, True), "channel-1": (False, False)}
    assert truncated_parts(Brightness(1), ["green"]) == {"channel-1": (True,)}


def test_abilities_are_those_of_members_however_deep_and_behind_features(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (Brightness(channel) for channel in range(3))
    shared: list[Verifier] = []
    monkeypatch.setattr(Brightness, "hear", lambda self, images, prompts, log_prob_N: None, raising=False)
    monkeypatch.setattr(Brightness, "truncated", lambda self, prompts: (True,) * len(prompts))
    monkeypatch.setattr(Brightness, "sharing", lambda self: shared.append(self) or nullcontext())
    deep: Any = Described(Cascade(Ensemble([first, second], "two"), third, "deep", None), None)  # type: ignore[arg-type]
    assert members_of(first) == (first,)
    assert members_of(deep) == (first, second, third)
    assert listeners([deep, first]) == [first, second, third, first]
    assert list(truncated_parts(deep, ["red"])) == ["channel-0", "channel-1", "channel-2"]
    with sharing([deep, first]):
        assert shared == [first, second, third, first]
