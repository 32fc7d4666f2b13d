"""What models cost: against counts by hand, torchvision's published one, and a traced gradient."""

import json
import math

import keras
import pytest
import tensorflow as tf

from keras_mtl.layers.convolution import Conv2D
from keras_mtl.layers.normalization import BatchNormalization
from keras_mtl.models.cost import Cost, flops_by_operation, model_cost, training_flops
from keras_mtl.models.multitask import build_model

FIRST, SECOND, DENSE = 2 * 27 * 4 * 36, 2 * 36 * 6 * 16, 2 * 96 * 5  # multiply-adds of the net below, twice


@pytest.fixture
def small():
    """Convolutions 8x8x3 -> 6x6x4 -> 4x4x6, then 96 -> 5, without biases."""
    inputs = keras.Input((8, 8, 3))
    x = Conv2D(4, 3, use_bias=False, name="first")(inputs)
    x = BatchNormalization(name="bn")(x)
    x = Conv2D(6, 3, use_bias=False, name="second")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(5, use_bias=False, name="dense")(x))


def test_counts_by_hand(small):
    cost = model_cost(small)
    assert cost.flops == FIRST + SECOND + DENSE
    assert cost.parameters == 27 * 4 + 4 * 4 + 36 * 6 + 96 * 5
    assert cost.megabytes == pytest.approx(cost.parameters * 4e-6)
    assert math.isnan(cost.training_flops) and cost.latency_ms == {}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resnet18_as_published(precision):
    """fvcore and torchvision give 1.814 GMACs for the ResNet-18 of 1000 classes at 224x224, and 11.69 million."""
    model = build_model(["smile"], image_size=224, precision=precision)
    classifier, own = 512 * 1000, 512
    cost = model_cost(model)
    assert (cost.flops / 2 + classifier - own) / 1e9 == pytest.approx(1.814, rel=2e-3)
    statistics = sum(tf.size(weight).numpy() for weight in model.non_trainable_weights)
    assert cost.parameters - statistics + (classifier + 1000) - (own + 1) == 11_689_512


def test_training_costs_a_gradient_for_weights_and_one_for_inputs(small):
    assert training_flops(small) == 2 * FIRST + 3 * (SECOND + DENSE)
    assert training_flops(small, 10) == 10 * training_flops(small)


def test_frozen_layers_cost_their_forward_pass_and_what_must_pass_through(small):
    small.get_layer("first").trainable = small.get_layer("bn").trainable = False
    assert training_flops(small) == FIRST + 2 * SECOND + 3 * DENSE
    small.get_layer("second").trainable = False
    assert training_flops(small) == FIRST + SECOND + 2 * DENSE
    small.get_layer("first").trainable = True  # the gradient goes through the frozen ones down to it
    assert training_flops(small) == 2 * FIRST + 2 * SECOND + 3 * DENSE
    small.trainable = False
    assert training_flops(small) == model_cost(small).flops


def test_a_branch_from_a_frozen_stage_costs_no_gradient_below(tiny_model):
    whole = training_flops(tiny_model)
    for layer in tiny_model.layers:
        layer.trainable = layer.name.endswith("_logits")
    flops = model_cost(tiny_model).flops
    assert flops < training_flops(tiny_model) < 1.02 * flops
    assert 2 * flops < whole < 3 * flops


def test_the_count_is_that_of_tensorflows_gradient():
    """Of convolutions that keep the size: for others its profiler counts the gradients' padding too.

    TensorFlow traces the first layer's gradient for the images too, and prunes it before it runs.
    """
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    model = keras.Model(inputs, x)
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(autograph=False)
    def gradient(images):
        with tf.GradientTape() as tape:
            outputs = model(images)
        return outputs, tape.gradient(outputs, variables)

    graph = gradient.get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    results = [tensor.op.name for tensor in graph.outputs]
    kept = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), results).node
    flops = flops_by_operation(graph)
    assert training_flops(model) == sum(flops.get(node.name, 0) for node in kept)


def test_counting_leaves_the_model_as_it_was(tiny_model):
    before = [tf.identity(weight) for weight in tiny_model.weights]
    assert model_cost(tiny_model) == model_cost(tiny_model)
    assert all(bool(tf.reduce_all(a == b)) for a, b in zip(before, tiny_model.weights, strict=True))


def test_an_image_size_is_needed():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1)(inputs))
    with pytest.raises(ValueError, match="images of any size"):
        model_cost(model)


@pytest.mark.parametrize("cost", [Cost(5, 2e-5, 7), Cost(5, 2e-5, 7, 1e12, {1: 0.5, 64: 9.25})])
def test_a_cost_goes_through_json(cost):
    again = Cost.from_dict(json.loads(json.dumps(cost.to_dict())))
    assert again.to_dict() == cost.to_dict() and set(again.latency_ms) == set(cost.latency_ms)
