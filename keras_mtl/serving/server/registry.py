"""The models that are served, and their versions as they come and go."""

from __future__ import annotations

import logging
import pathlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.memory import give_back_memory
from keras_mtl.serving.backends import AUTO
from keras_mtl.serving.exported import ExportedModel
from keras_mtl.serving.server.batching import Batcher, Outputs
from keras_mtl.serving.server.metrics import Metrics
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.versions import is_version, versions

log = logging.getLogger("keras_mtl.serve")
_ENDED = 16
"""Versions that went, of which a model's status still tells."""


class Served:
    """One version of a model, ready to predict. Who holds it may use it, also when a newer one is there.

    Attributes:
        exported: the `ExportedModel`.
        batcher: predicts its images, those of other requests with them.
    """

    def __init__(self, exported: ExportedModel, batcher: Batcher):
        self.exported, self.batcher = exported, batcher

    async def predict(self, prepare: Callable[[], np.ndarray]) -> Outputs:
        """As `Batcher.submit`. Raises Refusal (500) where the model's outputs are not finite."""
        outputs = await self.batcher.submit(prepare)
        try:
            self.exported.check(outputs)
        except UserError as error:
            raise Refusal(500, str(error)) from None
        return outputs


class ModelVersions:
    """One model's versions: those that are served and those that could not be loaded.

    Attributes:
        name: the folder's name.
        served: by version, in rising order.
        loading: the version that is being loaded just now, if one is.
        failures: by version that is there, why it could not be loaded.
        ended: versions that were served and are no more, the last of them last.
    """

    def __init__(self, name: str, folder: pathlib.Path, fixed: str = ""):
        self.name, self.folder, self.fixed = name, folder, fixed
        self.served: dict[str, Served] = {}
        self.loading = ""
        self.ended: list[str] = []
        self.failures: dict[str, str] = {}
        self._failed_at: dict[str, int] = {}

    def there(self) -> list[str]:
        """The versions in the folder, the newest last."""
        if self.fixed:
            return [self.fixed]
        return [str(version) for version in versions(self.folder) if is_version(self.folder / str(version))]

    def refresh(self, load: Callable[[pathlib.Path, str], Served], keep_all: bool, keep_removed: bool = False) -> None:
        """Loads what is new, then lets go of what is no longer wanted.

        Wanted are all versions, or the newest that can be loaded: one that fails is told, and leaves the one before be.
        Where all were removed nothing is served, or, with `keep_removed`, what was.
        """
        there = self.there()
        self.failures = {version: reason for version, reason in self.failures.items() if version in there}
        preferred = self.find().exported.backend.name if self.served else AUTO
        fresh: dict[str, Served] = {}
        for version in there if keep_all else reversed(there):
            if not keep_all and (fresh or version in self.served):
                break
            if version in self.served:
                continue
            folder = self.folder / version
            changed = _changed_at(folder)
            if self._failed_at.get(version) == changed:
                continue
            self.loading = version
            try:
                fresh[version] = load(folder, preferred)
                self.failures.pop(version, None)
                self._failed_at.pop(version, None)
            except Exception as error:  # Of whatever kind: a broken folder must not end the server.
                self.failures[version] = str(error).splitlines()[0] if str(error) else type(error).__name__
                self._failed_at[version] = changed
                log.error("Model %s version %s can't be loaded: %s", self.name, version, self.failures[version])
            finally:
                self.loading = ""
        together = {**self.served, **fresh}
        works = [version for version in there if version in together]
        wanted = works if keep_all else works[-1:]
        kept = {version: together[version] for version in sorted(together, key=_number) if version in wanted}
        # Where none that is there works the old ones go on.
        before, self.served = self.served, kept if kept or not (there or keep_removed) else self.served
        gone = [version for version in before if version not in self.served]
        self.ended = [version for version in [*self.ended, *gone] if version not in self.served][-_ENDED:]
        for version in gone:
            log.info("Model %s version %s is no longer served", self.name, version)

    def find(self, version: str = "") -> Served:
        """A version, or the newest. Raises Refusal (404) where it isn't served, 503 where none is."""
        served = self.served
        if version:
            if version not in served:
                raise Refusal(404, f"Servable not found for request: Specific({self.name}, {version})")
            return served[version]
        if not served:
            raise Refusal(503, f"Model {self.name} has no version that is loaded", retry_after=5)
        return next(reversed(served.values()))


