"""Trunk, heads and the multitask model.

Keras is imported before any module here, since importing Keras calls for this package (see
`keras_mtl/__init__.py`): whichever comes first, every class is registered for loading afterwards.
"""

import keras as keras

from keras_mtl.backend import check_backend
from keras_mtl.models.branches import add_branch as add_branch
from keras_mtl.models.branches import cut as cut
from keras_mtl.models.branches import remove_branches as remove_branches
from keras_mtl.models.multitask import MultiTaskModel as MultiTaskModel
from keras_mtl.models.multitask import build_model as build_model

check_backend()
