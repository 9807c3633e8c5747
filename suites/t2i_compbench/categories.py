"""Which grader judges the photographs of which category; its name is that of the metric."""

from collections.abc import Mapping

GRADER_OF: Mapping[str, str] = {
    "color": "t2i-blip-vqa",
    "shape": "t2i-blip-vqa",
    "texture": "t2i-blip-vqa",
    "spatial": "t2i-spatial-owlv2",
    "3d_spatial": "t2i-spatial-3d-owlv2",
    "numeracy": "t2i-numeracy-owlv2",
    "non_spatial": "t2i-clip-score",
    "complex": "t2i-3-in-1-owlv2",
}
"""The metric of every category; it is also the name its weights are fetched by."""
