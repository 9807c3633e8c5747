"""The words GenEval's prompts are made of: objects, colours, and which objects take no colour."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Vocabulary:
    """Objects and colours in drawing order; the draws are indices, so the order is part of the prompt set."""

    objects: tuple[str, ...]
    colors: tuple[str, ...]
    colorless: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Raise ValueError on repeated words, a colourless word that is no object, or too few words to draw from."""
        for name, words in (("objects", self.objects), ("colors", self.colors)):
            if len(set(words)) != len(words):
                repeated = sorted({word for word in words if words.count(word) > 1})
                raise ValueError(f"vocabulary {name} repeat {repeated}: list every word once")
        if unknown := sorted(self.colorless - set(self.objects)):
            raise ValueError(f"colorless {unknown} are not among the objects: add them there or drop them here")
        if len(self.colorable) < 2 or len(self.colors) < 2:
            raise ValueError(
                f"{len(self.colorable)} colorable objects and {len(self.colors)} colors: "
                "color_attr pairs need at least two of each"
            )

    @property
    def colorable(self) -> tuple[str, ...]:
        """The objects that take a colour, in drawing order."""
        return tuple(word for word in self.objects if word not in self.colorless)


# COCO's 80 classes in COCO's order: the position in this tuple is the detector's class index, so a detector is matched
# by index, never by name (three names differ from COCO's: computer mouse, tv remote, computer keyboard).
PHOTO_OBJECTS: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "computer mouse", "tv remote",
    "computer keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock",
    "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

PHOTO = Vocabulary(
    objects=PHOTO_OBJECTS,
    colors=("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    colorless=frozenset({"person"}),
)
