"""How tasks' losses or gradients are combined in a training step: `methods/`, a file each, and what they share.

Keras is imported before any module here: see `keras_mtl.models`. `keras_mtl.weighting_names` has the methods' names.
"""

import keras as keras
