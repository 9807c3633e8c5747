"""The generator protocol: six operations out of which every search is built.

All the compute is in `predict`; all the randomness is in `start` and `draw`. So the children of one parent share one `predict`:
predict, `select` c copies, then `draw` with c seeds. In raster order, where a token needs the one before it, a step is a row
of tokens and `draw` also runs, and carries the price of, the passes between the row's own tokens.

States are values: an operation returns a new state and leaves the old one usable.

Shape alphabet: B rows of a batch, N images, L tokens, D bits of a token, C channels, H W height and width, K scales or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from harness.ledger import Cost

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
    """A conditioning that may have lost text; one that takes prompts of any length need not say so."""

    @property
    def text_truncated(self) -> tuple[bool, ...]:
        """For each prompt, whether its end was read by no text encoder because it is longer than they take."""
        ...


def text_truncated(conditioning: Conditioning) -> tuple[bool, ...]:
    """For each prompt, whether text was lost."""
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
        """Row indices that the next `predict` really passes through the transformer: one per distinct parent, none when predicted."""
        ...

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Row indices whose prediction `preview` needs first (diffusion rows just drawn); always empty for AR."""
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
        """`text_tokens` of the conditioning of these prompts, without encoding them: prices depend on them."""
        ...

    def start(self, conditioning: Any, rows: Sequence[Row]) -> Any:
        """Rows before their first step: empty prefixes (AR) or noise drawn from each row's seed (diffusion) -> State."""
        ...

    def predict(self, state: Any) -> Any:
        """The transformer pass of the next step for `state.pending`; a no-op where nothing is pending -> State."""
        ...

    def draw(self, state: Any, seeds: Sequence[int]) -> Any:
        """The random part of the step, one seed a row: sample this scale's bits, or take this denoising step -> State, step + 1.

        Raises ValueError when the state is not predicted or `seeds` has another length than the rows.
        """
        ...

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        """Rows by index, with repetition: fork, prune, reorder; shares predictions and prefixes -> State."""
        ...

    def preview(self, state: Any) -> Images:
        """Best current guess of each final image: partial decode (AR), decoded x0-prediction (diffusion, needs a predicted state).

        Of the images' size, or with smaller sides (`SmallPreviews`).
        """
        ...

    def decode(self, state: Any) -> Images:
        """Finished rows (step K) as images."""
        ...

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Static price of one row (one prompt for "encode"): equal to the measured FLOP count of that call.

        `step` is `state.step` before the operation. "predict" carries forwards and model_flops, "draw" carries nfe (one per
        candidate and pass, whatever was shared: 1, or in raster order the tokens of a row, with the forwards and
        model_flops of the passes between them), "preview" and "decode" decode_flops, "decode" also images = 1; "embed"
        (`Refinable` only) decode_flops for one image through the encoder. ValueError for an operation it lacks.
        """
        ...


@runtime_checkable
class Perturbable(Protocol):
    """A generator whose start is a noise that can be moved: search over noises."""

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial noise of each seed, exactly what `start` would draw: float32 [B, ...] on the CPU."""
        ...

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> Any:
        """Rows that start from the given noise instead of their seeds' -> State."""
        ...


@runtime_checkable
class Stochastic(Protocol):
    """A generator whose deterministic steps have a stochastic form, so that one parent has many children (diffusion)."""

    def draw_stochastic(self, state: Any, seeds: Sequence[int], level: float) -> Any:
        """`draw` by the SDE of the same marginals, with `level` of its noise: 0 is `draw`, 1 ancestral sampling -> State.

        One seed a row; priced as "draw". Raises ValueError as `draw` does, and for a level outside 0 to 1.
        """
        ...


@runtime_checkable
class Renoisable(Protocol):
    """A generator whose rows can go back to an earlier step by adding noise (diffusion)."""

    def renoise(self, state: Any, step: int, seeds: Sequence[int]) -> Any:
        """Rows at an earlier `step`, by the forward noising of the marginals, one seed a row; no price -> State.

        Raises ValueError for a step that is not earlier than the state's, or another number of seeds than rows.
        """
        ...


@runtime_checkable
class Mutable(Protocol):
    """A generator whose rows have neighbours at every step, so that they can be bred (diffusion)."""

    def mutate(self, state: Any, seeds: Sequence[int], rate: float) -> Any:
        """Rows near their own latents, one seed a row; no price -> State, unpredicted.

        At step 0 sqrt(1 - rate^2) x + rate noise; later x + std noise, std what the SDE's last step has added.
        """
        ...

    def join(self, states: Sequence[Any]) -> Any:
        """The rows of several states of one conditioning and one step, in order, all predicted or none -> State."""
        ...


@runtime_checkable
class Mixed(Protocol):
    """A generator that predicts rows of several steps in one pass: its network is told the time of every row (diffusion).

    It is not among the `ABILITIES`, as no search needs it: where it is missing the meter predicts state by state, at the same price
    and, rounding apart, to the same images.
    """

    def predict_all(self, states: Sequence[Any]) -> list[Any]:
        """`predict` of states that may be at different steps, in as few passes as these allow; priced as "predict" -> States."""
        ...


@runtime_checkable
class Refinable(Protocol):
    """A generator that can start from images (diffusion)."""

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> Any:
        """One image a row, encoded and noised from the row's seed to `first_step(strength, K)`, at 1 the noise of `start` -> State.

        Priced as "embed". Raises ValueError for images of another size or number and for a strength outside (0, 1].
        """
        ...


def first_step(strength: float, steps: int) -> int:
    """The step at which an image is noised by `strength`: of K steps the last ceil(strength K) are left to do, at least one.

    diffusers' image-to-image pipelines, but for rounding, have the same. Raises ValueError for a strength outside (0, 1].
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength {strength:g} is outside (0, 1]; 1 keeps nothing of the image")
    return min(int(steps - steps * strength + 1e-9), steps - 1)


@runtime_checkable
class SmallPreviews(Protocol):
    """A generator whose previews can have smaller sides, for a part of a decode."""

    def with_previews(self, shrink: int) -> Any:
        """The same generator, the sides of its previews divided by `shrink`, as its card's settings and its prices say.

        Raises WrongInput for a `shrink` that does not divide the sides of its latents.
        """
        ...


@runtime_checkable
class Prefixed(Protocol):
    """A generator whose state is a prefix of discrete choices that a preview decodes without a transformer pass (AR)."""

    def log_prob(self, state: Any) -> torch.Tensor:
        """Log-probability of each row's choices so far under guidance, temperature and filters: float64 [B], in nats."""
        ...


ABILITIES: Mapping[str, tuple[type, ...]] = {
    "ar": (Prefixed,), "diffusion": (Perturbable, Stochastic, Renoisable, Mutable, Refinable),
    "pair": (Refinable,),
}  # fmt: skip
"""The abilities that a family can have: a search for both families asks each for its own."""
