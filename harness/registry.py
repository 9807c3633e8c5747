"""Names of models, searches, verifiers and suites, resolved on first use: `vistas --help` and `vistas list` need no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.assignments import name_of
from harness.entry import Entry
from harness.errors import WrongInput, unknown
from harness.plugins import plugins
from models.published import PublishedModel, published_models
from suites.published import published_graders
from verifiers.published import PublishedVerifier, published_features, published_verifiers


class UnknownName(WrongInput):
    """Raised for a name that is not registered; lists near ones and all."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(unknown(kind, name, known))


def published(model: PublishedModel) -> Entry:
    """The entry of a row of models/published.toml."""
    return Entry(model.loader, model.summary, model.family, model.domain, model.generator, row=model)


def published_verifier(row: PublishedVerifier) -> Entry:
    """The entry of a row of verifiers/published.toml."""
    return Entry(row.loader, row.summary, domain=row.domain, row=row)


MODELS: Mapping[str, Entry] = {
    "shapes-infinity": Entry(
        "models.shapes.load:chosen_infinity", "Infinity architecture, tiny, trained on the shapes world", "ar", "shapes",
        "models.infinity.generator:InfinityGenerator", settings={"temperature_factor": 1.0, "guidance_factor": 1.0, "share": True},
    ),
    "shapes-flux": Entry(
        "models.shapes.load:shapes_flux", "FLUX architecture, tiny, trained on the shapes world", "diffusion", "shapes",
        "models.diffusion.generator:DiffusionGenerator", settings={"guidance_factor": 1.0},
    ),
    **{name: published(model) for name, model in published_models().items()},
}

EMBEDDED = tuple(name for name, one in MODELS.items() if one.row is None)
"""Models that come with the package."""

SEARCHES: Mapping[str, Entry] = {
    "random": Entry("harness.search.random:Random", "best of N independent images"),
    "greedy": Entry("harness.search.beam:Greedy", "greedy token optimisation: one prefix, c rollouts per scale", "ar"),
    "beam": Entry("harness.search.beam:Beam", "w prefixes, c children each per scale or step, scored on rollouts or previews"),
    "lookahead": Entry("harness.search.lookahead:Lookahead", "beam with rollouts at chosen scales only", "ar"),
    "halving": Entry("harness.search.halving:Halving", "many begin, those whose previews score best are finished"),
    "smc": Entry("harness.search.smc:SMC", "particles weighted and resampled on previews: FK steering, DAS, BFS, SVDD"),
    "hybrid": Entry("harness.search.hybrid:Hybrid", "drafts searched on the first model of a pair, refined by the second", "pair"),
    "adaptive": Entry("harness.search.adaptive:Adaptive", "any search, its total moved between prompts by their scores"),
    "tts-var": Entry("harness.search.tts_var:TTSVar", "a batch that shrinks along the scales: clusters, then rewards", "ar"),
    "paths": Entry("harness.search.paths:Paths", "noise is added again to nearly finished images, the best go on", "diffusion"),
    "evolution": Entry("harness.search.evolution:Evolution", "generations bred along the denoising path (EvoSearch)", "diffusion"),
    "rbf": Entry("harness.search.rbf:RBF", "the first better child is taken, the rest of its quota rolls over", "diffusion"),
    "zero-order": Entry("harness.search.zero_order:ZeroOrder", "neighbours of a pivot noise, best becomes the pivot", "diffusion"),
}

