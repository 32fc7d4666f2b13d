"""The first section: what was compared, what came out, the table, and the differences as a picture."""

from __future__ import annotations

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.grid import as_good, chance
from keras_mtl.comparison.parts import end_of
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Figure, Heading, HtmlTable, List, Note, Panels, Section, Text
from keras_mtl.comparison.report.context import SYMBOLS, Context
from keras_mtl.comparison.report.costs import relative_cells, relative_head
from keras_mtl.comparison.report.plots import listed, vertical
from keras_mtl.comparison.verdicts import Difference
from keras_mtl.evaluation.scoring import DRAWN

LOOK = {"better": "better", "worse": "worse"}
SIGN = {"better": "▲", "worse": "▼"}
KINDS = {
    "multitask": "one multitask net for all of them",
    "single": "a single net a task, trained from scratch",
    "updates": "the single net with as many updates as the multitask net",
    "permuted": "the multitask net with the other tasks' labels permuted",
    "retrained": "the single net retrained as long as the pruned one",
    "pruned": "what is left of the multitask net when the other tasks' branches are removed, retrained",
    "frozen": "the same with its trunk frozen",
}


def section(context: Context) -> Section:
    """What was compared, in two sentences; verdicts; the table; the differences."""
    results = context.results
    blocks: list = [Text(_summary(context))]
    drawn = DRAWN.format(sources=", ".join(results.drawn))
    if results.drawn:
        blocks.append(Note(drawn))
    if context.table.differences:
        blocks += [Heading("Verdicts"), *(_verdicts(context, name) for name in context.tasks if _of(context, name))]
    else:
        blocks.append(Text("There is nothing to compare with: no single net was trained."))
    blocks += [Heading("The table"), _table(context), List([note for note in context.table.notes if note != drawn])]
    if context.table.differences:
        blocks += [Heading("Differences to the single net"), _forest(context), _differences(context)]
    if context.table.parts:
        blocks += [Heading("What of a difference is owed to what"), _parts(context)]
    return Section("overview", "What came out", blocks)


def _summary(context: Context) -> str:
    results = context.results
    variants = [KINDS[name] for name in KINDS if any(row.variant == name for row in results.rows)]
    ways = sum(1 for row in results.rows if row.weighting)
    if ways > 1:
        variants[0] += f", balanced in {ways} ways"
    names = [wording.task_name(name).lower() for name in context.tasks]
    entries = {name: context.table.entry(context.rows_of(name)[0], name) for name in context.tasks}
    counts = [f"{entry.images:,} of {wording.task_name(name).lower()}" for name, entry in entries.items() if entry]
    seeds = len(results.seeds)
    return (
        f"Compared here are nets that predict {wording.and_list(names)} from an image of {results.config.image_size} "
        f"pixels: {'; '.join(variants)}. Each was trained {_times(seeds)} and is measured on "
        f"the {results.split} images ({', '.join(counts)})."
    )


def _times(seeds: int) -> str:
    return "once, with one seed," if seeds == 1 else f"{seeds} times, with another seed each time,"


def _verdicts(context: Context, name: str) -> List:
    """A task's verdicts, a line for each net."""
    task, metric, base = context.tasks[name], context.metric(name), _single_title(context, name)
    unit, lines = wording.difference_unit(metric, task), []
    for difference in _of(context, name):
        estimate = difference.estimate
        size = f"{wording.number(metric, task, estimate.value, sign=True)} {unit}".rstrip()
        lines.append(
            f"{SIGN.get(difference.verdict, '○')} {difference.row.title}: {difference.verdict}, {size} "
            f"({wording.interval(metric, task, estimate, sign=True)})"
            + ("" if difference.as_good is None else f"; as good: {as_good(difference, task)}")
        )
    return List(lines, f"{wording.task_name(name)}, {wording.metric_name(metric)}, against {base}")


def _single_title(context: Context, task: str) -> str:
    return next((row.title for row in context.rows_of(task) if row.variant == "single"), "the single net")


def _table(context: Context) -> HtmlTable:
    head = ["Net"]
    for name, task in context.tasks.items():
        metric = context.metric(name)
        unit = f", {wording.unit(metric, task)}" if wording.unit(metric, task) else ""
        head.append(f"{wording.task_name(name)}\n{wording.metric_name(metric)}{unit}")
    rows = [
        [Cell(row.title), *(_figure(context, row, name) for name in context.tasks), *relative_cells(context, row)]
        for row in context.results.rows
    ]
    mean = "Mean over seeds" if len(context.results.seeds) > 1 else "One seed"
    signs = "; ▲ better and ▼ worse than the single net" if context.table.differences else ""
    caption = f"{mean}, with {context.percent} intervals{signs}."
    return HtmlTable(caption, [*head, *relative_head(context)], rows)


