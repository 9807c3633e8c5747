"""The words of the shapes world: its kinds and colours, and what of a caption carries no requirement."""

from suites.geneval.wording import NUMBER_WORDS, RELATIONS, plural

IMAGE_SIDE = 48
"""Height and width of a picture in pixels."""

KINDS = ("circle", "square", "triangle", "diamond", "star", "heart", "cross", "ring", "moon", "arrow")

COLOURS = {
    "red": (220, 30, 35),
    "orange": (250, 135, 15),
    "yellow": (240, 215, 25),
    "green": (35, 160, 65),
    "blue": (30, 85, 220),
    "purple": (130, 45, 170),
    "pink": (250, 125, 190),
    "black": (25, 25, 30),
}
"""Colour names (GenEval's, without brown and white) and the RGB they are painted with."""
COLOUR_NAMES = tuple(COLOURS)

BACKGROUNDS = ((246, 246, 242), (222, 234, 246), (246, 236, 220), (226, 242, 226))
"""Plain light tints behind the shapes, RGB."""

STOP_WORDS = ("a", "an", "photo", "of", "and")
"""Words that carry no requirement; the embedded models' tokenizer drops them."""


def content_words() -> tuple[str, ...]:
    """Return every word a caption can hold besides the stop words, in a fixed order."""
    relation_words = tuple(relation.split()[0] for relation in RELATIONS)
    return (*NUMBER_WORDS.values(), *relation_words, *COLOURS, *KINDS, *(plural(kind) for kind in KINDS))
