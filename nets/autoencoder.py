"""Autoencoder of fully connected layers: anomaly detection of MLPerf Tiny.

C. Banbury et al., "MLPerf Tiny benchmark", arXiv:2106.07597, after the baseline of the DCASE 2020 challenge, task 2
(Y. Koizumi et al., arXiv:2006.05822): 640 inputs, four layers of 128, a bottleneck of 8, four layers of 128, 640 outputs;
265,864 parameters, 264,192 MACs. Batch normalisations are folded.
"""

from __future__ import annotations

from costmodel.graph import Dim, Graph, as_dim


def build(features: Dim = 640, hidden: Dim = 128, bottleneck: Dim = 8) -> Graph:
    """Autoencoder.

    Parameters
    ----------
    features
        Inputs, and outputs: five frames of 128 mel bands.
    hidden
        Outputs of every layer but the one in the middle and the last.
    bottleneck
        Outputs of the layer in the middle.
    """
    hidden, bottleneck = as_dim(hidden, "hidden"), as_dim(bottleneck, "bottleneck")
    g = Graph("autoencoder")
    x = g.input("data", (1, features))
    for i, outputs in enumerate([*[hidden] * 4, bottleneck, *[hidden] * 4], start=1):
        x = g.relu(f"fc{i}_relu", g.linear(f"fc{i}", x, outputs))
    g.output(g.linear("fc10", x, features))
    return g
