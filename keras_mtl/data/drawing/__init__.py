"""Drawn faces: cartoons of people who don't exist, made from a key and a seed with numpy and Pillow alone.

A person (age, gender, smile or not) is sampled first, then a face in which these show in many weak cues,
then the face is painted. Reading order: `face` (what a face consists of), `sample` (how one is chosen),
`paint` with `head`, `eyes`, `mouth`, `hair`, `wear` and `scene` (how it is drawn with a `pen`), `parallel`
(by key, many at once).
"""

from keras_mtl.data.drawing.face import Face, Person
from keras_mtl.data.drawing.paint import draw_face
from keras_mtl.data.drawing.parallel import draw_all, face_of, labels_of
from keras_mtl.data.drawing.sample import noisy_labels, sample_face, sample_person

# Goes up with every change of the pictures, so that caches are made anew.
VERSION = 2

__all__ = [
    "VERSION",
    "Face",
    "Person",
    "draw_all",
    "draw_face",
    "face_of",
    "labels_of",
    "noisy_labels",
    "sample_face",
    "sample_person",
]
