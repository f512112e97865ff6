"""PyTorch modules: traced by torch.export on tensors without data, weights never copied or read.

The module is copied around its parameters, so that the copy's have shapes only and the caller's stay as they are.
The copy is in evaluation mode: what is priced is inference.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, Final, TypeAlias

from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Graph, Tensor
from costmodel.importers.channels_last import clean
from costmodel.importers.torch_ops import FACTORIES, HANDLERS, handler_of, is_known
from costmodel.importers.torch_program import (
    Constant,
    Names,
    Node,
    Program,
    flat,
    is_view,
    mutates,
    op_name,
    op_of,
)

Module: TypeAlias = Any
"""A torch.nn.Module; torch is imported only when one is given."""
Example: TypeAlias = Any
"""A tensor, a shape, or (shape, dtype)."""
Traced: TypeAlias = Any
"""A torch.export.ExportedProgram."""

LARGEST_SIZE: Final = 2**31 - 1
INSTALL: Final = 'PyTorch is not installed: pip install "nn-costmodel[torch]"'


def torch_graph(module: Module, *inputs: Example, name: str | None = None) -> Graph:
    """Trace a PyTorch module.

    Parameters
    ----------
    module
        A torch.nn.Module. It is not changed, and neither are its weights read; train or eval mode make no difference.
    *inputs
        One example per argument of ``forward``: a tensor, a shape ``(1, 3, 224, 224)``, or ``(shape, dtype)`` where
        elements are not of the module's own type, ``((1, 128), "int64")`` for token ids. None stays None.
    name
        Name of the graph; the module's class by default.

    Returns
    -------
    Graph
        Layers named after the modules, ``layer1.0/conv2`` in group ``layer1.0``. Parameters used several times count
        once. Operations without a model are of status "unknown".

    Raises
    ------
    InputError
        PyTorch is missing, `module` is no module, or an example is not usable.
    NetworkError
        The module cannot run on these inputs, or torch.export cannot trace it.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> torch_graph(torch.nn.Conv2d(3, 8, 3), (1, 3, 32, 32)).table().total("macs")  # doctest: +SKIP
    array([194400])
    """
    return torch_program(module, *inputs, name=name).graph


def torch_program(module: Module, *inputs: Example, name: str | None = None) -> Program:
    """Trace a PyTorch module as :func:`torch_graph` does; its graph, and what else is known of it."""
    torch = _torch()
    module = _expected_module(torch, module)
    examples = _examples(torch, module, inputs)
    with _quiet(torch):
        fake = importlib.import_module("torch._subclasses").FakeTensorMode(allow_non_fake_inputs=True)
        light = _weightless(torch, module, fake)
        with fake:
            tensors = [example and torch.empty(example[0], dtype=example[1]) for example in examples]
        traced = _exported(torch, light, tuple(tensors))
        return _drawn(traced, name or clean(type(module).__name__) or "network", light)


def _torch() -> Any:  # noqa: ANN401 - a module
    """The torch library, or an InputError that says how to get it."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise InputError(f"{INSTALL} ({error})") from None


def _expected_module(torch: Any, module: Module) -> Module:  # noqa: ANN401 - a module
    """The module, without the wrapper that torch.compile puts around it; InputError for anything else."""
    module = getattr(module, "_orig_mod", module)
    if isinstance(module, type) and issubclass(module, torch.nn.Module):
        raise InputError(f"{module.__name__} is a class: give an instance of it, {module.__name__}(...)")
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"expected a torch.nn.Module, got {type(module).__name__}; load the module first")
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError("a TorchScript module cannot be traced again: give the torch.nn.Module it was made from")
    lazy = [key for key, p in module.named_parameters() if torch.nn.parameter.is_lazy(p)]
    if lazy:
        raise InputError(
            f"{type(module).__name__}: parameter {lazy[0]!r} has no shape yet: call the module once on real data"
        )
    return module


# ---- examples


def _examples(torch: Any, module: Module, inputs: Sequence[Example]) -> list[Any]:  # noqa: ANN401 - a module
    """(shape, dtype) or None for every input; all problems at once."""
    floating = [p.dtype for p in module.parameters() if p.is_floating_point()]
    default = floating[0] if floating else torch.float32
    found, problems = [], []
    for position, value in enumerate(inputs):
        try:
            found.append(_example(torch, value, default))
        except InputError as error:
            problems += [f"input {position + 1}: {problem}" for problem in error.problems]
    if problems:
        raise InputError(*problems)
    return found