class Registry:
    """The models of some folders, kept up to date.

    Args:
        paths: as `ServeConfig.model`.
        executor: of the `Batcher`s.
        metrics: told what is loaded and predicted.
        backend, threads, at_once, max_batch, seconds: as for `ExportedModel` and `Batcher`.
        keep_all: whether to serve all versions, not the newest alone.
        keep_removed: whether a model whose versions were all removed is served on.
        wait: whether folders may hold no model yet.
        labels: names of versions, as `ServeConfig.labels`.

    Raises:
        UserError: there is no exported model at a path, two models have one name, or a label is none.
    """

    def __init__(
        self,
        paths: Sequence[str],
        executor: Executor,
        metrics: Metrics,
        *,
        backend: str = AUTO,
        threads: int = 0,
        at_once: int,
        max_batch: int,
        seconds: float = 0.0,
        keep_all: bool = False,
        keep_removed: bool = False,
        wait: bool = False,
        labels: Sequence[str] = (),
    ):
        if not paths:
            raise UserError("No model given: --model=saved_models/NAME")
        self._paths = [pathlib.Path(path) for path in paths]
        self._executor, self._metrics = executor, metrics
        self._backend, self._threads = backend, threads
        self._at_once, self._max_batch, self._seconds, self._keep_all = at_once, max_batch, seconds, keep_all
        self._keep_removed, self._labels = keep_removed, _read_labels(labels)
        self._lock = threading.Lock()
        self._let_go = False
        self.models: dict[str, ModelVersions] = {}
        for path in self._paths:
            found = _models_at(path)
            if not found and not wait:
                what = "there is no such folder" if not path.exists() else "it holds no exported model"
                raise UserError(
                    f"No exported model at {path}: {what}. Export one: python -m keras_mtl.export --run=runs/NAME"
                )
            self._add(found)
        for model in self.models.values():
            model.refresh(self._load, self._keep_all)
            if not model.served and not wait:
                version, reason = next(iter(model.failures.items()))
                raise UserError(f"Model {model.folder / version} can't be loaded: {reason}")
            self._tell_version(model)

    def refresh(self) -> None:
        """Looks for new models and versions and loads them; meant for a thread of its own."""
        with self._lock:
            if self._let_go:
                # Not at once: requests may still have been using it.
                give_back_memory()
                self._let_go = False
            for path in self._paths:
                self._add([model for model in _models_at(path) if model.name not in self.models])
            for model in self.models.values():
                before = set(model.served)
                model.refresh(self._load, self._keep_all, self._keep_removed)
                self._let_go |= not before <= set(model.served)
                self._tell_version(model)
            self.models = {name: model for name, model in self.models.items() if model.served or model.there()}

    @property
    def is_empty(self) -> bool:
        """Whether no model is served."""
        return not any(model.served for model in self.models.values())

    def find(self, name: str = "", version: str = "") -> Served:
        """A model's version; without a name the first model. Raises Refusal where it isn't served."""
        models = self.models
        if not name and not models:
            raise Refusal(503, "There is no model yet", retry_after=5)
        return self.model(name or next(iter(models))).find(version)

    def version_of(self, name: str, label: str) -> str:
        """The version that a label stands for. Raises Refusal (400) for one that isn't known."""
        if (name, label) not in self._labels:
            raise Refusal(400, f"Unrecognized servable version label: {label}")
        return self._labels[name, label]

    def model(self, name: str) -> ModelVersions:
        """A model by name. Raises Refusal (404) where there is none."""
        if name not in self.models:
            raise Refusal(404, f"Servable not found for request: Latest({name})")
        return self.models[name]

    def _add(self, found: Sequence[ModelVersions]) -> None:
        for model in found:
            if model.name in self.models and self.models[model.name].folder != model.folder:
                raise UserError(
                    f"Two models are called {model.name}: {self.models[model.name].folder} and {model.folder}"
                )
            # A new dict, since requests read the old one meanwhile.
            self.models = {**self.models, model.name: self.models.get(model.name, model)}

    def _load(self, folder: pathlib.Path, preferred: str) -> Served:
        name = folder.parent.name
        try:
            exported = self._open(folder, preferred if self._backend == AUTO else self._backend)
            size = exported.size
            for count in (1, self._max_batch):
                exported.check(exported.backend.predict(np.zeros([count, size, size, 3], np.uint8)))
        except Exception:
            self._metrics.loads.labels(name, "failed").inc()
            raise
        self._metrics.loads.labels(name, "loaded").inc()
        log.info("Serving %s version %s by %s", name, exported.version, exported.backend.name)
        observe, count_images = self._metrics.batch.labels(name).observe, self._metrics.images.labels(name).inc

        def told(images: int) -> None:
            observe(images)
            count_images(images)

        batcher = Batcher(
            exported.backend.predict,
            self._executor,
            at_once=self._at_once,
            max_batch=self._max_batch,
            seconds=self._seconds,
            observe=told,
        )
        return Served(exported, batcher)

    def _open(self, folder: pathlib.Path, backend: str) -> ExportedModel:
        try:
            return ExportedModel(folder, backend, self._threads)
        except UserError:
            # A newer version may have been exported without the format that the older one was served by.
            if backend == AUTO or self._backend != AUTO:
                raise
            return ExportedModel(folder, AUTO, self._threads)

    def _tell_version(self, model: ModelVersions) -> None:
        if model.served:
            newest = model.find().exported.version
            self._metrics.version.labels(model.name).set(float(_number(newest)))


def _read_labels(labels: Sequence[str]) -> dict[tuple[str, str], str]:
    """From "faces/stable=1" to {("faces", "stable"): "1"}."""
    read = {}
    for text in labels:
        name, slash, rest = text.partition("/")
        label, equals, version = rest.partition("=")
        if not (name and slash and label and equals and version.isdecimal()):
            raise UserError(f"--labels takes MODEL/LABEL=VERSION, such as faces/stable=1. Received: {text}")
        read[name, label] = version
    return read


def _models_at(path: pathlib.Path) -> list[ModelVersions]:
    """The models that a path names: a version's folder, a model's folder, or a folder of models."""
    path = path.absolute()
    if is_version(path):
        return [ModelVersions(path.parent.name, path.parent, fixed=path.name)]
    if not path.is_dir():
        return []
    own = ModelVersions(path.name, path)
    if own.there():
        return [own]
    shown = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    below = [ModelVersions(entry.name, entry) for entry in shown if entry.is_dir()]
    return [model for model in below if model.there()]


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _changed_at(folder: pathlib.Path) -> int:
    """When something in a folder was last written, in nanoseconds: a copy that is under way changes it."""
    return max((entry.stat().st_mtime_ns for entry in (folder, *folder.rglob("*")) if entry.exists()), default=0)
