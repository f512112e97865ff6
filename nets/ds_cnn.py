"""DS-CNN: keyword spotting by depthwise separable convolutions, as in MLPerf Tiny.

Y. Zhang, N. Suda, L. Lai, V. Chandra, "Hello Edge: keyword spotting on microcontrollers", arXiv:1711.07128; the network of
MLPerf Tiny (C. Banbury et al., arXiv:2106.07597) on 49 frames of 10 features: a 10x4 convolution of stride 2, four
separable blocks of 64 filters, average pool, 12 classes; 22,604 parameters, 2,656,768 MACs. Batch normalisations are folded.
"""

from __future__ import annotations

from costmodel.graph import Dim, Graph, as_dim
from costmodel.graph.blocks import as_count, classified, conv_block, separable_block


def build(filters: Dim = 64, blocks: int = 4, frames: Dim = 49, features: Dim = 10, num_classes: Dim = 12) -> Graph:
    """DS-CNN.

    Parameters
    ----------
    filters
        Filters of every convolution.
    blocks
        Separable blocks after the first convolution.
    frames, features
        Height and width of the input: time steps, and mel-frequency cepstral coefficients of each.
    num_classes
        Outputs of the last layer.
    """
    filters, blocks = as_dim(filters, "filters"), as_count("ds_cnn: blocks", blocks, least=0)
    g = Graph("ds-cnn")
    x = g.input("data", (1, 1, frames, features))
    x = conv_block(g, "conv1", x, filters, (10, 4), stride=2, padding="same", folded=True)
    for i in range(blocks):
        x = separable_block(g, f"block{i + 1}", x, filters, folded=True)
    return classified(g, x, num_classes)