def _example(torch: Any, value: Example, default: Any) -> Any:  # noqa: ANN401 - torch's own types
    """Shape and type of one example."""
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.dtype
    shape, dtype = value, default
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], list | tuple):
        shape, dtype = value[0], _dtype(torch, value[1])
    good = isinstance(shape, list | tuple) and all(type(size) is int and 0 < size <= LARGEST_SIZE for size in shape)
    if not good:
        raise InputError(
            "expected a tensor, a shape of positive integers such as (1, 3, 224, 224), or (shape, dtype), "
            f"got {_short(value)}"
        )
    return tuple(shape), dtype


def _dtype(torch: Any, value: object) -> Any:  # noqa: ANN401 - torch's own types
    """A type of elements by itself or by its name."""
    found = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if not isinstance(found, torch.dtype):
        raise InputError(f'no type of elements {_short(value)}; use torch.int64 or "int64", "float32", "bool", ...')
    return found


def _short(value: object) -> str:
    """A value in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def argument_names(module: Module) -> tuple[str, ...]:
    """Names of the arguments of ``forward``."""
    return tuple(inspect.signature(module.forward).parameters)


def positional(module: Module, examples: Mapping[str, Example] | Sequence[Example]) -> Sequence[Example]:
    """Examples in the order of the arguments of ``forward``; InputError where names do not lead to one."""
    if not isinstance(examples, Mapping):
        return examples
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind_partial(**examples)
    except TypeError as error:
        raise InputError(f"{type(module).__name__}: {error}; the arguments of forward are {signature}") from None
    if bound.kwargs:
        names = ", ".join(bound.kwargs)
        raise InputError(f"{type(module).__name__}: {names}: give the arguments of forward{signature} before it as well")
    return bound.args


# ---- tracing


@contextmanager
def _quiet(torch: Any) -> Iterator[None]:  # noqa: ANN401 - a module
    """Without gradients, and without torch's warnings and logs: problems are reported once, by this importer."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _weightless(torch: Any, module: Module, fake: Any) -> Module:  # noqa: ANN401 - torch's own types
    """A copy in evaluation mode whose parameters and buffers have shapes only; plain tensors are shared."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        memo.update((id(value), value) for value in vars(part).values() if isinstance(value, torch.Tensor))
    with fake:
        for parameter in module.parameters():
            empty = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
            memo[id(parameter)] = torch.nn.Parameter(empty, requires_grad=False)
        for buffer in module.buffers():
            memo[id(buffer)] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
    try:
        return copy.deepcopy(module, memo).eval()
    except Exception as error:  # whatever somebody's attributes may raise
        raise NetworkError(
            f"{type(module).__name__}: cannot be copied ({_first_line(error)}); remove what is no part of the network"
        ) from None


def _exported(torch: Any, light: Module, tensors: tuple[Any, ...]) -> Traced:  # noqa: ANN401 - a module
    """The module as a program of ATen operations, those that nobody here draws decomposed."""
    try:
        traced = torch.export.export(light, tensors, strict=False)
        traced.graph.eliminate_dead_code()
        nodes = _fed(traced)
        open_ops = {op_name(node.target) for node in nodes if not is_known(node)}
        if not open_ops and not any(map(_writes_through, nodes)):
            return traced
        table = torch.export.default_decompositions()
        for target in [target for target in table if op_name(target) in HANDLERS.keys() - open_ops]:
            del table[target]
        traced = traced.run_decompositions(table)
    except CostModelError:
        raise
    except Exception as error:  # whatever the module may raise
        raise NetworkError(_export_problem(light, error, tensors)) from None
    traced.graph.eliminate_dead_code()
    return traced


def _fed(traced: Traced) -> list[Node]:
    """The operations that an input reaches; the others give constants, whatever they are."""
    names = set(traced.graph_signature.user_inputs)
    reached: dict[Node, None] = {}
    for node in traced.graph.nodes:
        read = node.op == "call_function" and op_of(node) not in FACTORIES and any(n in reached for n in node.all_input_nodes)
        if read or (node.op == "placeholder" and node.name in names):
            reached[node] = None
    return [node for node in reached if node.op == "call_function"]


def _writes_through(node: Node) -> bool:
    """Whether an operation writes into elements that others know by another name."""
    if not mutates(node) or not hasattr(node.args[0], "users"):
        return False
    written = node.args[0]
    if any(_renames(user) for user in written.users if user is not node):
        return True
    while _renames(written):
        written = written.args[0]
        if len(written.users) > 1:
            return True
    return False


def _renames(node: Node) -> bool:
    """Whether a node gives elements of another one by a name of its own."""
    return op_of(node) == "getitem" or is_view(node)


def _export_problem(light: Module, error: Exception, tensors: Sequence[Any]) -> str:
    """What went wrong, where, and what to do."""
    kind, line = type(light).__name__, _first_line(error)
    given = ", ".join("None" if t is None else f"{tuple(t.shape)} {t.dtype}" for t in tensors) or "no inputs"
    if isinstance(error, TypeError) and "argument" in line:
        return f"{kind}: {line}; give one example per argument of forward{inspect.signature(light.forward)}, got {given}"
    where = _place(error)
    if "data-dependent" in str(error) or "DataDependent" in type(error).__name__:
        parts = ", ".join(clean(name) for name, _ in light.named_children()) or "none"
        return (
            f"{kind}: its control flow depends on the data{where}, so there is no one graph to price; use torch.where or "
            f"torch.cond, price the part that is always run (its parts: {parts[:200]}), or follow the example: "
            "torch.onnx.export(module, inputs, 'model.onnx', dynamo=False), and analyse that file"
        )
    return f"{kind}: cannot run on {given}{where}: {line}; check the example inputs, and that torch.export takes the module"


def _first_line(error: Exception) -> str:
    """The first line of an error's message that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next(filter(None, lines), type(error).__name__)
    return "".join(char if char.isprintable() else " " for char in line)[:400]