def _figure(context: Context, row: Row, name: str) -> Cell:
    task, metric, entry = context.tasks[name], context.metric(name), context.table.entry(row, name)
    if entry is None or metric.name not in entry.estimates:
        return Cell(wording.NONE)
    estimate, difference = entry.estimates[metric.name], context.table.difference(row, name)
    verdict = difference.verdict if difference else ""
    sign = f" {SIGN[verdict]}" if verdict in SIGN else ""
    shown = wording.number(metric, task, estimate.value)
    return Cell(shown + sign, wording.interval(metric, task, estimate), LOOK.get(verdict, ""))


def _differences(context: Context) -> HtmlTable:
    found = context.table.differences
    asked = any(difference.as_good is not None for difference in found)
    rows = []
    for difference in found:
        net, name, *cells = judged_cells(context, difference)
        good = [Cell(as_good(difference, context.tasks[difference.task]))] if asked else []
        rows.append([net, name, *cells, *good])
    return HtmlTable(
        f"Each net minus the single net of the same task, paired by seed and image, with {context.percent} intervals.",
        ["Net", "Task", "Difference", "p (Holm)", "Verdict", *(["As good"] if asked else [])],
        rows,
        words=(1, 4, 5) if asked else (1, 4),
    )


def _parts(context: Context) -> HtmlTable:
    rows = []
    for part in context.table.parts:
        _, name, *cells = judged_cells(context, part.difference)
        rows.append([Cell(end_of(part, context.results).title), name, Cell(part.owed_to), *cells])
    return HtmlTable(
        f"From the single net to each net, step by step, with {context.percent} intervals; the notes above say how.",
        ["Net", "Task", "Owed to", "Difference", "p (Holm)", "Verdict"],
        rows,
        words=(1, 2, 5),
    )


def judged_cells(context: Context, difference: Difference) -> list[Cell]:
    """Net, task, size with interval, p-value and verdict of a difference in a task."""
    task, metric = context.tasks[difference.task], context.metric(difference.task)
    estimate, verdict = difference.estimate, difference.verdict
    size = f"{wording.number(metric, task, estimate.value, sign=True)} {wording.difference_unit(metric, task)}"
    return [
        Cell(difference.row.title),
        Cell(wording.task_name(difference.task)),
        Cell(size.rstrip(), wording.interval(metric, task, estimate, sign=True)),
        Cell(chance(difference.adjusted_p)),
        Cell(f"{SIGN.get(verdict, '○')} {verdict}", look=LOOK.get(verdict, "same")),
    ]


def _forest(context: Context) -> Panels:
    figures = [_panel(context, name) for name in context.tasks if _of(context, name)]
    return Panels(figures, caption="Better than the single net on the tinted side, worse on the other one.")


def _of(context: Context, task: str) -> list:
    return [difference for difference in context.table.differences if difference.task == task]


def _panel(context: Context, name: str) -> Figure:
    import plotly.graph_objects as go

    task, metric = context.tasks[name], context.metric(name)
    differences, by = _of(context, name), wording.scale(metric)
    traces = []
    for index, difference in enumerate(differences):
        estimate, colour = difference.estimate, context.colour(difference.row)
        traces.append(
            go.Scatter(
                x=[by * estimate.value],
                y=[index],
                error_x={"array": [by * (estimate.high - estimate.value)],
                         "arrayminus": [by * (estimate.value - estimate.low)], "thickness": 2, "width": 5},
                mode="markers",
                marker={"color": colour, "size": 10, "symbol": SYMBOLS[difference.row.variant]},
                hovertemplate=f"{difference.row.title}<br>%{{x:+.2f}} "
                f"({wording.interval(metric, task, estimate, sign=True)})<br>{difference.verdict}<extra></extra>",
            )
        )  # fmt: skip
    ends = [by * abs(end) for d in differences for end in (d.estimate.low, d.estimate.high, d.estimate.value)]
    reach = 1.12 * max((end for end in ends if end == end), default=1.0) or 1.0
    left = metric.better == "lower"
    tint = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": -reach if left else 0, "x1": 0 if left else reach,
            "fillcolor": "rgba(38, 150, 90, 0.10)", "line": {"width": 0}, "layer": "below"}  # fmt: skip
    unit = wording.difference_unit(metric, task)
    better = "← better" if left else "better →"
    return Figure(
        f"{wording.task_name(name)}: {wording.metric_name(metric)}",
        f"Differences to {_single_title(context, name)}: "
        + "; ".join(
            f"{d.row.title} {wording.number(metric, task, d.estimate.value, sign=True)} {unit}, {d.verdict}"
            for d in differences
        ),
        listed(
            traces,
            [difference.row.title for difference in differences],
            x=f"difference, {unit} ({better})" if unit else f"difference ({better})",
            xaxis={"range": [-reach, reach]},
            shapes=[tint, vertical(0)],
        ),
    )
