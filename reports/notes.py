"""What a reader has to know before believing a number, with the run's own figures where it has them."""

from __future__ import annotations

from harness.compute import amounts
from models.blank import NO_NUMBERS
from reports.deadlines import deadline_notes
from reports.devices import device_notes
from reports.emphasis import emphasis_note
from reports.grades import SCORES
from reports.missing import nothing_drawn, nothing_returned
from reports.overlap import moves_budget
from reports.statistics import OVERALL
from reports.summary import Summary, of_random
from reports.verdict import listed
from results.prompts_needed import LEAST_OVERALL, LEAST_PROMPTS, least_prompts
from results.schema import GRADE

_PICTURE = ["run", "model", "search", "seed", "budget_unit", "budget", "prompt_id", "candidate", "step", "complete"]
"""What tells a picture from others in candidates, where all verifiers of a pool have a row of it."""
SHAPES_NOTICE = (
    "Tiny models trained on a toy world of coloured shapes. Nothing here is evidence about FLUX, Infinity or any other "
    "published model: it shows that the harness works and how searches behave where the truth is known."
)


def notes(summary: Summary) -> tuple[str, ...]:
    """Notes on reading, most important first."""
    return (
        *_what_nfe_hides(summary),
        "FLOPs count every multiply-add alike, however fast the machine does it; seconds are those of the machines named "
        "under protocol, shared evenly by the images of a batch. Neither is a law: look at all of them.",
        *_spending(summary),
        *deadline_notes(summary),
        *filter(None, [emphasis_note(summary)]),
        *_who_judges(summary),
        *_scores(summary),
        *_timing(summary),
        *device_notes(summary),
        "Intervals, where there are any, are 95 % intervals over prompts, within tasks, all seeds of a prompt "
        "together; they do not cover another training of the models or another verifier. Where all prompts of a task score the same "
        f"{'(as where all images are right, or all wrong) ' if summary.says_right(str(summary.truth)) else ''}"
        "nothing varies, and the interval is what so many prompts leave open. "
        f"A task with fewer than {LEAST_PROMPTS} "
        "prompts gets none, "
        f"nor do all tasks together with fewer than {LEAST_OVERALL} a task on average, and at least {LEAST_PROMPTS} in all.",
        *_moved(summary),
        *_nothing(summary),
        *_unscored(summary),
        *_blank(summary),
        *_repeated(summary),
        *_sources(summary),
    )


def _what_nfe_hides(summary: Summary) -> list[str]:
    points = summary.points[(summary.points["task"] == OVERALL) & (summary.points["nfe"] > 0)]
    random = points[of_random(points)]
    cost = (random["flops"] / random["nfe"]).groupby(random["model"]).mean()
    each = [f"{amounts.amount(float(flops), 'flops')} with {model}" for model, flops in cost.items()]
    measured = f" Here one pass of random search costs, all in, {' and '.join(each)}." if each else ""
    return [
        "NFE counts transformer passes, whatever their size: the first scale of an autoregressive model (one token) counts "
        "as much as the last, and as much as a denoising step of the whole picture. Guidance’s second half, the decoder, "
        "the text encoders and the verifier count nothing, and what a search saves by sharing prefixes does not show. "
        f"So a search that re-runs only late, expensive scales looks cheap in NFE.{measured}",
    ]


def _spending(summary: Summary) -> list[str]:
    """What x is, and how it stands to the budget."""
    if any(method.budget_unit == "seconds" for method in summary.methods):
        kept = "many searches cannot use all of it, and under a budget in seconds some go on after it"
    else:
        kept = "no search spends more than it was given (adaptive over all prompts together), and many cannot use all of it"
    return [f"x is what was really spent on average, not the budget asked for: {kept}."]


def _timing(summary: Summary) -> list[str]:
    """What makes seconds less sure than counts: the more so the fewer prompts share it."""
    first = "the first unit of a run pays for what later ones find warm, and other work on the machine shows"
    makings = summary.runs.makings.values()
    if makings and all(making.computed_on for making in makings):  # older units were not
        first = (
            "what a GPU, or a compiled model, does longer the first time is done before, unmeasured; elsewhere a model's first unit "
            "pays for what later ones find warm, and other work on the machine shows everywhere"
        )
    least = least_prompts(len(summary.tasks))
    prompts = len(summary.values)
    few = f"; with {amounts.counted(prompts, 'prompt')} a ranking by seconds is no finding" if prompts < least else ""
    return [f"Seconds are measured once: {first}{few}."]