def _place(error: Exception) -> str:
    """The last line of the user's own code that led to an error, "" if none is known."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _others(Path(frame.filename))]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _others(file: Path) -> bool:
    """Whether a file is one of torch, of Python itself or of this package."""
    torch, python = (Path(library.__file__ or "").parent for library in (importlib.import_module("torch"), copy))
    standard = python in file.parents and "site-packages" not in file.parts
    return standard or torch in file.parents or file.parent == Path(__file__).parent


# ---- drawing


def _drawn(traced: Traced, name: str, light: Module) -> Program:
    """A traced program, drawn."""
    nodes = list(traced.graph.nodes)
    aliases, elems = _parameters(light)
    program = Program(Graph(name), Names(nodes), handler_of, elems)
    signature = traced.graph_signature
    sources = {node: aliases.get(target) for node, target in signature.inputs_to_parameters.items()}
    fed = set(signature.user_inputs)
    for node in nodes:
        if node.op == "placeholder" and node.name in fed:
            _feed(program, node)
        elif node.op in ("placeholder", "get_attr"):
            program.give(node, _constant(node, sources.get(node.name)))
        elif node.op == "call_function":
            program.run(node)
        elif node.op == "output":
            _finish(program, program.resolved(node.args[0]), name)
    return program


def _parameters(light: Module) -> tuple[dict[str, str], dict[str, int]]:
    """First name of every name of a parameter, and elements by first name."""
    first = {id(parameter): key for key, parameter in light.named_parameters()}
    everyone = light.named_parameters(remove_duplicate=False)
    return {key: first[id(p)] for key, p in everyone}, {key: p.numel() for key, p in light.named_parameters()}


def _feed(program: Program, node: Node) -> None:
    """An input of the network; numbers and None are part of it."""
    value = node.meta.get("val")
    if not hasattr(value, "shape"):
        program.give(node, value)
        return
    program.give(node, program.graph.input(program.names.unique(clean(node.name)), tuple(value.shape)))


def _constant(node: Node, source: str | None) -> Constant | None:
    """A parameter, a buffer or a tensor that the module holds."""
    value = node.meta.get("val")
    shape = tuple(value.shape) if hasattr(value, "shape") else None
    return None if shape is None else Constant(shape, (source,) if source else ())


def _finish(program: Program, results: Any, name: str) -> None:  # noqa: ANN401 - nested lists of what nodes give
    """Declare the outputs that the network computes."""
    tensors = [item for item in flat([results]) if isinstance(item, Tensor)]
    if not program.graph.layers or not tensors:
        raise NetworkError(f"{name}: nothing it returns is computed from its inputs; return the tensors you want priced")
    fed = set(program.graph.inputs)
    program.graph.output(*dict.fromkeys(tensor for tensor in tensors if tensor not in fed))
