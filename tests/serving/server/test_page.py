"""The page in a headless Chromium, before a real server."""

import csv
import io
import json
import shlex

import httpx
import PIL.Image
import pytest
from browser import PHONE, browser, errors, prefer_theme, requests
from exported_models import TASKS, random_model
from fake_detector import load as load_fake
from fake_detector import paint
from running_server import running_server, wait_until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from keras_mtl.serving.export import DRAWN_LIMITS, export_model
from keras_mtl.serving.server.state import State
from keras_mtl.tasks import Task

EMOTIONS = ("<b>angry</b>", "happy", "très calme")
SOURCE = {"name": "papers", "tasks": ["age"], "description": "faces from papers", "licence": "CC0-1.0", "drawn": True}

# Every piece of text whose contrast with what is behind it is below WCAG's 4.5.
FAINT = """
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
  const part = colour[i] / 255;
  return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
}, 0);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = channels(getComputedStyle(node).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
while (walker.nextNode()) {
  const parent = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !parent.checkVisibility()) continue;
  const [less, more] = [light(channels(getComputedStyle(parent).color)), light(behind(parent))].sort((a, b) => a - b);
  if ((more + 0.05) / (less + 0.05) < 4.5) faint.push(walker.currentNode.data.trim());
}
return faint;
"""
# What reaches over the right edge of the screen.
BEYOND = """
return [...document.querySelectorAll("body *")]
  .filter((node) => !node.parentElement.closest(".scroll, #photo"))
  .filter((node) => node.getBoundingClientRect().right > arguments[0] + 0.5).map((node) => node.outerHTML);
"""
# A camera that shows a red square, since a headless browser has none.
CAMERA = """
navigator.mediaDevices.enumerateDevices = async () => [{ kind: "videoinput" }];
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [120, 80];
  const brush = canvas.getContext("2d");
  setInterval(() => { brush.fillStyle = "rgb(250, 20, 30)"; brush.fillRect(0, 0, 120, 80); }, 20);
  return window.stream = canvas.captureStream();
};
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    tasks = {
        **TASKS,
        "emotion": Task("emotion", "multiclass", classes=EMOTIONS),
        "beauty": Task("beauty", "regression", low=1, high=5, head="l1"),
    }
    fitted = {"age": {"half_width": 12.0, "level": 0.9, "images": 99}}
    decades = [
        {"from": 10 * part, "below": 10 * part + 10, "images": part + 1, "mae": 3 + part, "covered": 0.6 + part / 40}
        for part in range(12)
    ]
    smiles = [{"class": name, "images": 44, "right": 0.75} for name in TASKS["smile"].classes]
    scores = {"split": "test", "tasks": {"age": decades, "smile": smiles}}
    about = {"run": "r7", "sources": [SOURCE]}
    export_model(random_model(tasks=tasks), folder, name="multitask", about=about, calibration=fitted, scores=scores)
    export_model(random_model(tasks={"age": TASKS["age"]}), folder, name="age_only")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_mtl.serving.server.state.load_detector", load_fake)
        with running_server(folder, max_body_mb=0.5) as address:
            yield address


@pytest.fixture(scope="module")
def desktop():
    with browser() as driver:
        yield driver


@pytest.fixture
def page(desktop, address):
    """The page, loaded anew; at the end it has asked nobody but the server, and the console has no complaints."""
    requests(desktop), errors(desktop)
    prefer_theme(desktop, "light")
    load(desktop, address)
    yield desktop
    check_requests(desktop, address)
    assert not errors(desktop)


@pytest.fixture
def two_faces(tmp_path):
    path = tmp_path / "two.png"
    paint(path, 30, 20)
    return path


def load(driver, address):
    driver.get(address)
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "#cards details"))


def check_requests(driver, address):
    asked = requests(driver)
    assert f"{address}/v1/models" in asked
    assert [url for url in asked if not url.startswith((f"{address}/", "blob:", "data:"))] == []


def one(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def every(driver, selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def texts(driver, selector):
    return [found.text for found in every(driver, selector)]


def status(driver):
    return one(driver, "#status").text


def choose(driver, path, says):
    one(driver, "#file").send_keys(str(path))
    wait_until(lambda: says in status(driver))


def answer(address, path, **query):
    options = {"models": "age_only,multitask", "detect": "true", "distributions": "true", **query}
    response = httpx.post(f"{address}/v1/predict", params=options, content=path.read_bytes(), timeout=60)
    return response.json()


def sides(element):
    """What of its parent an element covers: left, top, right, bottom, as shares."""
    box, parent = element.rect, element.find_element(By.XPATH, "..").rect
    left, top = box["x"] - parent["x"], box["y"] - parent["y"]
    width, height = parent["width"], parent["height"]
    return [left / width, top / height, (left + box["width"]) / width, (top + box["height"]) / height]


def test_files_are_sent_again_only_where_they_have_changed(address):
    for name, kind in (
        ("", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "javascript"),
        ("icon.svg", "image/svg"),
    ):
        first = httpx.get(f"{address}/{name}")
        assert first.status_code == 200 and kind in first.headers["content-type"]
        assert first.headers["cache-control"] == "no-cache"
        known = {"If-None-Match": first.headers["etag"]}
        again = httpx.get(f"{address}/{name}", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert httpx.head(f"{address}/{name}").status_code == 200
    assert httpx.get(f"{address}/__init__.py").status_code == 404


def test_every_face_is_boxed_and_read_by_two_models(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    expected = answer(address, two_faces)
    assert "multitask, version 1" in status(page) and "age_only, version 1" in status(page)
    assert "finding faces" in status(page)
    boxes = every(page, "#photo .box")
    for box, face in zip(boxes, expected["faces"], strict=True):
        shares = [side / (120 if i % 2 == 0 else 80) for i, side in enumerate(face["box"])]
        assert sides(box) == pytest.approx(shares, abs=0.02)
    assert texts(page, ".number") == ["1", "2"]
    for card, face in zip(every(page, ".card"), expected["faces"], strict=True):
        crop = one(card, "summary img")
        assert crop.get_property("naturalWidth") == 224
        by_one, by_all = face["predictions"]["age_only"], face["predictions"]["multitask"]
        age = every(card, "[data-task=age] .cell")
        assert texts(card, "[data-task=age] h4") == ["age_only, version 1", "multitask, version 1"]
        for cell, entry, level in zip(age, (by_one, by_all), ("80 %", "90 %"), strict=True):
            low, high = entry["age_interval"]
            assert one(cell, ".headline").text == f"{entry['age']:.1f} years"
            assert f"{level} within {low:.1f} to {high:.1f}" in cell.text
        plot = one(card, "[data-task=age] .plot")
        told = plot.accessible_name
        for model, entry, level in (("age_only", by_one, "80 %"), ("multitask", by_all, "90 %")):
            low, high = entry["age_interval"]
            words = f"Age {entry['age']:.1f} years; {level} between {low:.1f} and {high:.1f}"
            assert f"{model}, version 1: {words}" in told.replace("\u00a0", " ")
        assert told.endswith("axis from 0 to 120 years")
        assert len(every(plot, ".shares")) == len(every(plot, ".interval")) == 2
        assert texts(plot, ".ticks span") == ["0", "40", "80", "120"]
        for task in ("smile", "stage", "emotion"):
            missing, cell = every(card, f"[data-task={task}] .cell")
            assert "Not predicted by this model" in missing.text
            assert one(cell, ".headline").text == by_all[task]
            bars = {bar.text.rsplit("\n", 1)[0]: bar for bar in every(cell, ".bars li")}
            shares = by_all[f"{task}_probabilities"]
            assert set(bars) == set(shares)
            for name, share in shares.items():
                if 0.01 < share < 0.99:
                    assert bars[name].text.endswith(f"{100 * share:.0f} %")


def test_a_value_without_a_distribution_stands_on_its_axis(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    value = answer(address, two_faces)["faces"][0]["predictions"]["multitask"]["beauty"]
    section = one(page, "[data-task=beauty]")
    assert one(every(section, ".cell")[1], ".headline").text == f"{value:.2f}"
    assert one(section, "[role=img]").accessible_name == f"Beauty {value:.2f}; axis from 1 to 5"
    assert texts(section, ".ticks span") == ["1", "2", "3", "4", "5"]
    assert one(section, "line.value") and not every(section, ".shares, .interval")


def test_classes_keep_their_order_but_where_they_have_none(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    shares = answer(address, two_faces)["faces"][0]["predictions"]["multitask"]["emotion_probabilities"]
    card = every(page, ".card")[0]
    assert texts(card, "[data-task=stage] .bars span:first-child") == ["child", "adult", "old"]
    assert texts(card, "[data-task=emotion] .bars span:first-child") == sorted(shares, key=shares.get, reverse=True)


def test_a_box_chooses_its_card(page, two_faces):
    choose(page, two_faces, "2 faces found")
    box = every(page, ".box")[1]
    box.click()
    assert box.get_attribute("aria-pressed") == "true"
    assert texts(page, ".card.chosen h2") == ["Face 2"]
    assert page.switch_to.active_element.get_attribute("aria-label") == "Face 2"


def test_estimates_stand_at_the_faces_and_in_a_table(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    expected = answer(address, two_faces)
    assert texts(page, "thead tr:first-child th") == ["age_only, version 1", "multitask, version 1"]
    tasks = [task["name"] for task in expected["models"][1]["tasks"]]
    assert texts(page, "thead tr:last-child th") == ["Face", "Age", *map(str.capitalize, tasks)]

    def worded(entry, task, digits):
        return entry[task] if isinstance(entry[task], str) else f"{entry[task]:.{digits[task]}f}"

    for row, box, face in zip(every(page, "tbody tr"), every(page, ".box"), expected["faces"], strict=True):
        by_one, by_all = face["predictions"]["age_only"], face["predictions"]["multitask"]
        cells = texts(row, "td")
        assert cells[0].startswith(f"{by_one['age']:.1f} years ")
        for cell, task in zip(cells[1:], tasks, strict=True):
            assert cell.startswith(worded(by_all, task, {"age": 1, "beauty": 2}))
            assert ("%" in cell) == isinstance(by_all[task], str)
        shown = [task for task in tasks if task != "age"][:2]
        assert one(box, ".estimate").text.split(" · ") == [
            f"{by_one['age']:.0f}",
            *(worded(by_all, task, {"beauty": 2}) for task in shown),
        ]
        assert box.accessible_name.split(": ")[1].split(", ") == [
            f"{by_one['age']:.1f} years",
            *(worded(by_all, task, {"beauty": 2}) for task in shown),
        ]
    one(page, "tbody tr:nth-child(2) button").click()
    assert texts(page, ".card.chosen h2") == ["Face 2"]


def test_the_answer_may_be_taken_away(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    page.execute_script("""
        const made = URL.createObjectURL;
        window.saved = {};
        URL.createObjectURL = (blob) => { window.saved[blob.type] = blob; return made.call(URL, blob); };
        navigator.clipboard.writeText = async (text) => { window.copied = text; };""")
    for button in every(page, ".takeaway button"):
        button.click()
    wait_until(lambda: page.execute_script("return Object.keys(window.saved).length") == 3)

    def saved(kind):
        return page.execute_async_script("window.saved[arguments[0]].text().then(arguments[1])", kind)

    expected = answer(address, two_faces)
    assert [face["box"] for face in json.loads(saved("application/json"))["faces"]] == [
        face["box"] for face in expected["faces"]
    ]
    head, *lines = csv.reader(io.StringIO(saved("text/csv")))
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    for number, (row, face) in enumerate(zip(rows, expected["faces"], strict=True), 1):
        told = face["predictions"]["multitask"]
        assert row["face"] == str(number) and int(row["right"]) == face["box"][2]
        assert float(row["multitask age"]) == told["age"] and row["multitask smile"] == told["smile"]
        assert float(row["multitask age low"]) == told["age_interval"][0]
        assert float(row["multitask smile smiling"]) == told["smile_probabilities"]["smiling"]
    size = "createImageBitmap(window.saved['image/png']).then((image) => arguments[0]([image.width, image.height]))"
    assert page.execute_async_script(size) == [120, 80]
    command = shlex.split(page.execute_script("return window.copied"))
    assert command[0] == "curl" and command[-1].startswith(f"{address}/v1/predict?")
    asked = httpx.post(command[-1], content=two_faces.read_bytes(), timeout=60).json()
    assert [model["name"] for model in asked["models"]] == ["age_only", "multitask"] and len(asked["faces"]) == 2


def test_beside_an_estimate_stands_what_came_of_the_like(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    told = answer(address, two_faces)["faces"][0]["predictions"]["multitask"]
    card = every(page, ".card")[0]
    by_one, by_all = every(card, "[data-task=age] .cell")
    assert not one(by_one, ".trust").is_displayed()  # Its export has no scores.
    part = int(told["age"] // 10)
    photos = "1 test photo" if part == 0 else f"{part + 1} test photos"
    assert one(by_all, ".trust").text == (
        f"Of {photos} with an estimate from {10 * part} to {10 * part + 10} years, the mean error was {3 + part}.0 "
        f"years; the interval held the label of {100 * (0.6 + part / 40) + 1e-9:.0f} %."
    )
    said = one(card, "[data-task=smile] .cell:nth-child(2) .trust").text
    assert said == f"Of 44 test photos called {told['smile']}, 75 % were labelled so."


def grid(**places):
    """Changes of 7 x 7 places: `r5c3=6.24` for the fourth place of the sixth row, and 0 elsewhere."""
    rows = [[0.0] * 7 for _ in range(7)]
    for place, value in places.items():
        rows[int(place[1])][int(place[3])] = value
    return rows


def test_what_an_estimate_rests_on_is_marked_and_told(page, address, two_faces):
    choose(page, two_faces, "2 faces found")
    nothing = {task["name"]: grid() for task in httpx.get(f"{address}/v1/models").json()["models"][1]["tasks"]}
    # Nets of random weights hardly see what is covered; what the server answers is tested by itself.
    told = {
        "age_only": {"side": 0.25, "changes": {"age": grid(r5c3=6.24, r5c4=3.0)}},
        "multitask": {"side": 0.25, "changes": {**nothing, "age": grid(r0c0=-2.0), "smile": grid(r3c3=0.2)}},
    }
    page.execute_script(
        """const told = arguments[0], asked = window.fetch;
        window.fetch = (address, ...rest) => String(address).startsWith("v1/explain")
          ? Promise.resolve(new Response(JSON.stringify(told[new URL(address, location).searchParams.get("model")])))
          : asked(address, ...rest);""",
        told,
    )
    one(page, ".card .rests button").click()
    wait_until(lambda: "Marked is where" in one(page, ".card .rests").text)
    sections = {section.get_attribute("data-task"): section for section in every(page, ".card:first-of-type .task")}
    assert len(every(page, ".card .heat")) == 1 + len(nothing)
    age = sections["age"].text
    assert "Covering the lower middle lowers it most, by 6.2 years." in age
    assert "Covering the upper left raises it most, by 2.0 years." in age
    smile = sections["smile"].text
    assert "Covering the middle lowers the share of " in smile and " most, by 20 points." in smile
    assert "No part changes the " in sections["emotion"].text
    assert "No part changes it by itself." in sections["beauty"].text
    marked = page.execute_script(
        """const canvas = arguments[0].querySelector("canvas"), { width, height } = canvas;
        const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
        return arguments[1].map(([x, y]) => pixels[4 * (width * y * height + x * width) + 3]);""",
        sections["age"].find_element(By.CSS_SELECTOR, ".heat"),
        [[0.5, 0.75], [0.625, 0.75], [0.25, 0.25]],  # Where covers' middles were: by half as much in the second one.
    )
    assert marked[0] > 150 > marked[1] > 60 and marked[2] == 0


def test_several_photos_are_asked_about_in_turn(page, two_faces, tmp_path):
    paths = [two_faces, tmp_path / "one.png", tmp_path / "none.png", tmp_path / "bad.png"]
    paint(paths[1], 25)
    paint(paths[2])
    paths[3].write_bytes(b"no photo")
    choose(page, "\n".join(map(str, paths)), "4 photos: 3 faces, 1 photo that can't be read.")
    assert "2 faces found" in status(page) and len(every(page, ".card")) == 2
    assert [text.split("\n") for text in texts(page, "#photos button")] == [
        ["two.png", "2 faces"],
        ["one.png", "1 face"],
        ["none.png", "no faces"],
        ["bad.png", "can't be read"],
    ]
    every(page, "#photos button")[1].click()
    assert "1 face found" in status(page) and len(every(page, ".card")) == 1
    (shown,) = every(page, "#photos [aria-current]")
    assert shown.text.startswith("one.png") and page.switch_to.active_element == shown
    every(page, "#photos button")[3].click()
    assert "not an image" in one(page, "#error").text and not one(page, "#result").is_displayed()
    every(page, "#photos button")[0].click()
    assert one(page, "#error").text == ""
    page.execute_script("""
        const made = URL.createObjectURL;
        window.saved = {};
        URL.createObjectURL = (blob) => { window.saved[blob.type] = blob; return made.call(URL, blob); };""")
    for button in every(page, ".takeaway button")[:2]:
        button.click()
    text = "window.saved[arguments[0]].text().then(arguments[1])"
    rows = list(csv.DictReader(io.StringIO(page.execute_async_script(text, "text/csv"))))
    assert [(row["photo"], row["face"]) for row in rows] == [("two.png", "1"), ("two.png", "2"), ("one.png", "1")]
    content = json.loads(page.execute_async_script(text, "application/json"))
    assert [(one["photo"], len(one["faces"])) for one in content] == [("two.png", 2), ("one.png", 1), ("none.png", 0)]
    errors(page)  # Of the photo that is none.


def test_a_drawn_face_may_be_tried(page):
    one(page, "#sample").click()
    wait_until(lambda: "Whole photo predicted" in status(page))
    assert one(page, "#photo img").get_property("naturalWidth") == 256 and len(every(page, ".card")) == 1


def test_many_faces_are_a_row_each_and_closed(page, tmp_path):
    pixels = PIL.Image.new("RGB", (400, 300), (90, 90, 90))
    for number in range(12):
        pixels.paste(
            (250, 20, 30),
            (10 + 95 * (number % 4), 10 + 95 * (number // 4), 50 + 95 * (number % 4), 60 + 95 * (number // 4)),
        )
    pixels.save(tmp_path / "twelve.png")
    choose(page, tmp_path / "twelve.png", "12 faces found")
    assert len(every(page, "tbody tr")) == len(every(page, ".card")) == 12 and not every(page, ".card[open]")
    assert page.execute_script("return document.querySelector('#result').offsetHeight") < 2500
    every(page, ".box")[6].click()
    (opened,) = every(page, ".card[open]")
    assert one(opened, "h2").text == "Face 7" and every(opened, ".plot")


def test_an_error_is_the_servers_one_line_and_goes_with_the_next_photo(page, address, two_faces, tmp_path):
    bad, huge = tmp_path / "notes.txt", tmp_path / "huge.bin"
    bad.write_text("no photo")
    huge.write_bytes(bytes(600_000))
    for path in (bad, huge):
        one(page, "#file").send_keys(str(path))
        told = answer(address, path)["error"]
        wait_until(lambda told=told: one(page, "#error").text == told)
        assert one(page, "#error").get_attribute("role") == "alert"
        assert not one(page, "#result").is_displayed()
    choose(page, two_faces, "2 faces found")
    assert one(page, "#error").text == ""
    # Chromium writes statuses from 400 on into the console by itself.
    assert all("Failed to load resource" in line for line in errors(page))


def test_another_choice_asks_again(page, two_faces):
    choose(page, two_faces, "2 faces found")
    one(page, "[value=multitask]").click()
    wait_until(lambda: "found" in status(page) and "multitask" not in status(page))
    assert texts(page, ".card h3") == ["Age", "Age"] and not every(page, ".card h4")
    one(page, "[value=whole]").click()
    wait_until(lambda: "Whole photo predicted" in status(page))
    assert texts(page, ".card h2") == ["Whole photo"] and not every(page, ".box")
    one(page, "[value=age_only]").click()
    wait_until(lambda: one(page, "#error").text == "Choose at least one model.")


def test_without_a_face_the_whole_photo_is_offered(page, tmp_path):
    paint(tmp_path / "none.png")
    choose(page, tmp_path / "none.png", "No faces found")
    assert not every(page, ".card")
    one(page, "#faces button").click()
    wait_until(lambda: "Whole photo predicted" in status(page))
    assert len(every(page, ".card")) == 1


def test_the_newest_photo_wins(page, two_faces, tmp_path):
    paint(tmp_path / "one.png", 25)
    page.execute_script("""
        const fetched = window.fetch;
        window.fetch = async (...asked) => {
          window.fetch = fetched;
          const answer = await fetched(asked[0], { ...asked[1], signal: null });
          await new Promise((resolve) => { window.release = resolve; });
          return answer;
        };""")
    one(page, "#file").send_keys(str(two_faces))
    wait_until(lambda: page.execute_script("return Boolean(window.release)"))
    choose(page, tmp_path / "one.png", "1 face found")
    page.execute_async_script("window.release(); setTimeout(arguments[0], 200);")
    assert "1 face found" in status(page) and len(every(page, ".box")) == len(every(page, ".card")) == 1


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_may_be_dropped_or_pasted(page, way):
    page.execute_async_script(
        """
        const [way, done] = arguments, canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [120, 80];
        const brush = canvas.getContext("2d");
        brush.fillStyle = "rgb(250, 20, 30)";
        brush.fillRect(20, 10, 40, 40);
        canvas.toBlob((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], "photo.png", { type: "image/png" }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(way === "paste"
            ? new ClipboardEvent("paste", { ...options, clipboardData: data })
            : new DragEvent("drop", { ...options, dataTransfer: data }));
          done();
        });""",
        way,
    )
    wait_until(lambda: "1 face found" in status(page))


def test_a_turned_photo_is_boxed_as_it_is_shown(page, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    paint(tmp_path / "turned.png", 30, exif=exif)
    choose(page, tmp_path / "turned.png", "1 face found")
    assert one(page, "#photo img").get_property("naturalWidth") == 80
    assert sides(one(page, ".box")) == pytest.approx([45 / 80, 5 / 120, 75 / 80, 35 / 120], abs=0.02)


def test_all_goes_by_keyboard(page, two_faces):
    def press(*keys):
        ActionChains(page).send_keys(*keys).perform()
        return page.switch_to.active_element

    def outlined(element):
        return element.value_of_css_property("outline-style") != "none"

    choose(page, two_faces, "2 faces found")
    page.execute_script("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
    assert press(Keys.TAB).get_attribute("id") == "file"
    assert outlined(one(page, "label[for=file]"))
    assert press(Keys.TAB).get_attribute("id") == "sample"
    assert outlined(press(Keys.TAB))
    press(Keys.ARROW_DOWN)
    wait_until(lambda: "Whole photo predicted" in status(page))
    press(Keys.ARROW_UP)
    wait_until(lambda: "2 faces found" in status(page))
    assert press(Keys.TAB).get_attribute("value") == "age_only"
    press(Keys.SPACE)
    wait_until(lambda: "found" in status(page) and "age_only" not in status(page))
    press(Keys.TAB)
    assert press(Keys.TAB).accessible_name.startswith("Face 1: ")
    box = press(Keys.TAB)
    assert box.accessible_name.startswith("Face 2: ") and outlined(box)
    assert press(Keys.ENTER).get_attribute("aria-label") == "Face 2"
    assert texts(page, ".card.chosen h2") == ["Face 2"]
    assert "Face 2" in press(Keys.TAB).text
    assert press(Keys.TAB).text == "What do these estimates rest on?"
    summary = press(Keys.TAB)
    assert "Model card" in summary.text and outlined(summary)
    press(Keys.ENTER)
    assert one(page, "#cards details").get_attribute("open") is not None


def test_the_model_card_tells_sources_and_limits(page):
    card = every(page, "#cards details")[1]
    one(card, "summary").click()
    for words in (
        "multitask, version 1, run by tensorflow, exported from run r7",
        "Age: a number from 0 to 120 years",
        "Emotion: <b>angry</b>, happy or très calme",
        "papers: faces from papers. Labels age. Licence: CC0-1.0. Drawn, not photographed.",
        "a person's guess",
        "Smile has two classes because the data have",
        DRAWN_LIMITS.format(tasks="age"),
        "Decisions about people",
    ):
        assert words in card.text
    assert "multitask" in one(page, "#drawn").text and "age_only" not in one(page, "#drawn").text
    assert "not stored" in one(page, "#choose").text


def test_without_a_detector_only_the_whole_photo_is_offered(page, address, two_faces, monkeypatch):
    monkeypatch.setattr(State, "can_detect", property(lambda state: False))
    load(page, address)
    assert not one(page, "[value=faces]").is_enabled()
    assert "finds no faces" in one(page, "#settings").text
    choose(page, two_faces, "Whole photo predicted")


def test_the_camera_is_off_when_its_photo_is_taken(page, address):
    assert not one(page, "#use-camera").is_displayed()
    script = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CAMERA})
    try:
        load(page, address)
        button = one(page, "#use-camera")
        wait_until(button.is_displayed)
        states = "return window.stream.getTracks().map((track) => track.readyState)"
        for name in ("Cancel", "Take the photo"):
            button.click()
            wait_until(lambda: page.execute_script("return document.querySelector('video').videoWidth > 0"))
            assert page.execute_script(states) == ["live"]
            one(page, "dialog").find_element(By.XPATH, f".//button[.='{name}']").click()
            wait_until(lambda: page.execute_script(states) == ["ended"])
        wait_until(lambda: one(page, "#result").is_displayed())
        wait_until(lambda: "found" in status(page))
        assert one(page, "#photo img").get_property("naturalWidth") == 120
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_in_either_theme(page, two_faces, theme):
    prefer_theme(page, theme)
    for summary in every(page, "summary"):
        summary.click()
    choose(page, two_faces, "2 faces found")
    dark = (
        page.execute_script("return getComputedStyle(document.documentElement).backgroundColor") != "rgb(255, 255, 255)"
    )
    assert dark == (theme == "dark")
    assert page.execute_script(FAINT) == []
    page.execute_script("document.querySelector('#error').textContent = 'An error'")
    assert page.execute_script(FAINT) == []


def test_a_narrow_screen_does_not_scroll_sideways(address, two_faces):
    with browser(PHONE, 640) as driver:
        load(driver, address)
        for summary in every(driver, "summary"):
            summary.click()
        choose(driver, two_faces, "2 faces found")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= PHONE
        assert driver.execute_script(BEYOND, PHONE) == []
        # Two models stand side by side even here.
        first, second = every(driver, "[data-task=age] .cell")[:2]
        assert first.rect["y"] == second.rect["y"]
        assert not errors(driver)
