import pytest

from harness.compute.ledger import COST_COLUMNS, Budget, BudgetTooSmall, Cost, Ledger, Unit, added
from harness.errors import WrongInput
from harness.search.base import Plan
from harness.search.sizing import check_affordable, largest_plan, largest_size


def test_costs_add_scale_and_sum_their_flops() -> None:
    cost = Cost(nfe=1, forwards=2, model_flops=3, decode_flops=4, text_flops=5, verifier_flops=6, seconds=0.5)
    assert cost.flops == 18
    assert (cost + cost) == 2 * cost
    assert cost - cost == Cost()
    assert tuple(cost.as_columns()) == COST_COLUMNS
    assert cost.as_columns()["flops"] == 18


def test_many_costs_are_added_one_after_another() -> None:
    """To the last bit of seconds, which depends on the order."""
    costs = [Cost(nfe=n, images=1, seconds=0.1 / n, verifier_seconds=1e9) for n in range(1, 1000)]
    assert added(costs) == sum(costs, Cost())
    assert added([]) == Cost()


def test_accounts_are_separate() -> None:
    ledger = Ledger(2)
    ledger.charge(1, Cost(nfe=3))
    ledger.charge(1, Cost(nfe=4))
    assert (ledger.spent(0), ledger.spent(1)) == (Cost(), Cost(nfe=7))


@pytest.mark.parametrize("each", [1, 3, 7])
@pytest.mark.parametrize("amount", [2, 3, 13, 14, 100, 1000])
def test_the_largest_size_is_the_largest_that_fits(each: int, amount: int) -> None:
    budget = Budget(amount, Unit.NFE)

    def cost(count: int) -> Cost:
        return Cost(nfe=1 + each * count)

    affordable = [count for count in range(1, 1001) if 1 + each * count <= amount]
    if affordable:
        assert largest_size(budget, cost, 1, "it") == affordable[-1]
    else:
        with pytest.raises(BudgetTooSmall, match=f"cannot buy it: the smallest that can is {1 + each} NFE"):
            largest_size(budget, cost, 1, "it")


@pytest.mark.parametrize("flops", [7, 1234567, 10979816, 999999500001, 123456789012345])
def test_the_smallest_budget_that_is_printed_works(flops: int) -> None:
    with pytest.raises(BudgetTooSmall) as refused:
        check_affordable(Budget(1, Unit.FLOPS), Cost(model_flops=flops), "one image")
    printed = str(refused.value).split("give --budget ")[1].split(" ")[0]
    assert flops <= float(printed) <= flops * 1.00001
    check_affordable(Budget(float(printed), Unit.FLOPS), Cost(model_flops=flops), "one image")


def sized(size: int) -> Plan:
    """Two evaluations, a preview and an image a row."""
    return Plan({"rows": size}, (Cost(nfe=size), Cost(nfe=size, images=size)), looks=size)


@pytest.mark.parametrize(("budget", "size"), [(Budget(13, Unit.NFE), 6), (Budget(9, Unit.IMAGES), 4)])
def test_the_largest_plan_that_a_budget_affords_is_taken(budget: Budget, size: int) -> None:
    """Previews count as images, or nothing would limit them."""
    assert largest_plan(budget, sized, None, 2, lambda rows: f"{rows} rows") == sized(size)
    assert largest_plan(budget, sized, 3, 2, lambda rows: f"{rows} rows") == sized(3)


@pytest.mark.parametrize(("asked", "what", "smallest"), [(None, "2 rows", 4), (5, "5 rows", 10)])
def test_what_a_budget_cannot_buy_is_what_was_asked_for_or_the_least(asked: int | None, what: str, smallest: int) -> None:
    with pytest.raises(BudgetTooSmall) as refused:
        largest_plan(Budget(3, Unit.NFE), sized, asked, 2, lambda rows: f"{rows} rows")
    assert (refused.value.what, refused.value.smallest) == (what, smallest)


def test_a_budget_takes_the_name_of_its_unit() -> None:
    assert Budget(100, "nfe") == Budget(100, Unit.NFE)  # type: ignore[arg-type]
    assert str(Budget(100, "nfe")) == "100 NFE"  # type: ignore[arg-type]
    assert Budget(3, "images").affords(Cost(images=3))  # type: ignore[arg-type]
    with pytest.raises(WrongInput, match="unknown unit 'nfes'; did you mean nfe"):
        Budget(100, "nfes")  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "much"])
def test_a_budget_is_an_amount(amount: float) -> None:
    with pytest.raises(WrongInput, match=f"^budget {amount} is not a number from 0: give what a prompt may spend, such as 100$"):
        Budget(amount, Unit.NFE)
    assert not Budget(0, Unit.NFE).affords(Cost(nfe=1))
