"""The meter: the only way a search reaches a generator, so that no strategy can forget what it spends.

Every call charges the prompt of every row with the static price of the operation and its even share of the measured
wall seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from harness.errors import RunFailed
from harness.evaluations import Evaluations
from harness.ledger import Cost, Ledger
from harness.memory import Parts, out_of_memory
from models.base import Generator, Images, Mixed, ModelCard, Operation, Prefixed, Row
from verifiers.base import Listener, VerifierCard

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")
Unpriced: TypeAlias = Literal["noise", "start", "select", "renoise", "mutate", "join"]
"""What is charged its time only; with the operations that have a price, all that a generator's clock knows."""


@dataclass(slots=True)
class Timing:
    """Measured work of one operation."""

    calls: int = 0
    rows: int = 0
    """Rows really worked on: for "predict" the pending ones."""
    seconds: float = 0.0


def wall_seconds() -> float:
    """The machine's clock: seconds since some moment."""
    return perf_counter()


class Clock(dict[tuple[str, int], Timing]):
    """Operation and step to what was measured: for profiles and for the estimates of `harness/prices.py`."""

    def add(self, operation: str, step: int, rows: int, seconds: float) -> None:
        """One more call on `rows` rows."""
        timing = self.setdefault((operation, step), Timing())
        timing.calls += 1
        timing.rows += rows
        timing.seconds += seconds

    def seconds(self, operation: str) -> float:
        """Seconds of one operation over all steps."""
        return sum(timing.seconds for (name, _), timing in self.items() if name == operation)


def scoring(card: VerifierCard) -> str:
    """A verifier's name on a clock, so that several can share one."""
    return f"score {card.name}"


PATCHES = "patches"
"""Features' name on a clock."""


