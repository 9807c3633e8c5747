"""Which grader judges the photographs of which category, its name being that of the metric, and between which ends its scores lie."""

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
ENDS: Mapping[str, tuple[float, float]] = {
    "t2i-blip-vqa": (0, 1),
    "t2i-spatial-owlv2": (0, 1),
    "t2i-spatial-3d-owlv2": (0, 1),
    "t2i-numeracy-owlv2": (0, 1),
    "t2i-clip-score": (-1, 1),
    # At worst the mean of a cosine of -1 and an attribute score of 0.
    "t2i-3-in-1-owlv2": (-0.5, 1),
}
"""The least and the most that a grader gives: products of probabilities, cosines, and means of them."""
