"""Random small networks for the oracles of schedules."""

from __future__ import annotations

from hypothesis import strategies as st

from costmodel.graph import Graph


def taps_of(draw, height):
    """Draw (kernel, stride, padding, dilation) whose window fits into a height and sees a real row everywhere."""
    dilation = draw(st.sampled_from([1, 1, 2]))
    kernel = draw(st.integers(1, 3))
    padding = draw(st.integers(0, (kernel - 1) * dilation))
    if height + 2 * padding < (kernel - 1) * dilation + 1:
        return 1, 1, 0, 1
    return kernel, draw(st.sampled_from([1, 1, 1, 2, 3])), padding, dilation


def window_layer(draw, graph, x, name, channels):
    """Add a convolution, or a pooling."""
    kernel, stride, padding, dilation = taps_of(draw, x.shape[2])
    each = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1)}
    if draw(st.integers(0, 3)) == 0:
        return graph.max_pool(name, x, (kernel, 1), **each)
    groups = 2 if x.shape[1] % 2 == 0 and draw(st.integers(0, 2)) == 0 else 1
    return graph.conv(name, x, draw(st.sampled_from(channels)), (kernel, 1), groups=groups, bias=draw(st.booleans()), **each)


def fire(draw, graph, x, name, channels):
    """Add two convolutions that read one tensor and write a concatenation in place."""
    taps = draw(st.sampled_from([1, 3]))
    left = graph.conv(f"{name}/a", x, draw(st.sampled_from(channels)), 1)
    right = graph.conv(f"{name}/b", x, draw(st.sampled_from(channels)), (taps, 1), padding=(taps // 2, 0))
    return graph.concat(f"{name}/concat", left, right)


def dense(draw, graph, x, name, channels):
    """Add a concatenation whose second part is made from the first."""
    left = graph.conv(f"{name}/a", x, draw(st.sampled_from(channels)), 1)
    right = graph.conv(f"{name}/b", left, draw(st.sampled_from(channels)), (3, 1), padding=(1, 0))
    return graph.concat(f"{name}/concat", left, right)


def sum_of(draw, graph, tensors, name):
    """Add the sum of two tensors of one shape, or None where there are none."""
    pairs = [(a, b) for i, a in enumerate(tensors) for b in tensors[i + 1 :] if a.shape[1:] == b.shape[1:] and a.rank == 4]
    return graph.add(name, *draw(st.sampled_from(pairs))) if pairs else None


def view_of(draw, graph, x, name):
    """Add a view: some channels, columns or rows, or the same elements under another shape."""
    n, c, h, w = x.shape
    kind = draw(st.sampled_from(["channels", "channels", "rows", "columns", "reshape", "height"]))
    if kind == "channels":
        return graph.slice(name, x, 1, 0, min(c, 2))
    if kind in ("rows", "columns"):
        return graph.slice(name, x, 2 if kind == "rows" else 3, 0, 1)
    return graph.reshape(name, x, (n, c // 2, h, 2 * w) if kind == "reshape" and c % 2 == 0 else (n, c, w, h))


@st.composite
def striped_networks(draw, most=5, height=9, width=2, channels=(2, 4), kinds="wwwwffdssva"):
    """Draw a network of convolutions, poolings, sums, concatenations, slices and activations over rows."""
    graph = Graph("random")
    n = draw(st.sampled_from([1, 1, 2]))
    tensors = [graph.input("x", (n, 2, draw(st.integers(2, height)), draw(st.integers(1, width))))]
    if draw(st.integers(0, 3)) == 0:
        tensors.append(graph.input("z", (draw(st.sampled_from([1, n])), *tensors[0].shape[1:])))
    for place in range(draw(st.integers(2, most))):
        kind, x = draw(st.sampled_from(kinds)), draw(st.sampled_from(tensors[-3:]))
        made = None
        if kind == "f":
            made = fire(draw, graph, x, f"fire{place}", channels)
        elif kind == "d":
            made = dense(draw, graph, x, f"dense{place}", channels)
        elif kind == "s":
            made = sum_of(draw, graph, tensors, f"sum{place}")
        elif kind == "v":
            made = view_of(draw, graph, x, f"view{place}")
        elif kind == "a":
            made = graph.sigmoid(f"act{place}", x)
        tensors.append(window_layer(draw, graph, x, f"w{place}", channels) if made is None else made)
    if draw(st.integers(0, 3)) == 0:
        last = [t for t in tensors[1:] if t.origin == "layer"]
        graph.output(*dict.fromkeys([last[-1], draw(st.sampled_from(last)), *graph.outputs]))
    return graph


@st.composite
def mixed_networks(draw):
    """Draw a network of linear layers, products of two activations, softmax, normalisation, sums and flattened maps."""
    graph = Graph("mixed")
    rows, wide = draw(st.integers(1, 3)), draw(st.sampled_from([2, 4]))
    tensors = [graph.input("x", (1, rows, wide))]
    if draw(st.booleans()):
        tensors.append(graph.input("z", (1, rows, wide)))
    for place in range(draw(st.integers(2, 5))):
        x = draw(st.sampled_from(tensors[-3:]))
        tensors.append(mixed_layer(draw, graph, tensors, x, f"m{place}"))
    if draw(st.integers(0, 3)) == 0:
        last = [t for t in tensors if t.origin == "layer"]
        graph.output(*dict.fromkeys([last[-1], draw(st.sampled_from(last)), *graph.outputs]))
    return graph


def mixed_layer(draw, graph, tensors, x, name):
    """Add a layer over (batch, rows, features)."""
    kind = draw(st.sampled_from("lllmmsanw"))
    if kind == "m":
        fitting = [b for b in tensors if b is not x and b.shape[1] == x.shape[2]]
        if fitting:
            return graph.matmul(name, x, draw(st.sampled_from(fitting)))
    if kind == "s":
        fitting = [b for b in tensors if b is not x and b.shape == x.shape]
        if fitting:
            return graph.add(name, x, draw(st.sampled_from(fitting)))
    if kind == "a":
        return graph.sigmoid(name, x)
    if kind == "n":
        return draw(st.sampled_from([graph.softmax, graph.layer_norm]))(name, x)
    if kind == "w":
        return graph.transpose(name, x, (0, 2, 1))
    return graph.linear(name, x, draw(st.sampled_from([1, 2, 4, 6])))
