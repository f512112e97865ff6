"""Keyword spotting by one recurrent layer: LSTM or GRU.

Y. Zhang, N. Suda, L. Lai, V. Chandra, "Hello edge: keyword spotting on microcontrollers", arXiv:1711.07128, and its code,
ARM-software/ML-KWS-for-MCU. A second of sound as frames of 40 ms with 10 features each; after the last frame, one linear
layer to 12 words. `train_commands.txt` there has the sizes:

    cell    hidden  frames  parameters of the paper's code       MACs
    "lstm"     118      49                          62,316   2,961,800
    "lstm"     214      49                         195,180   9,398,024
    "lstm"     344      49                         492,620  23,872,224
    "gru"      154      25                          78,090   1,896,048
    "gru"      250      49                         198,762   9,558,000
    "gru"      400      49                         498,012  24,112,800

A gate there has one bias; here, as in torch and ONNX, it has two: 4 (LSTM) or 3 (GRU) times `hidden` parameters more.
"""

from __future__ import annotations

from costmodel.graph import Dim, Graph
from costmodel.graph.blocks import as_choice


def build(
    cell: str = "gru",
    hidden: Dim = 154,
    frames: Dim = 25,
    features: Dim = 10,
    num_classes: Dim = 12,
) -> Graph:
    """Keyword spotting by one recurrent layer.

    Parameters
    ----------
    cell
        "gru" or "lstm", without projection and peepholes.
    hidden
        Size of the state.
    frames
        Frames of a second: 25 of 40 ms, or 49 that overlap by half.
    features
        Features of a frame.
    num_classes
        Outputs of the last layer.
    """
    cell = as_choice("kws_rnn: cell", cell, ("gru", "lstm"))
    g = Graph(f"kws-{cell}")
    x = g.input("data", (1, frames, features))
    x = g.gru("gru", x, hidden) if cell == "gru" else g.lstm("lstm", x, hidden)
    x = g.flatten("flatten", g.slice("last", x, axis=1, start=-1))
    g.output(g.softmax("prob", g.linear("fc", x, num_classes)))
    return g
