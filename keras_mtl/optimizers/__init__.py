"""Optimizers and learning-rate schedules, registered with Keras so that compiled models load."""

import keras as keras

from keras_mtl.optimizers.adamw import AdamW as AdamW
from keras_mtl.optimizers.build import build_optimizer as build_optimizer
from keras_mtl.optimizers.schedules import WarmUp as WarmUp
from keras_mtl.optimizers.schedules import build_schedule as build_schedule
