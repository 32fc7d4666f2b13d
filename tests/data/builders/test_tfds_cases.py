"""Our builders under TFDS's own test case: registered, described, prepared and read, no example in two splits."""

import importlib
import pathlib
import tempfile

import tensorflow_datasets as tfds
from data.builders.layouts import LAYOUTS

from keras_mtl.data.builders.base import FaceBuilder
from keras_mtl.data.builders.catalogue import CATALOGUE


class _Case(tfds.testing.DatasetBuilderTestCase):
    """A builder's test, with dummy data that is made for it."""

    __test__ = False
    NAME = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        LAYOUTS[cls.NAME].write(pathlib.Path(folder.name), False)
        cls.EXAMPLE_DIR = folder.name
        super().setUpClass()

    def test_session(self, *args, **options):
        return super().test_session(*args, **options)

    test_session.__test__ = False  # A helper of TensorFlow's, which pytest would take for a test and skip.

    def test_is_described(self):
        entry, info = CATALOGUE[self.NAME], self.builder.info
        assert entry.description in info.description and entry.licence in info.description
        assert info.homepage == entry.homepage and info.citation.startswith("@")
        assert entry.instructions == self.builder.MANUAL_DOWNLOAD_INSTRUCTIONS
        features = {label.feature for label in entry.labels.values()} | ({entry.identity} - {""})
        assert features | {"image", "file_name"} <= set(info.features)


def _case(name: str) -> type:
    module = importlib.import_module(f"keras_mtl.data.builders.{name}")
    (builder,) = (
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, FaceBuilder) and kind is not FaceBuilder
    )
    parts = {"DATASET_CLASS": builder, "SPLITS": LAYOUTS[name].counts, "NAME": name, "__test__": True}
    return type(f"Test{builder.__name__}", (_Case,), parts)


for _name in LAYOUTS:
    globals()[f"Test_{_name}"] = _case(_name)
