import pytest

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Prices
from harness.search.spec import parse_search
from models.infinity.unshared import Unshared

TEXTS = ["random:candidates=3", "greedy:candidates=2", "beam:width=2,candidates=2", "beam:width=2,candidates=2,score=preview",
         "lookahead:width=2,candidates=2,scales=0/2", "smc:particles=4", "tts-var:particles=8", "halving:candidates=4"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_sharing_changes_costs_and_no_image(text: str, infinity, make_judge, ran) -> None:
    budget, boxes, counted = Budget(1e12, Unit.FLOPS), [], []
    for generator in (infinity, Unshared(infinity)):
        search = parse_search(text)
        counted.append(count_flops(lambda g=generator: boxes.append(ran(search, g, budget, count=2))))  # noqa: B023
        task = boxes[-1].task
        spent = [task.spent(prompt, task.judges[0]) for prompt in range(2)]
        assert sum(cost.flops for cost in spent) == counted[-1]
        for prompt, cost in enumerate(spent):
            tokens = task.conditioning.text_tokens[prompt]
            plan = search.plan(budget, Prices(generator, make_judge(), tokens))
            # Which survivors are siblings shows on the way: where nothing is shared, the plan is exact again.
            exact = plan.exact or generator is not infinity
            assert cost.flops == plan.cost.flops if exact else cost.flops <= plan.cost.flops
    shared, apart = (box.task for box in boxes)
    assert counted[0] < counted[1]
    for prompt in range(2):
        one, other = (task.spent(prompt, task.judges[0]) for task in (shared, apart))
        assert (one.nfe, one.images, one.verifier_flops) == (other.nfe, other.images, other.verifier_flops)
        draws = sum(timing.rows for (name, _), timing in apart.generator.clock.items() if name == "draw") // 2
        assert one.forwards < other.forwards == 2 * draws  # guidance doubles a pass
        pairs = list(zip(shared.candidates["judge"][prompt], apart.candidates["judge"][prompt], strict=True))
        assert all(a.path == b.path and (a.image.int() - b.image.int()).abs().max() <= 1 for a, b in pairs)


def test_the_card_says_so(infinity) -> None:
    card = Unshared(infinity).card
    assert card.settings["share"] is False
    assert {key: value for key, value in card.settings.items() if key != "share"} == dict(infinity.card.settings)