VERIFIERS: Mapping[str, Entry] = {
    "shapes-clip": Entry("verifiers.load_embedded:shapes_clip", "CLIPScore: cosine of image and prompt", domain="shapes", few_words=True),
    "shapes-aesthetic": Entry("verifiers.load_embedded:shapes_aesthetic", "aesthetic head on the CLIP image embedding", domain="shapes"),
    "shapes-reward": Entry("verifiers.load_embedded:shapes_reward", "ImageReward architecture", domain="shapes", few_words=True),
    "shapes-ensemble": Entry(
        "verifiers.load_embedded:shapes_ensemble", "rank average of the three", domain="shapes", ensemble=True, few_words=True
    ),
    **{name: published_verifier(row) for name, row in published_verifiers().items()},
    "likelihood": Entry(
        "verifiers.likelihood:likelihood", "the autoregressive generator's own log-probability of an image; guides only",
        needs="models.base:Prefixed",
    ),
    "cascade": Entry(
        "verifiers.cascade:Cascade",
        "a cheap verifier for all candidates, an expensive one for the best N of a round: cascade:cheap=NAME,expensive=NAME,keep=N",
        ensemble=True,
    ),
    "ensemble": Entry(
        "verifiers.ensemble:Ensemble",
        "weighted rank average of any verifiers, ensemble:NAME=weight,…; alone: aesthetic, clip-score and image-reward",
        ensemble=True,
    ),
}

SUITES: Mapping[str, Entry] = {
    "geneval": Entry(
        "suites.geneval.suite:GenEvalSuite",
        "six compositional tasks graded by detection: 553 prompts, 343 in the shapes world",
    ),
    "drawbench": Entry(
        "suites.drawbench.suite:DrawBenchSuite", "200 prompts judged by verifiers; 180 graded exactly in the shapes world"
    ),
    "t2i-compbench": Entry(
        "suites.t2i_compbench.suite:T2ICompBenchSuite",
        "eight compositional categories: 2400 validation prompts; 200 of five in the shapes world",
    ),
    "parti": Entry("suites.parti:parti", "PartiPrompts: 1632 prompts judged by verifiers", domain="photo"),
    "dpg-bench": Entry("suites.dpg_bench:dpg_bench", "1065 dense prompts judged by verifiers", domain="photo"),
    "image-reward-prompts": Entry(
        "suites.image_reward_prompts:image_reward_prompts", "ImageReward's hundred prompts", domain="photo"
    ),
    "file": Entry("suites.prompt_file:FileSuite", "any file of prompts: --suite-file PATH (CSV, TSV, JSON, JSONL, TXT)"),
}

GRADERS: Mapping[str, Entry] = {
    name: Entry(grader.loader, grader.summary, domain=grader.domain, row=grader)
    for name, grader in published_graders().items()
}
"""What suites look at pictures with, where that has published weights."""

FEATURES: Mapping[str, Entry] = {name: published_verifier(row) for name, row in published_features().items()}
"""What searches that compare pictures with one another describe them by."""

_TABLES: Mapping[str, Mapping[str, Entry]] = {
    "model": MODELS, "search": SEARCHES, "verifier": VERIFIERS, "suite": SUITES, "grader": GRADERS, "features": FEATURES,
}


KINDS = tuple(_TABLES)
BESIDE = ("verifier", "grader", "features")
"""What has weights of its own and lies beside a model."""


def entry(kind: str, name: str) -> Entry:
    """The entry of a "model", "search", "verifier", "suite", "grader" or "features"; raises UnknownName with near names."""
    table = entries(kind)
    if name not in table:
        raise UnknownName(kind, name, list(table))
    return table[name]


def entries(kind: str) -> Mapping[str, Entry]:
    """All entries of one kind: those that come with vistas, then those of other packages. Raises WrongInput for a broken one."""
    brought = _brought(kind)
    return {**_TABLES[kind], **brought} if brought else _TABLES[kind]


@cache
def _brought(kind: str) -> Mapping[str, Entry]:
    from harness.named_searches import named_searches

    return plugins(kind, taken={*_TABLES[kind], *(named_searches() if kind == "search" else ())})


def kind_beside(text: str) -> str:
    """Of a name that may be a model's the kind of `BESIDE` that has it; "" where none does."""
    return next((kind for kind in BESIDE if name_of(text) in entries(kind)), "")


def published_row(name: str, model: Entry) -> PublishedModel:
    """The row of a published model's registry file; raises WrongInput for one that comes with the package."""
    if not isinstance(model.row, PublishedModel):
        raise WrongInput(f"{name} comes with the package and is no published model: name one of those (`vistas list models`)")
    return model.row
