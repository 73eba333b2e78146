"""Train a small classifier of two interleaved spirals, in NumPy alone, and measure its accuracy.

Usage: python train.py --config recipe.json --out folder
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

TEST_SEED = 20_000
"""Every run is tested on the same points."""


def spirals(points, noise, seed):
    """Points of two spirals, shape (points, 2), and which of the two each is on, 0 or 1."""
    random = np.random.default_rng(seed)
    label = np.arange(points) % 2
    turn = np.sqrt(random.uniform(0.05, 1, points)) * 2.6 * np.pi
    angle = turn + np.pi * label
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1) * turn[:, None] / (2.6 * np.pi)
    return place + random.normal(0, noise, (points, 2)), label


def features(place, degree):
    """The coordinates and, up to `degree`, sines and cosines of their multiples."""
    waves = [place] + [f(k * np.pi * place) for k in range(1, degree + 1) for f in (np.sin, np.cos)]
    return np.concatenate(waves, axis=1)


def forward(weights, x):
    """The hidden layer, and the probability that each point is on the second spiral."""
    hidden = np.tanh(x @ weights["w1"] + weights["b1"])
    return hidden, 1 / (1 + np.exp(-(hidden @ weights["w2"] + weights["b2"])))


def loss_of(probability, label):
    """Mean cross-entropy in nats."""
    chosen = np.where(label == 1, probability, 1 - probability)
    return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))


def gradients(weights, x, label, decay):
    """The loss, and its gradient with respect to every weight."""
    hidden, probability = forward(weights, x)
    error = (probability - label)[:, None] / len(label)
    back = (error @ weights["w2"][:, None].T) * (1 - hidden**2)
    found = {
        "w1": x.T @ back + decay * weights["w1"],
        "b1": back.sum(axis=0),
        "w2": hidden.T @ error[:, 0] + decay * weights["w2"],
        "b2": error.sum(),
    }
    return loss_of(probability, label), found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    recipe = json.loads(options.config.read_text())

    x, label = spirals(recipe["points"], recipe["noise"], recipe["data_seed"])
    x = features(x, recipe["features"])
    init = np.random.default_rng(recipe["init_seed"])
    width = recipe["width"]
    weights = {
        "w1": init.normal(0, 1 / np.sqrt(x.shape[1]), (x.shape[1], width)),
        "b1": np.zeros(width),
        "w2": init.normal(0, 1 / np.sqrt(width), width),
        "b2": np.float64(0),
    }
    speed = {name: np.zeros_like(value) for name, value in weights.items()}
    order = np.random.default_rng([recipe["data_seed"], 1])
    optimizer, log = recipe["optimizer"], []
    for step in range(recipe["steps"]):
        batch = order.integers(0, len(label), recipe["batch"])
        rate = optimizer["learning_rate"]
        if optimizer["schedule"] == "linear":
            rate *= 1 - step / recipe["steps"]
        loss, slope = gradients(weights, x[batch], label[batch], optimizer["decay"])
        for name in weights:
            speed[name] = optimizer["momentum"] * speed[name] - rate * slope[name]
            weights[name] = weights[name] + speed[name]
        if step % 20 == 0 or step == recipe["steps"] - 1:
            log.append([step, loss, rate])

    place, truth = spirals(4000, recipe["noise"], TEST_SEED)
    _, probability = forward(weights, features(place, recipe["features"]))
    accuracy = float(np.mean((probability > 0.5) == truth))
    error = float(np.sqrt(accuracy * (1 - accuracy) / len(truth)))
    with open(options.out / "trace.csv", "w", newline="") as file:
        csv.writer(file).writerows([["step", "loss", "learning_rate"], *log])
    result = {
        "metrics": {
            "accuracy": {"value": accuracy, "standard_error": error, "n": len(truth)},
            "loss": loss_of(probability, truth),
        },
        "steps": recipe["steps"],
    }
    (options.out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
