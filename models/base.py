"""The generator protocol: six operations out of which every search is built.

All the compute is in `predict`; all the randomness is in `start` and `draw`. So the children of one parent share one `predict`:
`predict`, then `select` c copies, then `draw` with c seeds. In raster order, where a token needs the one before it, a step is a
row of tokens; there `draw` also runs the passes between the row's own tokens, and its price includes them.

States are values: an operation returns a new state, and the old one can still be used.

Shape alphabet: B rows of a batch, N images, L tokens, D bits of a token, C channels, H W height and width, K scales or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from harness.compute.ledger import Cost

if TYPE_CHECKING:
    import torch

Images: TypeAlias = "torch.Tensor"
"""uint8 [N, 3, H, W] on the CPU: what is scored in memory is exactly what the saved PNG holds."""

Operation: TypeAlias = Literal["encode", "predict", "draw", "preview", "decode", "embed"]
Family: TypeAlias = Literal["ar", "diffusion", "pair"]
Domain: TypeAlias = Literal["photo", "shapes"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a report has to know about a generator."""

    name: str
    family: Family
    domain: Domain
    steps: int
    """Steps of one image: scales or rows of tokens (AR), denoising steps (diffusion)."""
    image_size: tuple[int, int]
    """Height and width in pixels."""
    parameters: int
    """Parameters of the transformer."""
    weights_sha256: str
    """One hash over all weight files; part of every unit's key."""
    licence: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Sampling settings that change the images: guidance, temperatures, schedule."""


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate: the prompt it belongs to (index into the conditioning) and the seed of its start."""

    prompt: int
    seed: int


class Conditioning(Protocol):
    """Encoded prompts; text is encoded once per prompt, whatever the number of candidates."""

    @property
    def prompts(self) -> tuple[str, ...]: ...

    @property
    def text_tokens(self) -> tuple[int, ...]:
        """Text tokens of each prompt that the transformer attends to; prices depend on them."""
        ...


@runtime_checkable
class Truncated(Protocol):
    """A conditioning that may not have read all of a prompt; one that takes prompts of any length need not implement this."""

    @property
    def text_truncated(self) -> tuple[bool, ...]:
        """For each prompt, whether it is longer than all text encoders can read, so that its end was not read."""
        ...


@runtime_checkable
class Reading(Protocol):
    """A generator that knows which prompts it would not read to the end, without encoding them; `Truncated` says it afterwards."""

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """For each prompt, whether its end would not be read."""
        ...


def text_truncated(conditioning: Conditioning) -> tuple[bool, ...]:
    """For each prompt, whether its end was not read."""
    if isinstance(conditioning, Truncated):
        return conditioning.text_truncated
    return (False,) * len(conditioning.prompts)


class State(Protocol):
    """Candidates of one or more prompts, all at the same step."""

    @property
    def conditioning(self) -> Conditioning: ...

    @property
    def rows(self) -> tuple[Row, ...]: ...

    @property
    def step(self) -> int:
        """Draws done so far, 0 to K; at K the rows are finished."""
        ...

    @property
    def pending(self) -> tuple[int, ...]:
        """Row indices that the next `predict` will pass through the transformer: one per distinct parent, none if already predicted."""
        ...

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Row indices that need a prediction before `preview` (diffusion rows that were just drawn); always empty for AR."""
        ...


@runtime_checkable
class Generator(Protocol):
    """A text-to-image model cut into the operations that search needs."""

    @property
    def card(self) -> ModelCard: ...

    @property
    def device(self) -> torch.device: ...

    def encode(self, prompts: Sequence[str]) -> Any:
        """Text features of each prompt, computed once per prompt -> Conditioning."""
        ...

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """What `Conditioning.text_tokens` will be for these prompts, without encoding them; prices depend on it."""
        ...

    def start(self, conditioning: Any, rows: Sequence[Row]) -> Any:
        """Rows before their first step: empty prefixes (AR) or noise drawn from each row's seed (diffusion) -> State."""
        ...

    def predict(self, state: Any) -> Any:
        """The transformer pass of the next step for `state.pending`; does nothing if no row is pending -> State."""
        ...

    def draw(self, state: Any, seeds: Sequence[int]) -> Any:
        """The random part of the step, one seed a row: sample this scale's bits, or take this denoising step -> State, step + 1.

        Raises ValueError if the state is not predicted, or if there are not as many seeds as rows.
        """
        ...

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        """The rows with these indices, in this order; an index can be repeated, and a row left out -> State.

        So it forks, prunes and reorders; predictions and prefixes are shared between copies.
        """
        ...

    def preview(self, state: Any) -> Images:
        """Best current guess of each final image: partial decode (AR), decoded x0-prediction (diffusion, needs a predicted state).

        They have the size of the images, or smaller height and width (`SmallPreviews`).
        """
        ...

    def decode(self, state: Any) -> Images:
        """Finished rows (step K) as images; a row that is no numbers is a blank (models/blank.py), as in `preview`."""
        ...

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Static price of one row (one prompt for "encode"); its FLOPs equal the measured FLOP count of that call.

        `step` is `state.step` before the operation. What each operation has:
        "predict": forwards and model_flops.
        "draw": nfe, one per candidate and pass, shared or not: 1, or in raster order the tokens of a row, with the
        forwards and model_flops of the passes between them.
        "preview" and "decode": decode_flops; "decode" also images = 1.
        "embed" (`Refinable` only): decode_flops of one image through the encoder.
        Raises ValueError for an operation that the generator does not have.
        """
        ...


@runtime_checkable
class Perturbable(Protocol):
    """A generator that starts from a noise which can be replaced by a neighbouring one, for search over noises."""

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial noise of each seed, exactly what `start` would draw: float32 [B, ...] on the CPU."""
        ...

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> Any:
        """Rows that start from the given noise instead of the noise of their seeds -> State."""
        ...


