"""MACs of a model file by its own runtime: shapes of the tensors that it really makes, without this project's importers.

ONNX Runtime runs the file on zeros with every intermediate tensor as an output; LiteRT allocates all tensors. Each product
then has as many MACs as the literature gives it: a convolution, elements of its output times taps and channels of a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
Inputs = Mapping[str, Sequence[int]]

TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32"}


def runtime_macs(path: Path, inputs: Inputs) -> int:
    """MACs of a file on inputs of these shapes, by the runtime of its format."""
    return onnx_macs(path, inputs) if path.suffix == ".onnx" else tflite_macs(path, inputs)


# ---- ONNX Runtime


def onnx_macs(path: Path, inputs: Inputs) -> int:
    """MACs of an ONNX file; branches count as they are taken."""
    import onnx

    model = onnx.load(path)
    shapes, data = run(model, inputs)
    while any(node.op_type == "If" for node in model.graph.node):
        spliced(model, data)
        shapes, data = run(model, inputs)
    return sum(node_macs(node, shapes) for node in model.graph.node)


def run(model: Any, inputs: Inputs) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Shape of every tensor of a model that runs on zeros, and the content of those of one element."""
    import numpy as np
    import onnx
    import onnxruntime

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    known = {output.name for output in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name and name not in known]
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {}
    for entry in session.get_inputs():
        given, dtype = inputs.get(entry.name, entry.shape), TYPES[entry.type]
        feed[entry.name] = np.zeros(given, dtype) if entry.shape else np.array(given[0], dtype)
    outputs = session.run(None, feed)
    arrays = feed | {entry.name: array for entry, array in zip(session.get_outputs(), outputs, strict=True)}
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    shapes |= {name: tuple(array.shape) for name, array in arrays.items() if hasattr(array, "shape")}
    return shapes, {name: array.item() for name, array in arrays.items() if getattr(array, "size", 0) == 1}


def spliced(model: Any, data: Mapping[str, Any]) -> None:
    """Put the nodes of the branch that each If takes in its place; names are unique across branches in ONNX."""
    import onnx

    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type != "If":
            nodes.append(node)
            continue
        wanted = "then_branch" if data[node.input[0]] else "else_branch"
        branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
        nodes.extend(branch.node)
        model.graph.initializer.extend(branch.initializer)
        pairs = zip(branch.output, node.output, strict=True)
        nodes.extend(onnx.helper.make_node("Identity", [inner.name], [outer]) for inner, outer in pairs)
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copied)


def node_macs(node: Any, shapes: Mapping[str, Shape]) -> int:
    """MACs of one node; AssertionError for an operation that may hold products and is not known here."""
    import onnx

    assert node.op_type not in ("If", "Loop", "Scan", "Einsum", "Attention", "RNN", "QLinearConv"), node.op_type
    assert node.domain in ("", "ai.onnx"), node.domain
    operands = [shapes.get(name, ()) for name in node.input]
    out = shapes.get(node.output[0], ())
    flags = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    match node.op_type:
        case "Conv":
            return prod(out) * prod(operands[1][1:])
        case "ConvTranspose":
            return prod(operands[0]) * prod(operands[1][1:])
        case "Gemm":
            return prod(out) * operands[0][0 if flags.get("transA") else 1]
        case "MatMul":
            return prod(out) * operands[0][-1]
        case "LSTM" | "GRU":
            gates = {"LSTM": 4, "GRU": 3}[node.op_type]
            (steps, batch, features), (ways, _, hidden) = operands[0], operands[2]
            return steps * batch * ways * gates * hidden * (features + hidden)
    return 0


# ---- LiteRT


def tflite_macs(path: Path, inputs: Inputs) -> int:
    """MACs of the first subgraph of a TensorFlow Lite file."""
    return sum(operator_macs(code, operands, out) for code, operands, out in allocated(path, inputs))


def allocated(path: Path, inputs: Inputs) -> Iterator[tuple[str, Shapes, Shape]]:
    """Each operator with the shapes of its operands and of its output, after allocation."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=plain, experimental_preserve_all_tensors=True)
    for entry, shape in zip(interpreter.get_input_details(), inputs.values(), strict=False):
        interpreter.resize_tensor_input(entry["index"], list(shape))
    interpreter.allocate_tensors()
    shapes = {entry["index"]: tuple(map(int, entry["shape"])) for entry in interpreter.get_tensor_details()}
    for operator in interpreter._get_ops_details():
        operands = [shapes.get(index, ()) for index in operator["inputs"]]
        yield operator["op_name"], operands, shapes[operator["outputs"][0]] if len(operator["outputs"]) else ()


def operator_macs(code: str, operands: Shapes, out: Shape) -> int:
    """MACs of one operator; what IF runs is not counted, as the importer lists it as unknown."""
    assert code not in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE", "CONV_3D"), code
    match code:
        case "CONV_2D":
            return prod(out) * prod(operands[1][1:])
        case "DEPTHWISE_CONV_2D":
            return prod(out) * prod(operands[1][1:3])
        case "FULLY_CONNECTED":
            return prod(operands[0]) * operands[1][0]
        case "BATCH_MATMUL":
            assert prod(operands[0]) % prod(out[:-1]) == 0, "the first operand is broadcast"
            return prod(out) * (prod(operands[0]) // prod(out[:-1]))
        case "TRANSPOSE_CONV":
            return prod(operands[2]) * prod(operands[1][:3])
    return 0
