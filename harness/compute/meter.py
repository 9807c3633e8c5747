"""The meter: the only way for a search to reach a generator, so that no strategy can forget what it spends.

Every call charges each row to the row's prompt: the static price of the operation, and an even share of the measured
wall seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from harness.compute.clock import Clock, wall_seconds
from harness.compute.drawn import Drawn
from harness.compute.ledger import Cost, Ledger
from harness.compute.nfe import NfeCount
from harness.errors import RunFailed
from harness.memory import Parts, out_of_memory
from models.base import Generator, Images, Mixed, Operation, Prefixed, Row
from models.blank import are_blank
from verifiers.base import Listener

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")
Unpriced: TypeAlias = Literal["noise", "start", "select", "renoise", "mutate", "join"]
"""Operations for which only time is charged; together with the priced operations, all that a generator's clock measures."""


class MeteredGenerator:
    """A generator that charges every operation to the prompts of its rows; `Row.prompt` indexes the ledger."""

    def __init__(
        self, generator: Generator, ledger: Ledger, tell: Sequence[Listener] = (), now: Callable[[], float] | None = None,
        drawn: Drawn | None = None,
    ) -> None:
        """`tell`: verifiers that are told the log-probability of every picture; `now`: the clock, in seconds; `drawn`: what
        the model has drawn before."""
        self._now = now or wall_seconds
        self._generator, self.card = generator, generator.card
        self._able: Any = generator  # for what only some can do: `harness.search.spec.fits` refuses a search that needs more
        self._tell = tuple(tell) if isinstance(generator, Prefixed) else ()
        self._prices: dict[tuple[Operation, int, int], tuple[int, Cost]] = {}
        self._evaluations: dict[int, NfeCount] = defaultdict(NfeCount)
        self._cuda = generator.device.type == "cuda"
        self._parts = Parts()
        self._drawn = drawn or Drawn(self.card.name)
        self.ledger = ledger
        self.clock = Clock()
        self.looks: Counter[int] = Counter()
        """Number of previews made of each prompt's rows."""
        self.largest_batch = 0
        """The largest number of rows that a state has had."""

    def encode(self, prompts: Sequence[str]) -> Any:
        """Conditioning of all prompts of the ledger, in the ledger's order; each prompt is charged its text pass.

        Raises RunFailed if they do not fit into memory together: smaller batches of images would not help.
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
        return self._unpriced("start", lambda: self._generator.start(conditioning, rows), 0, rows)

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> Any:
        """Rows that start from the given noise (generators that are `Perturbable`)."""
        return self._unpriced("start", lambda: self._able.start_from(conditioning, rows, noise_BX), 0, rows)

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> Any:
        """Rows that start from images (generators that are `Refinable`): one image is encoded for each row."""
        state, seconds = self._timed(lambda: self._able.start_image(conditioning, rows, images, strength))
        self._charge("embed", state, state.rows, seconds)
        return state

    def noise(self, rows: Sequence[Row]) -> torch.Tensor:
        """Initial noise of each row's seed (generators that are `Perturbable`): float32 [B, ...] on the CPU."""
        noise_BX: torch.Tensor = self._unpriced("noise", lambda: self._able.noise([row.seed for row in rows]), 0, rows)
        return noise_BX

    def predict(self, state: Any) -> Any:
        """The transformer pass of the next step, charged to the pending rows only; costs nothing if no row is pending."""
        rows = [state.rows[index] for index in state.pending]
        return self._priced("predict", lambda: self._generator.predict(state), state, rows) if rows else state

    def predict_all(self, states: Sequence[Any]) -> list[Any]:
        """`predict` of several states, in fewer passes if the generator is `Mixed`; each state pays for its own rows."""
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
        return self._priced("draw", lambda: self._generator.draw(state, seeds), state, state.rows)

    def draw_stochastic(self, state: Any, seeds: Sequence[int], level: float) -> Any:
        """The step with fresh noise, by an SDE (generators that are `Stochastic`), charged like `draw`."""
        return self._priced("draw", lambda: self._able.draw_stochastic(state, seeds, level), state, state.rows)

    def renoise(self, state: Any, step: int, seeds: Sequence[int]) -> Any:
        """Rows set back to an earlier step (generators that are `Renoisable`): only its time is charged."""
        return self._unpriced("renoise", lambda: self._able.renoise(state, step, seeds), step, state.rows)

    def mutate(self, state: Any, seeds: Sequence[int], rate: float) -> Any:
        """Rows moved a little away from their latents (generators that are `Mutable`): only its time is charged."""
        return self._unpriced("mutate", lambda: self._able.mutate(state, seeds, rate), state.step, state.rows)

    def join(self, states: Sequence[Any]) -> Any:
        """The rows of several states in one (generators that are `Mutable`): only its time is charged."""
        rows = [row for state in states for row in state.rows]
        return self._unpriced("join", lambda: self._able.join(states), states[0].step, rows)

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        """The rows with these indices, in this order; an index can be repeated."""
        rows = [state.rows[index] for index in indices]
        return self._unpriced("select", lambda: self._generator.select(state, indices), state.step, rows)

    def preview(self, state: Any) -> tuple[Any, Images]:
        """A state and previews of its rows; the state keeps the prediction the previews needed, so that it is charged only once."""
        if state.pending_preview:
            state = self.predict(state)
        images = self._shown("preview", self._generator.preview, state)
        self.looks.update(row.prompt for row in state.rows)
        return state, images

    def decode(self, state: Any) -> Images:
        """Finished rows as images."""
        return self._shown("decode", self._generator.decode, state)

    def _shown(self, operation: Operation, make: Callable[[Any], Images], state: Any) -> Images:
        """Images of all rows, of which verifiers hear that have to: telling them takes time as making them does.

        Raises RunFailed where the model has drawn no picture so far.
        """

        def work() -> Images:
            images = self._images(make, state)
            self._tell_of(state, images)
            return images

        images = self._priced(operation, work, state, state.rows)
        self._drawn.look(self.card.name, [state.conditioning.prompts[row.prompt] for row in state.rows], are_blank(images))
        return images

    def _priced(self, operation: Operation, work: Callable[[], Result], state: Any, rows: Sequence[Row]) -> Result:
        """Do what has a price, and charge it to `rows` of `state`."""
        result, seconds = self._timed(work)
        self._charge(operation, state, rows, seconds)
        return result

    def _unpriced(self, operation: Unpriced, work: Callable[[], Result], step: int, rows: Sequence[Row]) -> Result:
        """Do what has none, and charge its time to `rows`."""
        result, seconds = self._timed(work)
        self._spend(operation, step, rows, seconds)
        return result

    def _tell_of(self, state: Any, images: Images) -> None:
        for listener in self._tell:
            prompts = [state.conditioning.prompts[row.prompt] for row in state.rows]
            listener.hear(images, prompts, self._able.log_prob(state))

    def _images(self, make: Callable[[Any], Images], state: Any) -> Images:
        """Images of all rows; if memory runs out, made in parts."""
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
        """Passes of one row (to be counted by `_evaluated`), and the rest of its cost."""
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
        """NFE that an operation adds for a prompt; `passes`: transformer passes in one row's draw."""
        if operation == "predict":
            return self._evaluations[prompt].predicted(count)
        return self._evaluations[prompt].drawn(count, passes) if operation == "draw" else 0

    def _spend(self, name: Unpriced, step: int, rows: Sequence[Row], seconds: float) -> None:
        """Charge the time of an operation that has no static price."""
        self.largest_batch = max(self.largest_batch, len(rows))
        self.clock.add(name, step, len(rows), seconds)
        for prompt, count in Counter(row.prompt for row in rows).items():
            self.ledger.charge(prompt, Cost(seconds=seconds * count / len(rows)))
