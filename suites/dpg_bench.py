"""DPG-Bench: 1065 dense prompts of about 67 words."""

from suites.base import ProtocolCard
from suites.prompt_set import PromptSetSuite
from suites.sources import Source

CARD = ProtocolCard(
    name="dpg-bench",
    version="TencentQQGYLab/ELLA 3c228f1",
    source="Hu et al.: ELLA, arXiv 2403.05135; github.com/TencentQQGYLab/ELLA",
    licence="Apache-2.0",
    images_per_prompt=4,
    tasks=("dense",),
    overall_over="prompts",
    overall="mean of a verifier's score over all prompts; the official figure, mPLUG asked about the four images, is not made here",
)

SOURCE = Source(
    folder="dpg_bench",
    files={"dpg_bench_prompts.json": "", "*.txt": ""},
    obtain="dpg_bench/prompts of github.com/TencentQQGYLab/ELLA (ID.txt with one prompt each)",
)
PROMPTS_SHA256 = "5266a1c378aada9246c80b3301c3f170451dd65d468e55917e2fa514ba70a50a"


def dpg_bench() -> PromptSetSuite:
    """The suite."""
    return PromptSetSuite(CARD, SOURCE, PROMPTS_SHA256)
