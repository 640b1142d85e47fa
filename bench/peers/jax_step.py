"""JAX's step: the whole of it, Adam too, in one jit with its state donated."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from bench.peers.problem import BETAS, EPSILON, LEARNING_RATE, PeerArm, Problem

AXES = ("NHWC", "HWIO", "NHWC")


def loss_of(weights: Any, images: Any, labels: Any) -> Any:
    """The mean cross-entropy of the CNN."""
    kernel1, bias1, kernel2, bias2, hidden, hidden_bias, last, last_bias = weights
    features = images
    for kernel, bias in ((kernel1, bias1), (kernel2, bias2)):
        sums = jax.lax.conv_general_dilated(features, kernel, (1, 1), "SAME", dimension_numbers=AXES)
        window = (1, 2, 2, 1)
        features = jax.lax.reduce_window(
            jax.nn.relu(sums + bias), -jnp.inf, jax.lax.max, window, window, "VALID"
        )
    units = jax.nn.relu(features.reshape(len(images), -1) @ hidden + hidden_bias)
    log_odds = jax.nn.log_softmax(units @ last + last_bias)
    return -jnp.take_along_axis(log_odds, labels[:, None], 1).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def train_step(weights: Any, momenta: Any, velocities: Any, count: Any, images: Any, labels: Any) -> Any:
    """One step of Adam, epsilon outside the bias correction as in Keras."""
    loss, gradients = jax.value_and_grad(loss_of)(weights, images, labels)
    one, two = BETAS
    rate = LEARNING_RATE * jnp.sqrt(1 - two**count) / (1 - one**count)
    new = []
    for weight, first, second, gradient in zip(weights, momenta, velocities, gradients, strict=True):
        momentum = one * first + (1 - one) * gradient
        velocity = two * second + (1 - two) * gradient**2
        new.append((weight - rate * momentum / (jnp.sqrt(velocity) + EPSILON), momentum, velocity))
    return loss, *([three[axis] for three in new] for axis in range(3)), count + 1


def make(variant: str, problem: Problem) -> PeerArm:
    """The arm of the one variant, "jit"."""
    images, labels = jnp.asarray(problem.images), jnp.asarray(problem.labels)
    weights = [jnp.asarray(each) for each in problem.weights]
    state = [weights, [jnp.zeros_like(w) for w in weights], [jnp.zeros_like(w) for w in weights], 1.0]

    def step() -> Any:
        loss, *state[:] = train_step(*state, images, labels)
        return loss

    return PeerArm(step, float, problem.losses)
