"""The DrawBench suite: its protocol card and its prompts in either domain."""

from suites.base import ProtocolCard
from suites.drawbench.shapes import MEASURES, shapes_prompts
from suites.prompt_set import PromptSetSuite
from suites.sources import Source

CARD = ProtocolCard(
    name="drawbench",
    version="200 prompts, hub sayakpaul/drawbench ad794cba698c",
    source="Saharia et al.: Imagen, arXiv 2205.11487; hub sayakpaul/drawbench",
    licence="not stated by its authors; the copy on the hub says Apache-2.0",
    images_per_prompt=1,
    tasks=(
        "Colors", "Conflicting", "Counting", "DALL-E", "Descriptions", "Gary Marcus et al.", "Misspellings", "Positional",
        "Rare Words", "Reddit", "Text",
    ),
    overall="mean of a verifier's score over the 200 prompts; no official automatic metric (the paper asks people)",
    overall_over="prompts",
    settings={"shapes": dict(MEASURES)},
)  # fmt: skip

SOURCE = Source(
    folder="drawbench",
    files={"drawbench.tsv": "", "drawbench.csv": "", "imagen.csv": ""},
    hub="sayakpaul/drawbench",
    revision="ad794cba698c253ffdb6d18eff3fc87b004c1135",
    obtain="the hub's sayakpaul/drawbench, as CSV or TSV with columns Prompt and Category",
)
PROMPTS_SHA256 = "4056f6f1125417b3964a1623200158d7de26ee5869d2be8661737297ddca0dd1"


class DrawBenchSuite(PromptSetSuite):
    """200 prompts in eleven categories, or six tasks in the shapes vocabulary (`drawbench@shapes`)."""

    def __init__(self) -> None:
        super().__init__(CARD, SOURCE, PROMPTS_SHA256, shapes_prompts)
