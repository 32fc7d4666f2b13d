"""What a training reads: its data, what the manifest says of them, and the records that can't be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from keras_mtl.data.clean import read_clean
from keras_mtl.data.source import Bad, Source
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import SplitData, load_split
from keras_mtl.tasks import Task
from keras_mtl.training.config import Config


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The loaded splits of all sources.

    Attributes:
        training, validation: one `SplitData` a source.
        facts: by source, what it is and what its splits hold; plain data for the manifest.
        bad: the records that can't be used.
    """

    training: list[SplitData]
    validation: list[SplitData]
    facts: dict[str, dict]
    bad: list[Bad]


def load_configured_split(
    config: Config, sources: Sequence[Source], tasks: Iterable[str], split: str, *, clusters: bool = False
) -> tuple[list[SplitData], list[Bad]]:
    """`load_split` with a config's image size, cache, validation fraction and share of bad records."""
    return load_split(
        sources,
        tasks,
        split,
        image_size=config.image_size,
        cache_dir=config.cache_dir or None,
        validation_fraction=config.validation_fraction,
        max_bad_share=config.max_bad_share,
        cache=config.cache,
        clean=read_clean(config.clean),
        clusters=clusters,
    )


def available_split(config: Config, tasks: dict[str, Task], wanted: str) -> str:
    """The split to measure on: the wanted one, or "validation" where a task has no test split.

    Raises:
        UserError: a source that can't be used.
    """
    return wanted if wanted != "test" or tested_tasks(config, tasks) >= set(tasks) else "validation"


def tested_tasks(config: Config, tasks: dict[str, Task]) -> set[str]:
    """The tasks that a source with a test split labels. Raises UserError for a source that can't be used."""
    sources = parse_sources(config.sources, tasks, config.data_dir or None)
    return {task for source in sources if "test" in source.splits() for task in source.tasks}


def load_inputs(config: Config, sources: Sequence[Source], tasks: Iterable[str]) -> Inputs:
    """Loads the train and validation splits and says in a line each what the sources hold.

    Raises:
        UserError: as `load_split`.
    """
    tasks = list(tasks)
    print("Reading images; the first time they are decoded, or drawn, which may take a minute", flush=True)
    loaded = {split: load_configured_split(config, sources, tasks, split) for split in ("train", "validation")}
    facts: dict[str, dict] = {
        source.name: {
            "tasks": list(source.tasks),
            "licence": source.licence,
            "description": source.description,
            "drawn": source.drawn,
            "splits": {},
        }
        for source in sources
    }
    for split, (parts, _) in loaded.items():
        for part in parts:
            facts[part.source]["splits"][split] = {"images": len(part.keys), "fingerprint": part.fingerprint}
    for name, fact in facts.items():
        counts = " and ".join(f"{entry['images']:,} {split}" for split, entry in fact["splits"].items())
        note = " (drawn faces, no real people)" if fact["drawn"] else ""
        print(f"Source {name} labels {', '.join(fact['tasks'])}: {counts} images{note}")
    bad = sorted({record for _, records in loaded.values() for record in records}, key=str)
    return Inputs(loaded["train"][0], loaded["validation"][0], facts, bad)
