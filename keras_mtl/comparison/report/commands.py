"""How each run can be repeated: commands, versions, host and data."""

from __future__ import annotations

import shlex

from keras_mtl.cli import to_flags
from keras_mtl.comparison.cells import Cell
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.report.blocks import Code, Details, HtmlTable, Section, Text
from keras_mtl.comparison.report.context import Context


def section(context: Context) -> Section:
    """Commands of the comparison and of each cell, with what their numbers depend on."""
    results = context.results
    folder = f"{results.config.workdir}/{results.config.name}"
    manifest = results.manifest(results.rows[0], context.first_seed)
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    host = manifest["host"]
    blocks = [
        Text(f"The whole comparison; what is finished in {folder} is taken from there, another --name trains it anew:"),
        Code(f"python -m keras_mtl.compare --flagfile={shlex.quote(folder)}/flags.txt --name=again"),
        Details("Its flags, where they are not the defaults", [Code(_flags(results.config))]),
        Details("One net of it", [Code("\n".join(_command(cell) for cell in results.cells))]),
        Details("What the numbers depend on", [
            Text(f"Versions: {versions}. Commit {manifest.get('commit') or 'not known'}. Precision "
                 f"{manifest.get('precision', 'not known')}. Machine: {host['cpus']} cores, {host['machine']}, "
                 f"{host['system']}."),
            Text("The same seed gives the same numbers bit for bit on the same machine in float32; elsewhere the "
                 "last digits differ, and with them what training makes of them."),
            _runs(context), _data(context),
        ]),
    ]  # fmt: skip
    return Section("repeat", "How to repeat it", blocks)


def _flags(config: CompareConfig) -> str:
    usual = set(to_flags(CompareConfig()).splitlines())
    return "\n".join(line for line in to_flags(config).splitlines() if line not in usual)


def _command(cell: Cell) -> str:
    flags = shlex.quote(str(cell.run.flags_path))
    return f"python -m keras_mtl.train --flagfile={flags} --name={shlex.quote(cell.run.path.name + '-again')}"


def _runs(context: Context) -> HtmlTable:
    rows = []
    for cell in context.results.cells:
        manifest = context.results.manifest(cell.row, cell.seed)
        training = context.results.training(cell.row, cell.seed)
        best = f"{training.get('best_epoch', '–')} of {len(training['history'])}"
        rows.append(
            [
                cell.row.title,
                str(cell.seed),
                manifest.get("started", "–")[:16].replace("T", " "),
                manifest.get("precision", "–"),
                best,
                str(manifest.get("commit") or "–")[:8],
            ]
        )
    return HtmlTable("Runs.", ["Net", "Seed", "Started, UTC", "Precision", "Best epoch", "Commit"], rows, (2, 3, 5))


def _data(context: Context) -> HtmlTable:
    rows, seen = [], set()
    for cell in context.results.cells:
        for name, source in context.results.manifest(cell.row, cell.seed)["sources"].items():
            for split, entry in source["splits"].items():
                line = (name, split, f"{entry['images']:,}", entry["fingerprint"])
                if line not in seen:
                    seen.add(line)
                    rows.append(line)
    return HtmlTable("Data: fingerprints are of pictures, names, order and labels.",
                     ["Source", "Split", "Images", "Fingerprint"], rows, (1, 3))  # fmt: skip
