"""PartiPrompts (P2): 1632 prompts in twelve categories."""

from suites.base import ProtocolCard
from suites.prompt_set import PromptSetSuite
from suites.sources import Source

CARD = ProtocolCard(
    name="parti",
    version="google-research/parti 5a65797",
    source="Yu et al.: Parti, arXiv 2206.10789; github.com/google-research/parti",
    licence="Apache-2.0",
    images_per_prompt=1,
    tasks=(
        "Abstract", "Animals", "Artifacts", "Arts", "Food & Beverage", "Illustrations", "Indoor Scenes", "Outdoor Scenes", "People",
        "Produce & Plants", "Vehicles", "World Knowledge",
    ),
    overall_over="prompts",
    overall="mean of a verifier's score over all prompts; no official automatic metric",
)  # fmt: skip

SOURCE = Source(
    folder="parti",
    files={"PartiPrompts.tsv": ""},
    hub="nateraw/parti-prompts",
    revision="944b156abfdad7627c3221b5ec4f6a6fb060a197",
    obtain="github.com/google-research/parti",
)
PROMPTS_SHA256 = "2ec99ac6606e5beb26c1db684888c857ed2164a6246d393169ae2a3fa09f537d"


def parti() -> PromptSetSuite:
    """The suite."""
    return PromptSetSuite(CARD, SOURCE, PROMPTS_SHA256)
