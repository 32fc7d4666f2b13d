"""The model card: what the labels are, the data's licences, what the nets are for and what they are not."""

from __future__ import annotations

from keras_mtl.comparison.report.blocks import Heading, HtmlTable, List, Note, Section, Text
from keras_mtl.comparison.report.context import Context
from keras_mtl.data import utkface
from keras_mtl.evaluation.scoring import DRAWN

INTENDED = (
    "Research and teaching on multitask learning: whether one net for several tasks is as good as a net a task, and "
    "what is gained when its other branches are removed."
)
NOT_FOR = (
    "Do not use it to decide anything about a person: no access or age checks, no policing, hiring, insurance or "
    "advertising, no sorting of people by looks, nothing without the consent of those who are pictured."
)
OF_TASK = {
    "age": "Age is how old somebody looks to whoever labelled the picture, where the data have no record of it.",
    "gender": "Gender is one of two words because the data are binary, and it is nobody's identity.",
    "smile": "Smile is what a person saw in the picture: a mouth, not a feeling.",
    "emotion": "Emotion is what a person saw in a face, not what somebody felt.",
}
WEB = (
    "Pictures from the web are unevenly spread over ages, origins and cameras, and nets err unevenly too. Intervals "
    "cover the draw of test images and seeds, not this, and not pictures from elsewhere."
)


def section(context: Context) -> Section:
    """The card."""
    sources = _sources(context)
    drawn = [name for name, source in sources.items() if source["drawn"]]
    labels = [OF_TASK[name] for name in context.tasks if name in OF_TASK]
    labels += [
        f"{name.replace('_', ' ').capitalize()} is what its source says; nobody has checked it here."
        for name in context.tasks
        if name not in OF_TASK
    ]
    photos = len(drawn) < len(sources)
    grouped = photos and any(context.group_kinds(name) for name in context.tasks)
    blocks: list = [Note(DRAWN.format(sources=", ".join(drawn)))] if drawn else []
    blocks += [
        Heading("Intended use"),
        Text(INTENDED),
        Heading("Not to be used for"),
        Note(NOT_FOR),
        Heading("What the labels are"),
        List(([utkface.GUESSED] if context.of_utkface else []) + labels),
        Heading("Data and licences"),
        _licences(sources),
        Heading("Known errors"),
        Text("Errors by group stand under “Error by group” above." if grouped
             else "The data carry no groups, so that nobody can say here whom the nets are worse for."),
    ]  # fmt: skip
    if photos:
        blocks.append(Text(WEB))
    return Section("card", "Model card", blocks)


def _sources(context: Context) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for row in context.results.rows:
        for name, source in context.results.manifest(row, context.first_seed)["sources"].items():
            found.setdefault(name, source)
    return found


def _licences(sources: dict[str, dict]) -> HtmlTable:
    def licence(source: dict) -> str:
        known = source.get("licence") or "unknown"
        return "unknown: ask whoever gave you the data" if known == "unknown" else known

    rows = [
        (name, ", ".join(source["tasks"]), source.get("description", "–"), licence(source))
        for name, source in sources.items()
    ]
    return HtmlTable("Sources.", ["Source", "Tasks", "What it is", "Licence"], rows, (1, 2, 3))
