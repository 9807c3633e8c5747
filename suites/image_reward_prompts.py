"""The hundred prompts that ImageReward ranks generators on."""

from suites.base import ProtocolCard
from suites.prompt_set import PromptSetSuite
from suites.sources import Source

_COMMIT = "1beb4e4de0932acbe7fc090c51208048b6269b58"
CARD = ProtocolCard(
    name="image-reward-prompts",
    version=f"THUDM/ImageReward {_COMMIT[:7]}",
    source="Xu et al.: ImageReward, arXiv 2304.05977; github.com/THUDM/ImageReward",
    licence="Apache-2.0",
    images_per_prompt=1,
    tasks=("prompts",),
    overall_over="prompts",
    overall="mean of ImageReward over all images",
)

SOURCE = Source(
    folder="image_reward",
    files={"benchmark-prompts.json": ""},
    url=f"https://raw.githubusercontent.com/THUDM/ImageReward/{_COMMIT}/benchmark/benchmark-prompts.json",
    obtain="benchmark/ of github.com/THUDM/ImageReward",
)


def image_reward_prompts() -> PromptSetSuite:
    """The suite."""
    return PromptSetSuite(CARD, SOURCE)
