"""Vision Transformer: an image as a sequence of patches; by default the smallest, ViT-Ti/16.

A. Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at scale", ICLR 2021,
arXiv:2010.11929; small and tiny after H. Touvron, M. Cord, M. Douze, F. Massa, A. Sablayrolles, H. Jegou, "Training
data-efficient image transformers & distillation through attention", arXiv:2012.12877, table 1:

    patches 16x16 embedded by one convolution, a class token, positions, 12 layers of self-attention and a perceptron,
    the class token, 1000 classes

    variant  dim  heads   parameters            MACs
    "tiny"   192      3    5,717,416   1,253,683,200
    "small"  384      6   22,050,664   4,598,882,304
    "base"   768     12   86,567,656  17,563,828,224
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor, as_dim
from costmodel.graph.blocks import as_choice, as_count
from costmodel.graph.shapes import product, require

SIZES: Final = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}
"""Size of a token, and heads."""


def build(
    variant: str = "tiny",
    dim: Dim | None = None,
    heads: Dim | None = None,
    layers: int = 12,
    mlp_ratio: Dim = 4,
    patch: Dim = 16,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
) -> Graph:
    """Vision Transformer.

    Parameters
    ----------
    variant
        "tiny", "small" or "base": `dim` and `heads`.
    dim
        Size of a token; None for that of the `variant`.
    heads
        Heads of the attention, which divide `dim`; None for those of the `variant`.
    layers
        Number of encoder layers.
    mlp_ratio
        Hidden size of the perceptron per `dim`.
    patch
        Height and width of a patch [pixels].
    input
        Height and width of the image [pixels], a multiple of `patch`.
    num_classes
        Outputs of the last layer.
    """
    variant = as_choice("vit: variant", variant, tuple(SIZES))
    dim = as_dim(SIZES[variant][0] if dim is None else dim, "dim")
    heads = as_dim(SIZES[variant][1] if heads is None else heads, "heads")
    mlp_ratio, patch = as_dim(mlp_ratio, "mlp_ratio"), as_dim(patch, "patch")
    layers = as_count("vit: layers", layers)
    require(dim % heads == 0, "vit: heads must divide dim")
    require(as_dim(input, "input") % patch == 0, "vit: input must be a multiple of patch")
    g = Graph(f"vit-{variant}")
    x = _embedded(g, g.input("data", (1, 3, input, input)), dim, patch)
    for i in range(1, layers + 1):
        y = _attention(g, f"layer{i}/attention", g.layer_norm(f"layer{i}/norm1", x), heads)
        x = g.add(f"layer{i}/add1", x, y)
        y = g.gelu(f"layer{i}/gelu", g.linear(f"layer{i}/fc1", g.layer_norm(f"layer{i}/norm2", x), product(mlp_ratio, dim)))
        x = g.add(f"layer{i}/add2", x, g.linear(f"layer{i}/fc2", y, dim))
    x = g.slice("class_token_out", g.layer_norm("norm", x), axis=1, stop=1)
    g.output(g.softmax("prob", g.linear("fc", g.flatten("flatten", x), num_classes)))
    return g


def _embedded(g: Graph, x: Tensor, dim: Dim, patch: Dim) -> Tensor:
    """Patches as tokens (N, T, D) behind the class token, with their positions added."""
    x = g.conv("patches", x, dim, kernel=patch, stride=patch)
    x = g.transpose("tokens", g.reshape("grid", x, (1, dim, -1)), (0, 2, 1))
    x = g.concat("sequence", g.parameter("class_token", (1, 1, dim)), x, axis=1)
    return g.add("positions_add", x, g.parameter("positions", x.shape))


def _attention(g: Graph, name: str, x: Tensor, heads: Dim) -> Tensor:
    """Self-attention (N, T, D) -> (N, T, D).

    A head reads its columns of queries, keys and values where the projection wrote them, keys across: splitting into heads
    and joining them moves nothing.
    """
    _, tokens, dim = x.shape
    qkv = g.linear(f"{name}/qkv", x, product(3, dim))
    parts = [
        g.slice(f"{name}/{part}", qkv, axis=2, start=product(i, dim) if i else 0, stop=product(i + 1, dim))
        for i, part in enumerate(("query", "key", "value"))
    ]
    each = dim // heads
    shapes = ((1, heads, tokens, each), (1, heads, each, tokens), (1, heads, tokens, each))
    q, k, v = (g.reshape(f"{part.name}_heads", part, shape) for part, shape in zip(parts, shapes, strict=True))
    weights = g.softmax(f"{name}/softmax", g.matmul(f"{name}/scores", q, k))
    y = g.reshape(f"{name}/joined", g.matmul(f"{name}/mix", weights, v), (1, tokens, dim))
    return g.linear(f"{name}/proj", y, dim)
