"""Layers that compute as Keras' own of the same names do, faster; below everything that trains or balances.

Keras is imported before any module here: see `keras_mtl.models`.
"""

import keras as keras
