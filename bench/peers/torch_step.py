"""PyTorch's step: eager, with channels last, or compiled by torch.compile."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.peers.problem import BETAS, EPSILON, LEARNING_RATE, PeerArm, Problem

FLAT = (7, 7, 64)  # the second stage's features, height, width, channels, as Keras flattens them


class Network(nn.Module):
    """The CNN; convolutions pad below and at the right, as SAME does for a kernel of two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 2), nn.Conv2d(32, 64, 2)
        self.hidden, self.classifier = nn.Linear(3136, 128), nn.Linear(128, 10)

    def forward(self, images: Any) -> Any:
        """Images (n, 1, 28, 28) → logits (n, 10)."""
        functional = nn.functional
        features = images
        for conv in (self.conv1, self.conv2):
            bordered = functional.pad(features, (0, 1, 0, 1))
            features = functional.max_pool2d(functional.relu(conv(bordered)), 2)
        return self.classifier(functional.relu(self.hidden(features.flatten(1))))


def new_network(problem: Problem) -> Network:
    """The network with Keras's weights, its axes turned to PyTorch's."""
    network = Network()
    kernel1, bias1, kernel2, bias2, hidden, hidden_bias, last, last_bias = problem.weights
    by_channel = hidden.reshape(*FLAT, -1).transpose(2, 0, 1, 3).reshape(hidden.shape)
    values = [kernel1.transpose(3, 2, 0, 1), bias1, kernel2.transpose(3, 2, 0, 1), bias2]
    values += [by_channel.T, hidden_bias, last.T, last_bias]
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return network


def make(variant: str, problem: Problem) -> PeerArm:
    """The arm of a variant: "eager", "channels last" or "compile", which has channels last too."""
    network, images = new_network(problem), torch.from_numpy(problem.images.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(problem.labels)
    if variant != "eager":
        network = network.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, fused=variant != "eager"
    )
    forward: Callable[[Any], Any] = torch.compile(network) if variant == "compile" else network

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return PeerArm(step, lambda loss: float(loss.detach()), problem.losses)