def _who_judges(summary: Summary) -> list[str]:
    if summary.truth == GRADE:
        return [
            "The grader is the suite’s own evaluator and guides no search. A verifier’s own score rises under search "
            "whatever the picture; what counts is whether the grader agrees.",
        ]
    return [
        "No grader’s verdict in these runs: scores are by verifiers, and a verifier that guided the search is no judge "
        "of it. Look at the metrics that did not guide.",
    ]


def _scores(summary: Summary) -> list[str]:
    """What the grader gives where it does not say right or wrong."""
    if summary.truth != GRADE or summary.says_right(GRADE):
        return []
    tasks = [task.replace("_", " ") for task in summary.tasks if summary.grades.kind(task) == SCORES]
    others = [task.replace("_", " ") for task in summary.tasks if summary.grades.kind(task) != SCORES]
    which = "and say of no image that it is right or wrong"
    if others:
        which = f"in {listed(tasks)}; in {listed(others)} they say right (1) or wrong (0)"
    mixed = (
        " A task's scores are those of its own evaluator and on their own scale: compare methods within a task; the mean over tasks "
        "is led by the tasks whose scores lie furthest apart."
    ) if len(summary.tasks) > 1 else ""  # fmt: skip
    return [f"The grader's grades are scores {which}.{mixed}"]


def _moved(summary: Summary) -> list[str]:
    """What intervals over prompts do not see: that what one gets another lacks."""
    if not moves_budget(method.search for method in summary.methods):
        return []
    return [
        "adaptive moves its budget from one prompt to another, so its prompts are not independent, as intervals over prompts take "
        "them to be: those of adaptive, and of differences to it, are too narrow, by how much is not known. "
        "Take a lead that they only just settle for unsettled."
    ]


def _nothing(summary: Summary) -> list[str]:
    """How a search stands that returned no image for some prompts; left out, they would flatter whoever returns none of the hard ones."""
    selections, scores = summary.runs.selections, summary.runs.scores
    none, blank = (int(found(selections, scores).sum()) for found in (nothing_returned, nothing_drawn))
    if not none:
        return []
    where = " in the grader’s share of right images" if summary.says_right(str(summary.truth)) else ""
    graded = f"{summary.grades.nothing_counts}{where}, and " if summary.truth == GRADE else ""
    why = f", {blank} of them because all that the model drew is no numbers (NaN)" if blank else ""
    return [
        f"{none} of {len(selections)} searches returned no image within their budget{why}. Nothing returned {graded}has no score by a "
        "verifier: means of a verifier’s score are over the images that there are, and say so where these are fewer; methods are compared "
        "by it on the prompts that all of them have.",
    ]


def _repeated(summary: Summary) -> list[str]:
    """What runs that overlap have in common: no more evidence than once."""
    repeated = summary.runs.repeated
    if not repeated:
        return []
    searches = "1 search is" if repeated == 1 else f"{repeated} searches (of a prompt, under a seed and a budget) are"
    return [f"{searches} in more than one of these runs, with the same result, and taken once, with the times of the first run named."]


def _sources(summary: Summary) -> list[str]:
    """That numbers of different sources stand side by side."""
    sources = summary.runs.sources
    if sources < 2:
        return []
    return [f"Units of these runs were made by {sources} states of vistas' source, or of packages beside it: run them anew, into a new "
            "folder, unless what has changed makes no difference to them."]  # fmt: skip


def _blank(summary: Summary) -> list[str]:
    """How many pictures a model could not draw: searches choose from fewer by it, and pay for all."""
    made = summary.runs.candidates.drop_duplicates(_PICTURE)
    lost = made.loc[made["reason"] == NO_NUMBERS, "model"].value_counts().to_dict()
    every = made["model"].value_counts().to_dict()
    return [
        f"{count} of {every[model]} pictures of {model}, previews included, are no numbers (NaN) and unscored: they count in what was "
        "spent and are never chosen. If they are many, run the model with the setting dtype=float32."
        for model, count in lost.items()
    ]  # fmt: skip


def _unscored(summary: Summary) -> list[str]:
    points = summary.points
    missing = points[(points["task"] == OVERALL) & (points["metric"] == summary.truth)]["unscored"].sum()
    if not missing:
        return []
    return [f"{missing:.0f} scores by the truth are missing and left out of the means; scores.parquet says why of each."]
