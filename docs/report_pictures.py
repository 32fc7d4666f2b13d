"""Makes pictures of a report: `python docs/report_pictures.py runs/NAME/BUDGET docs/results` (extra `test`).

Plots only: test images stay in the report, since no picture of a real person goes into the repository.
"""

from __future__ import annotations

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from browser import browser

# Which groups of plots of which sections, and what they are called.
PICTURES = {
    ("overview", 0): "differences",
    ("curves", 0): "curves",
    ("values", 1): "error_by_age",
    ("groups", 0): "error_by_group",
}


def main(comparison: pathlib.Path, target: pathlib.Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with browser(width=1100) as driver:
        driver.get((comparison / "report.html").resolve().as_uri())
        time.sleep(3)  # plots are drawn one after another
        for (section, number), name in PICTURES.items():
            groups = driver.find_elements("css selector", f"#{section} .group")
            if number < len(groups):
                path = target / f"{comparison.name}_{name}.png"
                path.write_bytes(groups[number].screenshot_as_png)
                print(path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
