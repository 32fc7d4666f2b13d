"""LiteRT (once TensorFlow Lite), for phones and small computers: four precisions."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from keras_mtl.memory import give_back_memory
from keras_mtl.serving.formats.base import Format, facts_within

if TYPE_CHECKING:
    from keras_mtl.serving.calibration import Calibration

READOUT = "_readout.tflite"
"""Ends the name of the second file of `litert_int8`: from logits to the numeric outputs."""
ANY, ONE = "serving_default", "one"
"""The signatures: any number of images, and a batch of one."""


class LiteRt(Format):
    """float32.

    Each file has two signatures over the same weights: `serving_default` takes any number of images, and `one` a batch
    of one, for hosts that take no unknown dimension (LiteRT.js).
    """

    name = "litert"
    suffix = ".tflite"
    packages = ("ai_edge_litert",)
    quantized = False  # Its converter has no product of integers as Keras writes it.
    limit = 1e-5

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None, calibration: Calibration) -> None:
        from keras_mtl.serving.formats.graphs import numbers_graph

        with _converter(numbers_graph(model, calibration), model) as converter:
            self.configure(converter)
            path.write_bytes(_told(converter.convert(), model))

    def configure(self, converter) -> None:
        """Sets the precision of a `tf.lite.TFLiteConverter`."""


class LiteRtFloat16(LiteRt):
    """Weights in float16, arithmetic in float32."""

    name = "litert_float16"
    limit = 1e-3

    def configure(self, converter) -> None:
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]


class LiteRtDynamic(LiteRt):
    """Weights in 8 bits, values rounded to 8 bits by their range in each call."""

    name = "litert_dynamic"
    limit = 2e-2

    def configure(self, converter) -> None:
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]


class LiteRtInt8(LiteRt):
    """Weights and values of the convolutions in 8 bits, in ranges learnt from images.

    Two files: the net up to its logits, and `<name>_readout.tflite`, in float32, from logits to the numeric outputs. In
    one file the converter would round probabilities to 1/256 whatever it is told, and an expectation over a hundred
    bins is lost in that. The last layers stay in float32 for the same reason; they are a hundredth of the work.
    """

    name = "litert_int8"
    calibrated = True
    limit = 2e-2

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None, calibration: Calibration) -> None:
        import tensorflow as tf

        from keras_mtl.serving.formats.graphs import logits_graph, readout_graph

        assert images is not None  # as `calibrated` asks for

        def examples() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
            for signature in (ANY, ONE):
                for i in range(len(images)):
                    yield signature, {"images": images[i : i + 1]}

        options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["FULLY_CONNECTED"])
        with _converter(logits_graph(model), model) as converter, warnings.catch_warnings():
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            # TensorFlow's debugger runs TensorFlow's own, older interpreter, and says so.
            warnings.simplefilter("ignore")
            selective = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=examples, debug_options=options
            )
            path.write_bytes(_told(selective.get_nondebug_quantized_model(), model))
        with _converter(readout_graph(model, calibration), model) as converter:
            path.with_name(path.stem + READOUT).write_bytes(_told(converter.convert(), model))


def _told(data: bytes, model) -> bytes:
    """A file with `facts_within` as metadata named `keras_mtl_<fact>`."""
    # Not documented, but the only way to metadata without a package that is no longer kept (tflite-support).
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    content = flatbuffer_utils.convert_bytearray_to_object(data)
    for name, text in facts_within(model).items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = list(text.encode())
        entry.name, entry.buffer = f"keras_mtl_{name}", len(content.buffers)
        content.buffers.append(buffer)
        content.metadata = [*(content.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(content))


@contextlib.contextmanager
def _converter(graph, model) -> Iterator:
    """A `tf.lite.TFLiteConverter` of a `tf.function` of a model, by both signatures."""
    import tensorflow as tf

    ones = [tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, spec.name) for spec in graph.input_signature]
    single = tf.function(graph.python_function, input_signature=ones, autograph=False)
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.functions = {ANY: graph.get_concrete_function(), ONE: single.get_concrete_function()}
    # The converter takes several signatures only from a SavedModel.
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.functions)
        del graph, single, module  # Converters take several times a net's memory as it is.
        give_back_memory()
        yield tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[ANY, ONE])
