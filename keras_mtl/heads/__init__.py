"""How a task's labels are turned into a loss, and logits into what a person reads.

Keras is imported before any module here: see `keras_mtl.models`. `by_name` has the heads.
"""

import keras as keras

from keras_mtl.heads.by_name import HEADS as HEADS
from keras_mtl.heads.by_name import head_of as head_of
