"""The layers that all tasks share, from pixels to features, in stages that branches may leave from.

Keras is imported before any module here: see `keras_mtl.models`.
"""

import keras as keras