class MeteredGenerator:
    """A generator that charges every operation to the prompts of its rows; `Row.prompt` indexes the ledger."""

    def __init__(
        self, generator: Generator, ledger: Ledger, tell: Sequence[Listener] = (), now: Callable[[], float] | None = None
    ) -> None:
        """`tell` are verifiers that have to know the log-probability of every picture; `now` is the clock, in seconds."""
        self._now = now or wall_seconds
        self._generator = generator
        self._tell = tuple(tell) if isinstance(generator, Prefixed) else ()
        self._prices: dict[tuple[Operation, int, int], tuple[int, Cost]] = {}
        self._evaluations: dict[int, Evaluations] = defaultdict(Evaluations)
        self._cuda = generator.device.type == "cuda"
        self._parts = Parts()
        self.ledger = ledger
        self.clock = Clock()
        self.looks: Counter[int] = Counter()
        """Previews of each prompt's rows."""
        self.largest_batch = 0
        """Most rows that one state has had."""

    @property
    def card(self) -> ModelCard:
        return self._generator.card

    def encode(self, prompts: Sequence[str]) -> Any:
        """Conditioning of all prompts of the ledger, in its order; each is charged its text pass.

        Raises RunFailed where memory does not hold all of them: fewer rows of images would not help.
        """
        try:
            conditioning, seconds = self._timed(lambda: self._generator.encode(prompts))
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise RunFailed(
                f"{self.card.name} runs out of memory encoding the text of {len(prompts)} prompts at once: let text encoders leave with "
                "--set offload=text and go on in this folder, or take fewer prompts with --set chunk=N in another folder"
            ) from error
        self.clock.add("encode", 0, len(prompts), seconds)
        for prompt, tokens in enumerate(conditioning.text_tokens):
            passes, price = self._price("encode", 0, tokens)
            self.ledger.charge(prompt, price + Cost(nfe=passes, seconds=seconds / len(prompts)))
        return conditioning

    def start(self, conditioning: Any, rows: Sequence[Row]) -> Any:
        """Rows before their first step."""
        state, seconds = self._timed(lambda: self._generator.start(conditioning, rows))
        self._spend("start", 0, rows, seconds)
        return state

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> Any:
        """Rows that start from the given noise (generators that are `Perturbable`)."""
        generator: Any = self._generator
        state, seconds = self._timed(lambda: generator.start_from(conditioning, rows, noise_BX))
        self._spend("start", 0, rows, seconds)
        return state

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> Any:
        """Rows that start from images (generators that are `Refinable`): one encoding a row."""
        generator: Any = self._generator
        state, seconds = self._timed(lambda: generator.start_image(conditioning, rows, images, strength))
        self._charge("embed", state, state.rows, seconds)
        return state

    def noise(self, rows: Sequence[Row]) -> torch.Tensor:
        """Initial noise of each row's seed (generators that are `Perturbable`): float32 [B, ...] on the CPU."""
        generator: Any = self._generator
        noise_BX: torch.Tensor
        noise_BX, seconds = self._timed(lambda: generator.noise([row.seed for row in rows]))
        self._spend("noise", 0, rows, seconds)
        return noise_BX

    def predict(self, state: Any) -> Any:
        """The transformer pass of the next step, charged to the pending rows only; free where nothing is pending."""
        pending = state.pending
        if not pending:
            return state
        after, seconds = self._timed(lambda: self._generator.predict(state))
        self._charge("predict", state, [state.rows[index] for index in pending], seconds)
        return after

    def predict_all(self, states: Sequence[Any]) -> list[Any]:
        """`predict` of several states, in few passes where the generator is `Mixed`; each is charged for its own rows."""
        generator, counts = self._generator, [len(state.pending) for state in states]
        if not isinstance(generator, Mixed) or sum(map(bool, counts)) < 2:
            return [self.predict(state) for state in states]
        after, seconds = self._timed(lambda: generator.predict_all(states))
        for state, count in zip(states, counts, strict=True):
            if count:
                self._charge("predict", state, [state.rows[index] for index in state.pending], seconds * count / sum(counts))
        return after

    def draw(self, state: Any, seeds: Sequence[int]) -> Any:
        """The random part of the step."""
        after, seconds = self._timed(lambda: self._generator.draw(state, seeds))
        self._charge("draw", state, state.rows, seconds)
        return after

    def draw_stochastic(self, state: Any, seeds: Sequence[int], level: float) -> Any:
        """The step by an SDE (generators that are `Stochastic`), charged as `draw`."""
        generator: Any = self._generator
        after, seconds = self._timed(lambda: generator.draw_stochastic(state, seeds, level))
        self._charge("draw", state, state.rows, seconds)
        return after

    def renoise(self, state: Any, step: int, seeds: Sequence[int]) -> Any:
        """Rows back at an earlier step (generators that are `Renoisable`): only its time is charged."""
        generator: Any = self._generator
        after, seconds = self._timed(lambda: generator.renoise(state, step, seeds))
        self._spend("renoise", step, state.rows, seconds)
        return after

    def mutate(self, state: Any, seeds: Sequence[int], rate: float) -> Any:
        """Rows near their own latents (generators that are `Mutable`): only its time is charged."""
        generator: Any = self._generator
        after, seconds = self._timed(lambda: generator.mutate(state, seeds, rate))
        self._spend("mutate", state.step, state.rows, seconds)
        return after

    def join(self, states: Sequence[Any]) -> Any:
        """The rows of several states in one (generators that are `Mutable`): only its time is charged."""
        generator: Any = self._generator
        after, seconds = self._timed(lambda: generator.join(states))
        self._spend("join", after.step, after.rows, seconds)
        return after

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        """Rows by index, with repetition."""
        after, seconds = self._timed(lambda: self._generator.select(state, indices))
        self._spend("select", after.step, after.rows, seconds)
        return after

    def preview(self, state: Any) -> tuple[Any, Images]:
        """Current guesses, and the state that keeps the prediction they needed, so that it is charged once."""
        if state.pending_preview:
            state = self.predict(state)
        images, seconds = self._timed(lambda: self._images(self._generator.preview, state))
        self._charge("preview", state, state.rows, seconds)
        self.looks.update(row.prompt for row in state.rows)
        self._tell_of(state, images)
        return state, images

    def decode(self, state: Any) -> Images:
        """Finished rows as images."""
        images, seconds = self._timed(lambda: self._images(self._generator.decode, state))
        self._charge("decode", state, state.rows, seconds)
        self._tell_of(state, images)
        return images

    def _tell_of(self, state: Any, images: Images) -> None:
        generator: Any = self._generator
        for listener in self._tell:
            prompts = [state.conditioning.prompts[row.prompt] for row in state.rows]
            listener.hear(images, prompts, generator.log_prob(state))

    def _images(self, make: Callable[[Any], Images], state: Any) -> Images:
        """Images of all rows, of some at a time where memory runs out."""
        every = len(state.rows)
        return self._parts.join(
            lambda rows: make(state if len(rows) == every else self._generator.select(state, rows)), every
        )

    def _timed(self, call: Callable[[], Result]) -> tuple[Result, float]:
        self._synchronise()
        begin = self._now()
        result = call()
        self._synchronise()
        return result, self._now() - begin

    def _synchronise(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.synchronize(self._generator.device)

    def _price(self, operation: Operation, step: int, tokens: int) -> tuple[int, Cost]:
        """Passes of one row, which are counted by `_evaluated`, and all else that it costs."""
        key = (operation, step, tokens)
        if key not in self._prices:
            price = self._generator.price(operation, step, tokens)
            self._prices[key] = (price.nfe, replace(price, nfe=0))
        return self._prices[key]

    def _charge(self, operation: Operation, state: Any, rows: Sequence[Row], seconds: float) -> None:
        self.clock.add(operation, state.step, len(rows), seconds)
        tokens = state.conditioning.text_tokens
        for prompt, count in Counter(row.prompt for row in rows).items():
            passes, price = self._price(operation, state.step, tokens[prompt])
            nfe = self._evaluated(operation, prompt, count, passes)
            self.ledger.charge(prompt, price * count + Cost(nfe=nfe, seconds=seconds * count / len(rows)))

    def _evaluated(self, operation: Operation, prompt: int, count: int, passes: int) -> int:
        """Function evaluations that an operation adds to a prompt's; passes: those of one row's draw."""
        if operation == "predict":
            return self._evaluations[prompt].predicted(count)
        return self._evaluations[prompt].drawn(count, passes) if operation == "draw" else 0

    def _spend(self, name: Unpriced, step: int, rows: Sequence[Row], seconds: float) -> None:
        """Charge the time of what has no static price."""
        self.largest_batch = max(self.largest_batch, len(rows))
        self.clock.add(name, step, len(rows), seconds)
        for prompt, count in Counter(row.prompt for row in rows).items():
            self.ledger.charge(prompt, Cost(seconds=seconds * count / len(rows)))
