import pytest
import torch

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost, Ledger
from harness.compute.meter import MeteredGenerator
from harness.compute.verifier_meter import MeteredVerifier
from models.base import Row

TEXTS = ["red circle", "green square above red star"]


@pytest.fixture(params=["infinity", "flux"])
def metered(request: pytest.FixtureRequest) -> MeteredGenerator:
    return MeteredGenerator(request.getfixturevalue(request.param), Ledger(2))


def spent(meter: MeteredGenerator) -> Cost:
    return meter.ledger.spent(0) + meter.ledger.spent(1)


def test_every_operation_is_charged_what_it_computes(metered: MeteredGenerator) -> None:
    box = {}

    def check(name: str, call) -> None:
        before = spent(metered)
        counted = count_flops(lambda: box.update({name: call()}))
        assert (spent(metered) - before).flops == counted, name

    check("text", lambda: metered.encode(TEXTS))
    rows = [Row(prompt, seed) for prompt in (0, 1) for seed in range(3)]
    check("state", lambda: metered.start(box["text"], rows))
    for _ in range(metered.card.steps):
        check("state", lambda: metered.predict(box["state"]))
        check("preview", lambda: metered.preview(box["state"]))
        check("state", lambda: metered.draw(box["state"], range(6)))
    check("images", lambda: metered.decode(box["state"]))
    assert spent(metered).nfe == 6 * metered.card.steps
    assert spent(metered).images == 6


def test_the_longer_text_is_charged_to_its_own_prompt(infinity) -> None:
    metered = MeteredGenerator(infinity, Ledger(2))
    metered.encode(TEXTS)
    assert metered.ledger.spent(0).text_flops < metered.ledger.spent(1).text_flops


def test_copies_share_one_prediction(metered: MeteredGenerator) -> None:
    state = metered.predict(metered.start(metered.encode(TEXTS), [Row(0, 1), Row(1, 2)]))
    before = spent(metered)
    copies = metered.predict(metered.select(state, [0, 0, 0, 1]))
    assert (spent(metered) - before).forwards == 0
    metered.draw(copies, [1, 2, 3, 4])
    assert metered.ledger.spent(0).nfe == 3
    assert metered.ledger.spent(1).nfe == 1


def test_a_previews_prediction_is_charged_once(flux) -> None:
    metered = MeteredGenerator(flux, Ledger(2))
    state = metered.draw(metered.predict(metered.start(metered.encode(TEXTS), [Row(1, 2)])), [1])
    state, image = metered.preview(state)
    assert metered.ledger.spent(1).forwards == 2
    state, again = metered.preview(state)
    metered.draw(metered.predict(state), [2])
    assert metered.ledger.spent(1).forwards == 2
    assert metered.ledger.spent(0).forwards == 0
    assert torch.equal(image, again)


def test_seconds_are_shared_evenly_by_rows(metered: MeteredGenerator) -> None:
    state = metered.start(metered.encode(TEXTS), [Row(0, 1), Row(1, 2), Row(1, 3)])
    before = [metered.ledger.spent(prompt).seconds for prompt in (0, 1)]
    metered.draw(metered.predict(metered.select(state, [0, 1, 1])), [1, 2, 3])
    drawn = metered.clock["draw", 0].seconds + metered.clock["select", 0].seconds
    predicted = metered.clock["predict", 0].seconds / 2
    for prompt, rows in ((0, 1), (1, 2)):
        assert metered.ledger.spent(prompt).seconds - before[prompt] == pytest.approx(predicted + drawn * rows / 3)
    assert spent(metered).seconds == pytest.approx(sum(timing.seconds for timing in metered.clock.values()))


def test_telling_a_verifier_what_a_picture_is_worth_takes_time(infinity) -> None:
    time = [0.0]

    class Slow:
        def hear(self, images, prompts, log_prob_N) -> None:
            time[0] += 6.0

    metered = MeteredGenerator(infinity, Ledger(2), [Slow()], lambda: time[0])
    metered.preview(metered.start(metered.encode(TEXTS), [Row(0, 1), Row(1, 2), Row(1, 3)]))
    assert [metered.ledger.spent(prompt).seconds for prompt in (0, 1)] == [2.0, 4.0]
    assert metered.clock["preview", 0].seconds == 6.0


def test_a_verifier_is_charged_its_text_once(make_judge) -> None:
    judge = MeteredVerifier(make_judge(), Ledger(2))
    images = torch.zeros(3, 3, 16, 16, dtype=torch.uint8)
    texts = [TEXTS[0], TEXTS[1], TEXTS[1]]
    counted = count_flops(lambda: judge.score(images, texts, [0, 1, 1]))
    judge.open([0, 1])
    counted += count_flops(lambda: judge.score(images, texts, [0, 1, 1]))
    total = judge.ledger.spent(0) + judge.ledger.spent(1)
    assert total.flops == counted
    assert total.verifier_calls == 6
    assert total.seconds == total.verifier_seconds > 0
    assert judge.ledger.spent(1).verifier_calls == 4


def test_two_prompts_of_one_text_are_each_charged_as_if_alone(metered: MeteredGenerator, make_judge) -> None:
    judge, images = make_judge(), torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    judged = MeteredVerifier(judge, Ledger(2))
    counted = count_flops(lambda: judged.score(images, TEXTS[:1] * 2, [0, 1]))
    alone = judge.price(1, 1).flops
    assert [judged.ledger.spent(prompt).flops for prompt in (0, 1)] == [alone, alone]
    assert counted == 2 * alone - judge.price(0, 1).flops, "what is kept of a text serves both"
    metered.encode(TEXTS[:1] * 2)
    encoded = [metered.ledger.spent(prompt).text_flops for prompt in (0, 1)]
    metered.encode(TEXTS)
    assert encoded == [metered.ledger.spent(0).text_flops - encoded[0]] * 2


def test_text_is_counted_without_encoding_it(infinity, flux) -> None:
    for generator in (infinity, flux):
        texts = [*TEXTS, "red " * 20]
        assert generator.text_tokens(texts) == generator.encode(texts).text_tokens
        assert generator.text_tokens([]) == ()
    assert len(set(infinity.text_tokens(TEXTS))) > 1


def test_abilities_are_charged(flux) -> None:
    metered = MeteredGenerator(flux, Ledger(2))
    rows = [Row(0, 1), Row(1, 2), Row(1, 3)]
    images = torch.zeros(3, 3, 16, 16, dtype=torch.uint8)
    text = metered.encode(TEXTS)
    before = spent(metered)
    state = metered.start_image(text, rows, images, 0.5)
    assert (spent(metered) - before).decode_flops == 3 * flux.price("embed").decode_flops > 0
    assert metered.ledger.spent(1).decode_flops == 2 * metered.ledger.spent(0).decode_flops
    state = metered.draw_stochastic(metered.predict(state), [1, 2, 3], 1.0)
    assert (metered.ledger.spent(0).nfe, metered.ledger.spent(1).nfe) == (1, 2)
    before = spent(metered)
    state = metered.renoise(state, 1, [1, 2, 3])
    after = spent(metered)
    assert (state.step, after.flops, after.nfe) == (1, before.flops, before.nfe)
    assert after.seconds > before.seconds
    assert after.seconds == pytest.approx(sum(timing.seconds for timing in metered.clock.values()))
