"""T2I-CompBench's categories and where their validation prompts come from (github.com/Karine-Huang/T2I-CompBench)."""

from suites.sources import Source

CATEGORIES = ("color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex")
SPLIT = "val"
PROMPTS_SHA256 = "5f70908487420e9ac8a0e6ad55c78bfdbbfc213ebcfc352924cdf20ddfa3148f"

SOURCE = Source(
    folder="t2i_compbench",
    files={f"{category}_{SPLIT}.txt": category for category in CATEGORIES},
    hub="NinaKarine/t2i-compbench",
    revision="18f3f268acaf39c89f8a3afcc2b471243042c927",
    subsets={f"{category}_{SPLIT}": category for category in CATEGORIES},
    obtain="examples/dataset of github.com/Karine-Huang/T2I-CompBench",
)
