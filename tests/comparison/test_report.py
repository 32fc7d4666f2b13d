"""The report: what stands in it for all sorts of comparisons, and that a browser shows it as it should."""

from __future__ import annotations

import base64
import html
import json
import pathlib
import re
import shutil
import types

import numpy as np
import pytest
from browser import DESKTOP, PHONE, browser, errors, requests
from comparison.fabricated import fabricate, rewrite
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from keras_mtl.comparison.report import write_report
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.report.pictures import nets
from keras_mtl.comparison.report.wording import large, number
from keras_mtl.comparison.table import build_table
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.predictions import labels_and_predictions
from keras_mtl.tasks import BUILT_IN, Task
from keras_mtl.uncertainty.conformal import half_width, wilson
from keras_mtl.uncertainty.temperature import at_temperature, fit_temperature

EMOTION = Task("emotion", "multiclass", classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
MOOD = Task("mood_level", "ordinal", classes=("low", "<middle>", "high"))


def _fabricate(path: pathlib.Path, **settings):
    return fabricate(path, **{**settings})


def _costs(results) -> dict:
    return {
        row.key: types.SimpleNamespace(
            parameters=11_249_211 if row.task is None else 11_181_133,
            megabytes=45.0,
            flops=297_000_000,
            training_flops=float("nan") if row.variant == "frozen" else 5e14,
            latency_ms={1: 5.0, 64: 70.0},
        )
        for row in results.rows
    }


def _write(results, path: pathlib.Path, costs=None, **options) -> str:
    write_report(results, build_table(results), _costs(results) if costs is None else costs, path, **options)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return _fabricate(tmp_path_factory.mktemp("compared"), pictures=True)


@pytest.fixture(scope="module")
def report(results, tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    _write(results, path)
    return path


def text_of(page: str) -> str:
    """What a reader sees: without scripts, styles and tags."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def headings(page: str) -> list[str]:
    return [html.unescape(title) for title in re.findall(r"<h2 id=[^>]*>(.*?)</h2>", page)]


def test_the_report_has_every_section_and_row(report, results):
    page = report.read_text("utf-8")
    assert headings(page) == [
        "What came out", "Learning curves", "Values predicted", "Classes predicted", "Error by group", "Cost",
        "Worst and typical pictures", "The nets", "How to repeat it", "Model card",
    ]  # fmt: skip
    seen = text_of(page)
    assert all(row.title in seen for row in results.rows)
    assert "Do not use it to decide anything about a person" in seen
    assert page.count("data:image/jpeg;base64,") == 3 * 2 * 6
    for cell in results.cells:
        assert f"--flagfile={cell.run.flags_path} --name={cell.run.path.name}-again" in seen


def test_the_tables_numbers_are_those_of_the_table(report, results):
    seen = text_of(report.read_text("utf-8"))
    table = build_table(results)
    for entry in table.entries:
        task = BUILT_IN[entry.task]
        metric = metrics_for(task)["accuracy" if task.classes else "mae"]
        estimate = entry.estimates[metric.name]
        low, high = (number(metric, task, end) for end in (estimate.low, estimate.high))
        assert f"{number(metric, task, estimate.value)}" in seen
        assert f"{low} to {high}" in seen
    for note in table.notes:
        assert note in seen


def test_groups_that_the_data_name_are_reported_in_their_words(tmp_path):
    """None of the fabricated emotions' pictures has a name that tells anything."""
    results = _fabricate(tmp_path, seeds=1, images=90, tasks=[EMOTION, "smile"])
    for row in results.rows:
        for seed in results.seeds:
            rewrite(results, row, seed, _with_sites)
    page = text_of(_write(results, tmp_path / "report.html", costs={}))
    assert "Emotion by camera site: accuracy, %." in page and "Emotion by place: accuracy, %." in page
    assert "Camera site Images Multitask-ResNet-18" in page and "The camera site of 1 image is unknown." in page
    assert "The images of smile carry no groups." in page and "Of 45 groups by place the 30 largest are shown." in page
    assert "Errors by group stand under" in page
    assert "UTKFace" not in page and "race" not in page.lower().split()


def _with_sites(frame):
    number = frame.index.to_series()
    own = frame["source"] == "csv_emotion"
    sites = number.mod(3).map({0: "north", 1: "south", 2: "<hill>"}).where(own & (number > 0))
    return frame.assign(
        **{"group:camera_site": sites, "group:place": ("place " + (number // 2).astype(str)).where(own)}
    )


def test_calibration_and_coverage_are_those_of_the_predictions(report, results):
    page = text_of(report.read_text("utf-8"))
    row, task, smile = results.rows[0], BUILT_IN["age"], BUILT_IN["smile"]
    held, squares = [], []
    for seed in results.seeds:
        fitted_on, frame = (results.predictions(row, seed, split) for split in ("validation", "test"))
        labels, predictions = labels_and_predictions(frame, task)
        width = half_width(*labels_and_predictions(fitted_on, task))
        held.append(np.abs(labels - predictions) <= width)
        labels, probabilities = labels_and_predictions(frame, smile)
        tempered = at_temperature(probabilities, fit_temperature(*labels_and_predictions(fitted_on, smile)))
        squares.append(metrics_for(smile)["brier"](labels, tempered))
    table = page[page.index("Age by true value, years: share of the test labels in their interval.") :]
    low, high = wilson(np.mean(held), len(held[0]))
    assert f"All 200 {100 * np.mean(held):.1f} % {100 * low:.1f} to {100 * high:.1f}" in table
    assert "Age by race" in page and "20–29" in table
    table = page[page.index("Calibration of smile on the test images as trained and scaled") :]
    assert f"{np.mean(squares):.3f}" in table[: table.index("Error by group")]
    assert "Calibration error Brier score Temperature Calibration error, scaled" in table


def test_small_groups_are_shown_and_greyed(report):
    page = report.read_text("utf-8")
    ages = re.search(r"<table aria-label=\"Gender by age.*?</table>", page, re.S)
    counts = [int(count) for count in re.findall(r'class="few number">(\d+)</td>', ages[0])]
    assert counts and max(counts) < 30


@pytest.mark.parametrize(
    ("tasks", "settings", "missing"),
    [
        ([EMOTION], {"seeds": 1}, ["Values predicted"]),
        (["age"], {"seeds": 2, "variants": ("single",)}, ["Classes predicted"]),
        (["smile", MOOD], {"seeds": 1, "variants": ("multitask", "pruned")}, ["Values predicted"]),
    ],
    ids=["seven classes, one seed", "one regression, single nets only", "ordinal, no single nets"],
)
def test_other_tasks_and_nets(tasks, settings, missing, tmp_path):
    results = _fabricate(tmp_path, images=60, tasks=tasks, **settings)
    page = _write(results, tmp_path / "report.html", costs={})
    assert not set(missing) & set(headings(page))
    seen = text_of(page)
    assert "No costs were measured" in seen
    assert "The pictures can't be shown here" in seen
    assert "<middle>" not in re.sub(r"<script\b.*?</script>", "", page, flags=re.S)
    for name in results.tasks:
        assert name.replace("_", " ") in seen.lower()
    if "single" not in results.config.compared:
        assert "no single net was trained" in seen


def test_without_pictures_there_are_none(results, tmp_path):
    page = _write(results, tmp_path / "report.html", with_pictures=False)
    assert "data:image/jpeg" not in page
    assert "Worst and typical pictures" not in headings(page)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not there: it draws the nets")
def test_nets_are_drawn_layer_by_layer(tiny_model, tmp_path):
    results = _fabricate(tmp_path, seeds=1, images=20)
    for row in results.rows:
        if row.variant in ("multitask", "pruned"):
            tiny_model.save(results.cell(row, 0).run.model_path)
    drawn = nets(Context(results, build_table(results), {})).blocks
    assert [block.summary for block in drawn] == [
        "Multitask-ResNet-18, layer by layer",
        "ResNet-18-Age-Pruned, layer by layer",
    ]
    picture = base64.b64decode(drawn[0].blocks[0].uri.partition(",")[2]).decode()
    assert all(name in picture for name in ("stage4", "age", "gender", "smile"))


def test_drawn_faces_are_named_as_such(tmp_path):
    results = _fabricate(tmp_path, seeds=1, images=40, tasks=["smile"], variants=("single",))
    for cell in results.cells:
        for path in (cell.run.metrics_path, cell.run.manifest_path):
            plain = json.loads(path.read_text())
            if "sources" in plain:
                plain["sources"]["csv_smile"]["drawn"] = True
            else:
                plain["test"]["drawn"] = ["csv_smile"]
            path.write_text(json.dumps(plain))
    seen = text_of(_write(results, tmp_path / "report.html", costs={}))
    assert seen.count("drawn faces, not people") == 2  # at the beginning and in the model card


def test_numbers_are_written_for_reading():
    assert [large(x) for x in (11_249_211, 297e6, 5e14, 12.0, float("nan"))] == ["11.2 M", "297 M", "500 T", "12", "–"]
    age, smile = BUILT_IN["age"], BUILT_IN["smile"]
    mae, accuracy = metrics_for(age)["mae"], metrics_for(smile)["accuracy"]
    assert number(mae, age, -1.234, sign=True) == "−1.23"
    assert number(accuracy, smile, 0.0123, sign=True) == "+1.2"
    assert number(mae, age, -0.0001, sign=True) == "0.00"


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=[PHONE, DESKTOP])
def page(request, theme, report):
    """The report in a browser, when all is drawn."""
    with browser(width=request.param, theme=theme) as driver:
        driver.get(report.as_uri())
        WebDriverWait(driver, 60).until(lambda d: d.execute_script(DRAWN))
        yield driver


DRAWN = """return document.documentElement.dataset.drawn > 0
    && [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('svg.main-svg'))"""
INSIDE = """return [...document.querySelectorAll('.plot svg')].every(
    (svg) => svg.getBoundingClientRect().right <= innerWidth)"""
GROUND = "return getComputedStyle(document.body).backgroundColor"
INK = "return getComputedStyle(document.querySelector('.plot .xtick text')).fill"


def brightness(colour: str) -> float:
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 765


def test_in_a_browser_it_is_all_there_and_asks_for_nothing(page, theme, results):
    asked = [address for address in requests(page) if not address.startswith(("file:", "data:", "blob:"))]
    assert asked == []
    assert errors(page) == []
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    wide = (
        "return [...document.querySelectorAll('.plot svg')].every((s) => s.getBoundingClientRect().right <= innerWidth)"
    )
    assert page.execute_script(wide)
    assert page.execute_script("return [...document.images].every((image) => image.alt)")
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert len(page.find_elements(By.TAG_NAME, "h1")) == 1
    assert all(page.find_elements(By.TAG_NAME, landmark) for landmark in ("header", "nav", "main", "footer"))
    for link in page.find_elements(By.CSS_SELECTOR, "nav a"):
        assert page.find_elements(By.ID, link.get_attribute("href").partition("#")[2])
    table = page.find_element(By.CSS_SELECTOR, "#overview table").text
    assert all(row.title in re.sub(r"-\n", "-", table) for row in results.rows)
    plots = page.find_elements(By.CSS_SELECTOR, ".plot")
    assert all(len(plot.get_attribute("aria-label")) > 40 for plot in plots)


def test_the_theme_is_the_systems_until_it_is_changed(page, theme):
    dark = theme == "dark"
    assert (brightness(page.execute_script(GROUND)) < 0.5) == dark
    assert (brightness(page.execute_script(INK)) > 0.5) == dark
    button = page.find_element(By.ID, "theme")
    button.send_keys("\n")
    WebDriverWait(page, 30).until(lambda d: (brightness(d.execute_script(INK)) > 0.5) != dark)
    assert (brightness(page.execute_script(GROUND)) < 0.5) != dark
    button.send_keys("\n")
    WebDriverWait(page, 30).until(lambda d: (brightness(d.execute_script(INK)) > 0.5) == dark)


def test_a_legend_hides_and_shows_a_net(page):
    group = page.find_element(By.CSS_SELECTOR, "#curves .group")
    entry = group.find_element(By.CSS_SELECTOR, ".legend button")
    lines = lambda: len(group.find_elements(By.CSS_SELECTOR, ".trace.scatter"))  # noqa: E731
    before = lines()
    entry.send_keys(" ")
    WebDriverWait(page, 30).until(lambda d: lines() < before)
    assert entry.get_attribute("aria-pressed") == "false"
    entry.send_keys(" ")
    WebDriverWait(page, 30).until(lambda d: lines() == before)