@runtime_checkable
class Stochastic(Protocol):
    """A generator whose deterministic steps also have a form with noise, so that one parent can have many children (diffusion)."""

    def draw_stochastic(self, state: Any, seeds: Sequence[int], level: float) -> Any:
        """`draw` by the SDE with the same marginals; `level` scales its noise: 0 is `draw`, 1 is ancestral sampling -> State.

        One seed for each row; priced as "draw". Raises ValueError as `draw` does, and for a level outside 0 to 1.
        """
        ...


@runtime_checkable
class Renoisable(Protocol):
    """A generator whose rows can go back to an earlier step by adding noise (diffusion)."""

    def renoise(self, state: Any, step: int, seeds: Sequence[int]) -> Any:
        """Rows set back to an earlier `step` by adding the noise of the forward process, one seed for each row; no price -> State.

        Raises ValueError if `step` is not earlier than the state's, or if there are not as many seeds as rows.
        """
        ...


@runtime_checkable
class Mutable(Protocol):
    """A generator whose rows can be moved a little at every step, as evolutionary searches need it (diffusion)."""

    def mutate(self, state: Any, seeds: Sequence[int], rate: float) -> Any:
        """Rows moved a little away from their latents x, one seed for each row; no price -> State, unpredicted.

        At step 0: sqrt(1 - rate^2) x + rate noise. Later: x + std noise, with the std that the SDE's last step has added.
        """
        ...

    def join(self, states: Sequence[Any]) -> Any:
        """The rows of several states in one, in order; all at one step of one conditioning, all predicted or none -> State."""
        ...


@runtime_checkable
class Mixed(Protocol):
    """A generator that can predict rows of several steps in one pass, because its network gets the time of every row (diffusion).

    It is not among the `ABILITIES`, because no search needs it: without it the meter predicts state by state, at the same
    price and, except for rounding, with the same images.
    """

    def predict_all(self, states: Sequence[Any]) -> list[Any]:
        """`predict` of states that may be at different steps, in as few passes as possible; priced as "predict" -> States."""
        ...


@runtime_checkable
class Refinable(Protocol):
    """A generator that can start from images (diffusion)."""

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> Any:
        """One image for each row, encoded, then noised to `first_step(strength, K)` with the noise of the row's seed -> State.

        At strength 1 this is the noise of `start`. Priced as "embed". Raises ValueError for images of another size or number,
        and for a strength outside (0, 1].
        """
        ...


def first_step(strength: float, steps: int) -> int:
    """The step to which an image is noised by `strength`: of K steps the last ceil(strength K) remain to be done, at least one.

    Except for rounding, diffusers' image-to-image pipelines do the same. Raises ValueError for a strength outside (0, 1].
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength {strength:g} is outside (0, 1]; 1 keeps nothing of the image")
    return min(int(steps - steps * strength + 1e-9), steps - 1)


@runtime_checkable
class SmallPreviews(Protocol):
    """A generator that can make previews of smaller height and width, which cost only a part of a full decode."""

    def with_previews(self, shrink: int) -> Any:
        """The same generator with the height and width of its previews divided by `shrink`; its card's settings and its prices say so.

        Raises WrongInput if `shrink` does not divide the height and width of its latents.
        """
        ...


@runtime_checkable
class Prefixed(Protocol):
    """A generator whose state is a prefix of discrete choices, which a preview decodes without a transformer pass (AR)."""

    def log_prob(self, state: Any) -> torch.Tensor:
        """Log-probability of each row's choices so far under guidance, temperature and filters: float64 [B], in nats."""
        ...


ABILITIES: Mapping[str, tuple[type, ...]] = {
    "ar": (Prefixed,), "diffusion": (Perturbable, Stochastic, Renoisable, Mutable, Refinable),
    "pair": (Refinable,),
}  # fmt: skip
"""The abilities that a family can have: a model must have those abilities its search needs that are listed for its family."""
