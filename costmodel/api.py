"""The library surface: load, analyze, compare, memory, sweep, the playbook, storage, training and updates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from costmodel.analysis import Analysis, analysis_of
from costmodel.errors import InputError
from costmodel.graph import Graph
from costmodel.hardware import HardwareProfile, load_hardware
from costmodel.importers import inputs_each, inventory_of, load_builder, load_network
from costmodel.joint.pinning import PinsGiven, given_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any

    import pandas as pd

    from costmodel.activations import MemoryTimeline
    from costmodel.advice import Advice, PublishedSize, Shrinking
    from costmodel.comparison import Comparison
    from costmodel.compression import Scheme, Storage
    from costmodel.compression.scheme import Values
    from costmodel.explanation import Explanation
    from costmodel.explore.budget import Budget
    from costmodel.explore.codesign import CoDesign
    from costmodel.explore.curve import Curve
    from costmodel.explore.engine import Pool
    from costmodel.explore.pareto import Front
    from costmodel.explore.run import RunReport
    from costmodel.explore.space import DesignSpace
    from costmodel.explore.study import Search
    from costmodel.explore.vary import Variation
    from costmodel.hardware.link import Link
    from costmodel.importers.files import Examples
    from costmodel.importers.torch import Example, Module
    from costmodel.playbook import Transformed
    from costmodel.reconciliation import Reconciliation
    from costmodel.training import TrainingCost
    from costmodel.updates import Holding, UpdateCost

__all__ = [
    "Hardware",
    "Network",
    "advise",
    "analyze",
    "codesign",
    "compare",
    "curve",
    "explain",
    "from_torch",
    "load_hardware",
    "load_network",
    "memory",
    "pareto",
    "price_mapping",
    "reconcile",
    "search",
    "shrink",
    "storage",
    "stream",
    "sweep",
    "train_cost",
    "transform",
    "update",
    "vary",
]

Network: TypeAlias = "Graph | str | Path | Module"
Hardware: TypeAlias = HardwareProfile | str | Path


def resolved_network(net: Network, inputs: Examples | None = None) -> Graph:
    """Return a Graph as it is; load a path, a bare name, ``name:argument=value`` or a module."""
    if not isinstance(net, Graph):
        spec, scheme = with_scheme(net)
        return compressed(load_network(spec, inputs), scheme)
    if inputs:
        raise InputError(f"{net.name}: a Graph has its shapes already; give inputs where it is built")
    return net


def resolved_networks(nets: Sequence[Network], inputs: Mapping[str, Example] | None) -> list[Graph]:
    """Graphs of several networks; each takes those inputs that it has."""
    specs = [with_scheme(net)[0] for net in nets if not isinstance(net, Graph)]
    if inputs and not specs:
        raise InputError("Graphs have their shapes already; give inputs where they are built")
    each = iter(inputs_each(specs, inputs))
    return [net if isinstance(net, Graph) else resolved_network(net, next(each)) for net in nets]


def with_scheme(net: str | Path | Module) -> tuple[str | Path | Module, str | None]:
    """A network and the compression scheme behind its ``@``, None where there is none."""
    if not isinstance(net, str) or "@" not in net:
        return net, None
    from costmodel.compression import split_scheme

    return split_scheme(net)


def compressed(graph: Graph, scheme: str | None) -> Graph:
    """A network with its weights stored as a scheme says."""
    if scheme is None:
        return graph
    from costmodel.compression import load_scheme, storage_of

    return storage_of(graph, load_scheme(scheme)).compressed


def resolved_hardware(hw: Hardware) -> HardwareProfile:
    """Return a profile as it is; load a path or a bare name."""
    return hw if isinstance(hw, HardwareProfile) else load_hardware(str(hw))


def analyze(
    net: Network,
    hw: Hardware,
    batch: int = 1,
    dtype: str | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
    schedule: str | None = None,
    state: str = "steady",
    reconciled: bool = False,
    activation_density: float | str | Path | None = None,
    objective: str | None = None,
    time_limit_s: float | None = None,
    pins: PinsGiven = None,
) -> Analysis:
    """Price one network on one piece of hardware, layer by layer.

    Parameters
    ----------
    net
        A Graph, the name of a shipped network (``"squeezenet:version=1.1"``), the path of a ``.py`` with ``build``, which
        is executed, or of an ONNX, TFLite or Keras file, or a ``torch.nn.Module``.
    hw
        A HardwareProfile, the name of a shipped profile, or the path of a YAML file.
    batch
        Inputs processed together; all figures are for the whole batch.
    dtype
        ``int4 int8 int16 fp16 bf16 fp32``. Where None, and without ``bits``, a file that says at which widths it is to be
        computed is priced at those, layer by layer; anything else at the profile's own.
    bits
        Widths that differ, by operand (weight, ifmap, ofmap, psum) [bits].
    inputs
        Shapes by input name, for axes that a model file leaves open; for a module one example per argument of ``forward``.
    schedule
        ``layer`` (every layer by itself), ``resident`` (what fits stays on chip) or ``fused`` (and layers are cascaded);
        what the profile declares where None.
    state
        ``steady``, where weights that stay on chip are there already, or ``cold``, where every inference loads them.
    reconciled
        Whether to reconcile its parameters with those of the framework, as :func:`reconcile` does.
    activation_density
        Share of activations that are not zero: a number for every layer, the name of a shipped measurement (``"alexnet"``), or
        a YAML file. They cross the off-chip boundary in a run-length code; needs the schedule ``layer``.
    objective
        What every layer is mapped for through all memories and the array at once: ``energy``, ``latency``, ``edp`` (their
        product) or ``dram_bytes``; ``none`` prices each boundary between memories by itself; what the profile declares
        where None. Needs the schedule ``layer``.
    time_limit_s
        How long to search for these mappings [s]; until they are proved optimal where None.
    pins
        What is fixed of these mappings, so that the best of the rest is found: ``{"glb.k": 16, "rows": "r:11", "conv*":
        {"glb.stationary": "weight"}}``, the same as words (``["glb.k=16", "conv*:glb.stationary=weight"]``), or YAML files.

    Returns
    -------
    Analysis
        Frozen; its ``repr`` is the table.

    Raises
    ------
    CostModelError
        One clear message per problem with the network, the profile or the options.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.analyze("squeezenet:version=1.1", "snapdragon", dtype="fp32").totals.macs
    349151936
    """
    graph, profile = resolved_network(net, inputs), resolved_hardware(hw)
    densities = None
    if activation_density is not None:
        from costmodel.compression.activations import load_activations

        densities = load_activations(activation_density)
    limits = objective, time_limit_s, given_pins(pins)
    analysis = analysis_of(graph, profile, batch, dtype, bits, schedule, state, densities, *limits)
    return replace(analysis, reconciliation=reconcile(net, inputs)) if reconciled else analysis


def explain(
    net: Network,
    hw: Hardware,
    layer: str,
    objective: str | None = None,
    batch: int = 1,
    dtype: str | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
    *,
    drops: bool = True,
    pins: PinsGiven = None,
) -> Explanation:
    """Explain one layer: its loop nest, every access with its formula, energy and time by memory, what more room would save.

    Parameters
    ----------
    net, hw, batch, dtype, bits, inputs
        As for :func:`analyze`.
    layer
        Name of the layer.
    objective
        As for :func:`analyze`; ``none``, or None where the profile declares none, explains every boundary by itself.
    drops
        Whether to search, for every memory, for the least size at which what is minimised drops.
    pins
        As for :func:`analyze`; those without a pattern of layers hold for this one.

    Returns
    -------
    Explanation
        Frozen; its ``repr`` is the report.

    Raises
    ------
    CostModelError
        As :func:`analyze`, or no such layer, or one without a loop nest.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.explain("squeezenet:version=1.1", "snapdragon", "conv10", drops=False).parts[0].formulas[0]
    'dram reads of weight = 512,000 elements x 1 sweep = 512,000'
    """
    from costmodel.explanation import explanation_of

    graph, profile, limits = resolved_network(net, inputs), resolved_hardware(hw), (objective, None, given_pins(pins, [layer]))
    analysis = analysis_of(graph, profile, batch, dtype, bits, "layer", "steady", None, *limits)
    return explanation_of(analysis, layer, drops=drops)


def price_mapping(
    net: Network,
    hw: Hardware,
    layer: str,
    mapping: Mapping[str, Any] | str | Path,
    objective: str | None = None,
    batch: int = 1,
    dtype: str | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
) -> Explanation:
    """Price a mapping of one layer that is given, beside the best.

    Parameters
    ----------
    net, hw, objective, batch, dtype, bits, inputs
        As for :func:`explain`.
    layer
        Name of the layer.
    mapping
        The mapping as plain data, as ``analysis.layers[i].mapping.to_dict()`` gives it, or a YAML or JSON file of it; or what
        ``costmodel mapping --format json`` writes.

    Returns
    -------
    Explanation
        What the given mapping costs; ``optimum`` is the best one.

    Raises
    ------
    CostModelError
        As :func:`explain`; or everything that is wrong with the mapping, by memory, operand and dimension.
    """
    from costmodel.explanation import explanation_of, given_analysis

    analysis = analysis_of(
        resolved_network(net, inputs), resolved_hardware(hw), batch, dtype, bits, "layer", "steady", None, objective
    )
    priced, best = given_analysis(analysis, layer, mapping)
    return explanation_of(priced, layer, drops=False, optimum=best)


def reconcile(net: Network, inputs: Mapping[str, Example] | Sequence[Example] | None = None) -> Reconciliation:
    """Set the parameters that are counted here against those that the framework counts, tensor by tensor.

    Parameters
    ----------
    net, inputs
        As for :func:`analyze`.

    Returns
    -------
    Reconciliation
        Frozen; its ``repr`` is the table. Every difference has a reason.

    Raises
    ------
    CostModelError
        As :func:`analyze`.

    Examples
    --------
    >>> import costmodel as cm
    >>> found = cm.reconcile("squeezenet:version=1.1")
    >>> [(line.kind, line.params) for line in found.lines], found.unexplained
    ([('weights', 1231552), ('biases', 3944)], 0)
    """
    from costmodel.reconciliation import reconciliation_of

    return reconciliation_of(inventory_of(net, inputs))


def compare(
    nets: Sequence[Network],
    hw: Hardware | Sequence[Hardware],
    batch: int = 1,
    dtype: str | Sequence[str] | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | None = None,
    schedule: str | None = None,
    state: str = "steady",
    objective: str | None = None,
) -> Comparison:
    """Price networks side by side, and say why one moves less than another.

    Parameters
    ----------
    nets
        Networks as for :func:`analyze`; the first is the baseline.
    hw
        One piece of hardware or several; every network is priced on each.
    batch, bits
        As for :func:`analyze`.
    dtype
        As for :func:`analyze`; or one per network, as a list or separated by commas (``"fp32,int8"``).
    inputs
        As for :func:`analyze`, by name; each network takes those that it has.
    schedule, state, objective
        As for :func:`analyze`.

    Returns
    -------
    Comparison
        Frozen; its ``repr`` is the report.

    Raises
    ------
    CostModelError
        As :func:`analyze`, or fewer than two things to compare.

    Examples
    --------
    >>> import costmodel as cm
    >>> comparison = cm.compare(["alexnet", "squeezenet"], "snapdragon")
    >>> round(comparison.pairs[0].ratios["params"], 1)
    48.8
    """
    from costmodel.comparison import comparison_of

    profiles = [hw] if isinstance(hw, HardwareProfile | str | Path) else list(hw)
    dtypes = dtype.split(",") if isinstance(dtype, str) else dtype
    graphs = resolved_networks(nets, inputs)
    resolved = [resolved_hardware(profile) for profile in profiles]
    return comparison_of(graphs, resolved, batch, dtypes, bits, schedule, state, objective)


def curve(
    net: Network,
    layer: str | None = None,
    capacity: str | Iterable[int | str] = "1KiB:16MiB",
    hardware: Hardware | None = None,
    batch: int = 1,
    dtype: str | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
) -> Curve:
    """Give the exact minimum of off-chip bytes against the size of the memory, beside what no schedule undercuts.

    Parameters
    ----------
    net, batch, inputs
        As for :func:`analyze`.
    layer
        Name of one layer, for every size at which its minimum drops; all layers where None.
    capacity
        Sizes of the memory: ``"1KiB:16MiB"``, which doubles, ``"1KiB:1MiB:4x"``, ``"64KiB,1MiB"``, or a sequence of bytes.
    hardware
        Hardware whose number format, width of partial sums and double buffering are used; none is needed.
    dtype
        As for :func:`analyze`; int8 where neither it nor hardware nor a quantised file says one.
    bits
        As for :func:`analyze`; without hardware, partial sums of integers have 32 bits.

    Returns
    -------
    Curve
        Frozen; its ``repr`` is the report, ``to_frame()`` has one row per size and layer.

    Raises
    ------
    CostModelError
        One clear message per problem. A memory that no tile fits into is no error: ``dram_bytes`` is None there.

    Examples
    --------
    >>> import costmodel as cm
    >>> found = cm.curve("alexnet", layer="conv3", capacity="16KiB:256KiB:4x")
    >>> [(point.compulsory_bytes, point.io_bound_bytes, point.dram_bytes) for point in found.points]
    [(992896, 1219563, 1685120), (992896, 992896, 992896), (992896, 992896, 992896)]
    """
    from costmodel.explore.curve import capacities_of, curve_of

    sizes = capacities_of(capacity)
    profile = None if hardware is None else resolved_hardware(hardware)
    return curve_of(resolved_network(net, inputs), profile, sizes, layer, batch, dtype, bits)


def memory(
    net: Network,
    dtype: str | None = None,
    batch: int = 1,
    convention: str = "live",
    order: str = "program",
    hw: Hardware | None = None,
    *,
    in_place: Sequence[str] | None = None,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int]] | None = None,
) -> MemoryTimeline:
    """Count the memory that the activations of a network take, step by step.

    Parameters
    ----------
    net, bits, inputs
        As for :func:`analyze`.
    dtype
        As for :func:`analyze`; int8 where neither it nor hardware nor a quantised file says one.
    batch
        Inputs processed together.
    convention
        ``live``, the most memory alive at once; ``in_out``, the largest inputs plus outputs of one layer; or ``arena``,
        addresses as TensorFlow Lite for Microcontrollers plans them.
    order
        ``program``, as the network is written, or ``least``, the order of least memory.
    hw
        Hardware whose memory the figures stand beside.
    in_place
        What is written in place: ``elementwise`` layers over an input that dies, ``concat`` by the layers that compute its
        inputs, ``view``; under ``in_out`` also ``depthwise`` convolutions or every ``layer`` over its input, and ``pool``
        with the convolution before it. The convention's own where None.

    Returns
    -------
    MemoryTimeline
        Frozen; its ``repr`` is the report.

    Raises
    ------
    CostModelError
        One clear message per problem with the network, the profile or the options.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.memory("squeezenet:version=1.1").peak_bytes
    982144
    """
    from costmodel.activations import every_convention, memory_of

    conventions = every_convention(convention, in_place)
    hardware = None if hw is None else resolved_hardware(hw)
    return memory_of(resolved_network(net, inputs), hardware, batch, dtype, bits, conventions, convention, order)


def storage(
    net: Network,
    density: Values | None = None,
    bits: Values | None = None,
    index_bits: Values | None = None,
    weights: str | Path | None = None,
    quantize: str = "linear",
    *,
    scheme: str | Path | Scheme | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
) -> Storage:
    """Count the bytes of the weights of a network, pruned, shared, indexed and Huffman-coded.

    Parameters
    ----------
    net, inputs
        As for :func:`analyze`; ``"alexnet@alexnet-deep-compression"`` is a network with a scheme.
    density, bits, index_bits
        Share of the weights that is not pruned, width of a code, width of a relative index (0: none): one value, or by layer
        (``{"conv*": 8, "fc*": 5}`` or ``"conv*=8,fc*=5"``, the first that matches). They win over those of a scheme.
    weights
        An ``.npz`` or ``.onnx`` file with the weights: pruned by magnitude, shared, and counted with their own Huffman codes.
    quantize
        How real weights are shared: ``linear`` or ``kmeans``.
    scheme
        What holds of each layer: a Scheme, the name of a shipped one, or a YAML file.

    Returns
    -------
    Storage
        Frozen; its ``repr`` is the table.

    Raises
    ------
    CostModelError
        One clear message per problem.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.storage("squeezenet@squeezenet-deep-compression-8bit").coded_bytes
    675763
    >>> cm.storage("squeezenet", density=0.33, bits=6).stages["pruned"]
    1658576
    """
    from costmodel.compression import load_scheme, storage_of

    spec, named = (net, None) if isinstance(net, Graph) else with_scheme(net)
    chosen = load_scheme(named) if named else scheme
    found = load_scheme(chosen) if isinstance(chosen, str | Path) else chosen
    return storage_of(resolved_network(spec, inputs), found, density, bits, index_bits, weights, quantize)


def sweep(
    build: DesignSpace | Callable[..., Graph] | str | Path,
    axes: Mapping[str, Sequence[Any]] | None = None,
    hw: Hardware | None = None,
    batch: int = 1,
    dtype: str | None = None,
    metrics: Sequence[str] | None = None,
    executor: Executor | None = None,
    chunk: int | None = None,
) -> pd.DataFrame:
    """Price a whole design space: every combination of what varies, exact mapping included.

    With a :class:`DesignSpace`, or the path of one, every point that meets the constraints is evaluated, on any executor:
    ``cm.sweep(space, metrics=["params", "energy_j"], executor=pool)``. The frame is the same for every executor and chunk.
    Where the space has an ``objective``, layers are mapped through all memories as by ``analyze(..., objective=...)``, each
    distinct one once on all workers together.

    With a builder, ``axes`` are its arguments. Those that it annotates ``Dim`` or ``Ratio`` become arrays in one vectorised
    graph per topology; the others (a version, a kind of bypass) select the topology.

    Parameters
    ----------
    build
        A DesignSpace or the path of its YAML file; or a function that returns a Graph, the name of a shipped network, or the
        path of a ``.py`` with ``build``.
    axes
        Values per argument of a builder; a DesignSpace has its own.
    hw, batch, dtype
        As for :func:`analyze`, for a builder; a DesignSpace has its own.
    metrics
        Columns wanted, all but ``io_bound_bytes`` by default; only what they need is computed, so
        ``["params", "macs", "compulsory_bytes"]`` never asks the mapper.
    executor
        For a DesignSpace: any ``concurrent.futures.Executor``, such as a ThreadPoolExecutor, a ProcessPoolExecutor or
        ``Client.get_executor()`` of Dask; it is left open. The calling thread evaluates where None.
    chunk
        For a DesignSpace: grid points that are sent to the executor together; by default some hundreds to thousands.

    Returns
    -------
    pandas.DataFrame
        One row per design, the last axis fastest: what varies, then the metrics, summed over the layers. With a DesignSpace
        ``point`` is in front, the index of the grid point, and ``problem`` is behind, which says why a point has no figures.

    Raises
    ------
    CostModelError
        Unknown arguments or metrics, empty axes, a DesignSpace none of whose points meets the constraints, a worker that died;
        with a builder a design that cannot be built or mapped.

    Examples
    --------
    >>> import costmodel as cm
    >>> designs = cm.sweep("squeezenet", {"squeeze_ratio": [0.125, 0.5]}, "snapdragon", metrics=["params"])
    >>> designs["params"].tolist()
    [1248424, 3404392]
    >>> axes = {"net.squeeze_ratio": [0.125, 0.5]}
    >>> space = cm.DesignSpace(name="two", network="squeezenet", hardware="snapdragon", axes=axes)
    >>> cm.sweep(space, metrics=["params"])["params"].tolist()
    [1248424, 3404392]
    """
    space = resolved_space(build)
    if space is None:
        if axes is None or hw is None or executor is not None or chunk is not None:
            raise InputError("sweep: a builder needs axes and hw, and takes neither executor nor chunk; make it a DesignSpace")
        from costmodel.explore import sweep_of

        function = build if callable(build) else load_builder(str(build))
        return sweep_of(function, axes, resolved_hardware(hw), batch, dtype, metrics)
    if axes is not None or hw is not None or batch != 1 or dtype is not None:
        raise InputError(f"sweep: {space.name} says its axes, hardware, batch and dtype itself; leave them away")
    from costmodel.explore.run import sweep_space

    return sweep_space(space, metrics, executor, chunk)


def resolved_space(given: object) -> DesignSpace | None:
    """A DesignSpace as it is or from its YAML file; None for anything else."""
    from costmodel.explore.space import DesignSpace

    if isinstance(given, str | Path) and Path(given).suffix.lower() in (".yaml", ".yml"):
        return DesignSpace.load(given)
    return given if isinstance(given, DesignSpace) else None


def stream(
    space: DesignSpace | str | Path,
    path: str | Path,
    metrics: Sequence[str] | None = None,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    chunk: int | None = None,
    progress: Callable[[RunReport], None] | None = None,
    *,
    resume: bool = False,
) -> RunReport:
    """Price a whole design space into a directory of Parquet files, in memory that does not grow with the space.

    A part is on disk as a whole or not at all, so that a run that is killed, interrupted or out of disk can be continued.

    Parameters
    ----------
    space
        A DesignSpace, or the path of its YAML file.
    path
        The directory, such as ``"designs.parquet"``; ``pandas.read_parquet`` reads it. It must not exist, unless ``resume``.
    metrics
        As for :func:`sweep`.
    workers
        Processes of this machine, started for the run; a script must call this below ``if __name__ == "__main__":``. The
        calling process evaluates where None or 1.
    dask
        Instead: the address of a Dask scheduler, or ``"local"`` for a cluster of ``workers`` started for the run.
    executor
        Instead: any ``concurrent.futures.Executor``; it is left open.
    chunk
        Grid points of a part; by default from the size of the space, and those of the run that is continued.
    progress
        Called with the report so far whenever a part is on disk.
    resume
        Whether to continue the run in the directory, if there is one: the same space, metrics and version of this package.

    Returns
    -------
    RunReport
        Numbers of points, rows, rows with a problem, and parts.

    Raises
    ------
    CostModelError
        A directory that exists, or another run in it with ``resume``; a full disk, workers that died, a scheduler that does
        not answer; a space none of whose points meets the constraints.
    KeyboardInterrupt
        Interrupted: the directory can be continued.

    Examples
    --------
    >>> import costmodel as cm, pandas as pd, tempfile
    >>> axes = {"net.squeeze_ratio": [0.125, 0.5]}
    >>> space = cm.DesignSpace(name="two", network="squeezenet", hardware="snapdragon", axes=axes)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     report = cm.stream(space, f"{directory}/designs.parquet", metrics=["params"])
    ...     params = pd.read_parquet(report.path)["params"].tolist()
    >>> report.rows, report.parts, params
    (2, 1, [1248424, 3404392])
    """
    found = resolved_space(space)
    if found is None:
        raise InputError(f"stream: {space!r} is no DesignSpace, nor the path of a .yaml file of one")
    from costmodel.explore import run

    return run.stream(found, path, metrics, pool(workers, dask, executor), chunk, progress, resume=resume)


def pool(workers: int | None, dask: str | None, executor: Executor | None) -> Pool:
    """Where a run evaluates its chunks."""
    from costmodel.explore.engine import pool_of

    if executor is not None:
        if workers is not None or dask is not None:
            raise InputError("stream: an executor has its own workers; give one of workers, dask and executor")
        return pool_of(executor)
    if dask is not None:
        from costmodel.explore.dask_workers import dask as of_dask

        return of_dask(dask, workers)
    if workers is None or workers == 1:
        return pool_of(None)
    from costmodel.explore.workers import processes

    return processes(workers)


def vary(
    nets: Sequence[Network],
    hw: Hardware,
    axes: Mapping[str, str | Sequence[Any]],
    batch: int = 1,
    schedule: str | None = None,
    state: str = "steady",
    inputs: Mapping[str, Example] | None = None,
) -> Variation:
    """Price networks while the hardware, the batch, the number format or the schedule varies.

    Parameters
    ----------
    nets
        Networks as for :func:`analyze`; ``"squeezenet@weight=3"`` and ``"alexnet@fp32"`` have widths of their own, which do
        not vary.
    hw
        As for :func:`analyze`.
    axes
        Values by name. Names are ``batch``, ``dtype``, ``schedule``, ``state``, and constants of the hardware such as
        ``hw.dram.bandwidth``; ``hw.vtcm`` is the capacity of that level, ``hw.sram`` that of the first memory on chip. Values
        are a sequence, or a text: ``"int8,fp16"``, ``"32KiB:16MiB:2x"``, ``"1:9:2"``.
    batch, schedule, state
        As for :func:`analyze`, where they do not vary.
    inputs
        As for :func:`compare`.

    Returns
    -------
    Variation
        Frozen; its ``repr`` is the report, ``to_frame()`` has one row per point.

    Raises
    ------
    CostModelError
        Unknown axes or values. A layer that cannot be tiled is no error: the point says so.

    Examples
    --------
    >>> import costmodel as cm
    >>> found = cm.vary(["squeezenet"], "snapdragon", {"hw.sram": "1MiB:4MiB:2x"}, schedule="resident").to_frame()
    >>> found[["hw.vtcm.capacity", "fits"]].values.tolist()
    [[1048576.0, False], [2097152.0, False], [4194304.0, True]]
    """
    from costmodel.explore.axes import axis_of
    from costmodel.explore.vary import Subject, variation_of, with_widths

    profile = resolved_hardware(hw)
    written = [with_widths(str(net)) if isinstance(net, str) else (net, None, None) for net in nets]
    graphs = resolved_networks([name for name, _, _ in written], inputs)
    subjects = [
        Subject(net if isinstance(net, str) else graph.name, graph, dtype, bits)
        for net, graph, (_, dtype, bits) in zip(nets, graphs, written, strict=True)
    ]
    chosen = [axis_of(name, values, profile) for name, values in axes.items()]
    return variation_of(subjects, profile, chosen, batch, schedule, state)


def search(
    space: DesignSpace | str | Path | Mapping[str, Any],
    objectives: str | Sequence[str],
    trials: int,
    budget: Budget | Sequence[str] | None = None,
    maximise: str | Sequence[str] = (),
    *,
    storage: str | Path | None = None,
    sampler: str = "tpe",
    seed: int = 0,
    batch: int = 10,
) -> Search:
    """Search a design space with Optuna, several trials priced in one vectorised call.

    Parameters
    ----------
    space
        A DesignSpace, the path of its YAML file, or a mapping of its fields.
    objectives
        Metrics that are to be small, as a list or separated by commas, by name or short name (``energy``, ``latency``,
        ``dram``, ``storage``, ``ram``).
    trials
        Points tried in total, those included that ``storage`` has already.
    budget
        What must not be exceeded, or texts such as ``"max_energy=5 mJ"``.
    maximise
        Those of the objectives that are to be large.
    storage
        Where trials are kept: a file ``.journal`` or ``.log``, an SQLite file ``.db``, or the address of a data base; memory
        where None. A search that finds its study there goes on with it.
    sampler
        ``tpe``, ``nsga2`` or ``random``.
    seed
        What decides the points tried.
    batch
        Trials that are asked for and priced together.

    Returns
    -------
    Search
        Frozen; its ``repr`` is the report, ``to_frame()`` has one row per best point.

    Raises
    ------
    CostModelError
        Unknown objectives or limits, a storage of something else, or no point within the budget: then how far the closest is.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = {"net.squeeze_ratio": [0.125, 0.5, 1.0]}
    >>> space = {"name": "s", "network": "squeezenet", "hardware": "snapdragon", "axes": axes}
    >>> cm.search(space, "params", trials=10, sampler="random").to_frame()["params"].tolist()
    [1248424]
    """
    from costmodel.explore.study import Settings, search_of

    return search_of(design_space(space), objectives, trials, budget, maximise, storage, Settings(sampler, seed, batch))


def pareto(
    frame: pd.DataFrame | str | Path,
    by: str | Sequence[str],
    maximise: str | Sequence[str] = (),
    fronts: int | None = 1,
    space: DesignSpace | str | Path | Mapping[str, Any] | None = None,
    *,
    samples: int = 256,
    seed: int = 0,
    near: int = 1000,
) -> Front:
    """Find the rows of a table that no other row beats, by exact non-dominated sorting.

    Parameters
    ----------
    frame
        A DataFrame, or the path of a CSV or Parquet table or of what ``costmodel sweep`` wrote.
    by
        Columns that are compared, as a list or separated by commas; short names of metrics are columns, too.
    maximise
        Those of them of which more is better.
    fronts
        How many ranks are given: 1 is the front alone, None all.
    space
        The design space that the table is of, to mark rows whose place on the front depends on constants that are not known
        exactly: its column ``point`` says which point a row is.
    samples
        Draws of the constants within their ranges, the same for every row.
    seed
        What decides the draws.
    near
        How many rows are looked at, in whole fronts from the first one on; those behind count as beaten in every draw.

    Returns
    -------
    Front
        Frozen; its ``repr`` is the report, ``to_frame()`` has the rows, and for each its ``rank`` and, with a space, its
        ``front_share``, the share of the draws in which it is on the front.

    Raises
    ------
    CostModelError
        Columns that are missing or no numbers, tables without figures, or a space that the table is not of.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = {"squeeze_ratio": [0.125, 0.5], "base_e": [64, 128]}
    >>> designs = cm.sweep("squeezenet", axes, "snapdragon", metrics=["params", "macs"])
    >>> cm.pareto(designs, "params,macs").to_frame()[["squeeze_ratio", "base_e", "rank"]].values.tolist()
    [[0.125, 64.0, 0.0]]
    """
    from costmodel.explore.pareto import pareto_of, read_table
    from costmodel.explore.uncertainty import Uncertainty

    table = read_table(frame) if isinstance(frame, str | Path) else frame
    of = None if space is None else design_space(space)
    return pareto_of(table, by, maximise, fronts, of, Uncertainty(samples, seed, near))


def codesign(
    space: DesignSpace | str | Path | Mapping[str, Any],
    goals: str | Sequence[str] = ("energy", "latency", "edp"),
    *,
    samples: int = 256,
    seed: int = 0,
) -> CoDesign:
    """Find for every network of a space the hardware that suits it best, and what that costs the other networks.

    Parameters
    ----------
    space
        A DesignSpace, the path of its YAML file, or a mapping of its fields: networks, and axes of the hardware, such as
        ``hw.sram``, ``hw.array.rows``, ``hw.dram.bandwidth``, ``dtype``.
    goals
        What is to be least, per input: ``energy``, ``latency``, ``edp`` (their product), as a list or separated by commas.
    samples
        Draws of the constants within their ranges, the same for every network and configuration.
    seed
        What decides the draws.

    Returns
    -------
    CoDesign
        Frozen; its ``repr`` is the report, ``best`` the configurations, and ``to_frame()`` has one row per goal, network and
        configuration that is best for a network.

    Raises
    ------
    CostModelError
        Unknown goals, a space that varies networks' arguments, is too large, or has no point that can be priced.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = {"hw.array.rows": [4, 12], "hw.array.columns": [14, 28]}
    >>> space = {"name": "s", "network": ["squeezenet", "alexnet"], "hardware": "eyeriss", "axes": axes}
    >>> cm.codesign(space, "latency", samples=8).of("latency", "squeezenet").at
    {'hw.array.rows': 12, 'hw.array.columns': 28}
    """
    from costmodel.explore.codesign import codesign_of
    from costmodel.explore.uncertainty import Uncertainty

    return codesign_of(design_space(space), goals, Uncertainty(samples, seed))


def design_space(space: DesignSpace | str | Path | Mapping[str, Any]) -> DesignSpace:
    """Return a design space as it is; load a path, or take the fields of a mapping."""
    from costmodel.explore.space import DesignSpace

    if isinstance(space, DesignSpace):
        return space
    return DesignSpace.load(space) if isinstance(space, str | Path) else DesignSpace.of(space)


def advise(
    net: Network,
    hw: Hardware,
    objective: str = "energy",
    strengths: Sequence[float] | None = None,
    batch: int = 1,
    dtype: str | None = None,
    *,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
    schedule: str | None = None,
    state: str = "steady",
) -> Advice:
    """Apply every step of the playbook by itself, price each result, and rank them; accuracy is no part of it.

    Parameters
    ----------
    net, hw, batch, dtype, bits, inputs, schedule, state
        As for :func:`analyze`.
    objective
        ``energy``, ``latency``, ``dram`` (off-chip bytes) or ``storage`` (bytes of the weights).
    strengths
        Strengths of every step, from 0 to 1, for delayed_pooling from -1; those usual for each step where None.

    Returns
    -------
    Advice
        Frozen; its ``repr`` is the report.

    Raises
    ------
    CostModelError
        Unknown objectives, strengths out of bounds; as :func:`analyze`.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.advise("alexnet", "snapdragon", "storage").what_ifs[0].name
    'global_pooling=1'
    """
    from costmodel.advice import Pricing, advice_of

    pricing = Pricing(resolved_hardware(hw), batch, dtype, bits, schedule, state)
    return advice_of(resolved_network(net, inputs), pricing, objective, strengths)


def shrink(
    net: Network,
    hw: Hardware,
    steps: Sequence[tuple[str, float] | str],
    towards: Sequence[Network] = (),
    curves: Sequence[str] = (),
    batch: int = 1,
    dtype: str | None = None,
    *,
    bits: Mapping[str, int] | None = None,
    inputs: Mapping[str, Example] | Sequence[Example] | None = None,
    schedule: str | None = None,
    state: str = "steady",
) -> Shrinking:
    """Apply steps of the playbook one after the other, and price what each makes; accuracy is no part of it.

    Parameters
    ----------
    net, hw, batch, dtype, bits, inputs, schedule, state
        As for :func:`analyze`.
    steps
        Steps with their strengths in order, as ``("kernel_reduction", 0.5)`` or ``"kernel_reduction=0.5"``.
    towards
        Networks to stand beside the result.
    curves
        Networks over an argument of their builder, as ``"squeezenet:squeeze_ratio=0.125,0.25"``.

    Returns
    -------
    Shrinking
        Frozen; its ``repr`` is the report.

    Raises
    ------
    CostModelError
        Unknown steps, strengths out of bounds; as :func:`analyze`.

    Examples
    --------
    >>> import costmodel as cm
    >>> made = cm.shrink("alexnet", "snapdragon", ["global_pooling=1", "channel_reduction=0.75"])
    >>> [stage.analysis.totals.params for stage in made.stages]
    [2591080, 922368]
    """
    from costmodel.advice import Pricing, curve_of, parsed_step, shrinking_of

    pricing = Pricing(resolved_hardware(hw), batch, dtype, bits, schedule, state)
    chosen = [parsed_step(step) if isinstance(step, str) else step for step in steps]
    sizes = published_sizes() if curves else {}
    drawn = [curve_of(text, pricing, sizes) for text in curves]
    return shrinking_of(resolved_network(net, inputs), pricing, chosen, resolved_networks(towards, None), drawn)


def published_sizes() -> dict[str, PublishedSize]:
    """Stored sizes that were published for whole networks, by specification."""
    from costmodel.advice import PublishedSize
    from costmodel.validation import published

    return {
        row["network"]: PublishedSize(float(row["value"]), int(row["bits"]))
        for row in published()
        if row["quantity"] == "weight_bytes" and "network" in row
    }


def transform(net: Network, step: str, strength: float) -> Transformed:
    """Apply one step of the playbook to a network.

    Parameters
    ----------
    net
        As for :func:`analyze`.
    step
        A step that changes the graph: all but ``lower_precision``.
    strength
        From 0, which changes nothing, to 1; for ``delayed_pooling`` from -1.

    Returns
    -------
    Transformed
        The new ``graph``, and the ``changes`` layer by layer.

    Raises
    ------
    CostModelError
        Unknown steps, strengths out of bounds, networks that carry design points.

    Examples
    --------
    >>> import costmodel as cm
    >>> made = cm.transform("squeezenet", "depthwise_separable", 1.0)
    >>> cm.analyze(made.graph, "snapdragon").totals.macs < cm.analyze("squeezenet", "snapdragon").totals.macs
    True
    """
    from costmodel.playbook import Design, transformed

    if step == "lower_precision":
        raise InputError("transform: lower_precision changes no graph; give analyze --dtype or --bits, or use shrink")
    return transformed(Design(resolved_network(net), {}), step, strength)


def train_cost(
    net: Network,
    hw: Hardware,
    link: Link | str | Path,
    workers: Sequence[int] | str = "1:128",
    batch: int = 1024,
    dtype: str | None = None,
    gradient_bits: int = 32,
    *,
    overlap: bool = False,
    inputs: Mapping[str, Sequence[int]] | None = None,
) -> TrainingCost:
    """Count what training a network costs per iteration, and how it scales with the number of workers.

    Parameters
    ----------
    net, inputs
        As for :func:`analyze`.
    hw
        Hardware of each worker.
    link
        A Link, the name of a shipped one, or the path of a YAML file: what connects the workers.
    workers
        Numbers of workers: a sequence, ``"1,32,128"``, or ``"1:128"``, which doubles from the first to the last.
    batch
        Samples per iteration, of all workers together.
    dtype
        Number format of the arithmetic; the profile's own where None.
    gradient_bits
        Width of an element of the gradient as it is sent, 8, 16 or 32 [bits].
    overlap
        Whether gradients are sent while the backward pass computes the next ones.

    Returns
    -------
    TrainingCost
        Frozen; its ``repr`` is the report, ``to_frame()`` has one row per number of workers and algorithm.

    Raises
    ------
    CostModelError
        One clear message per problem with the network, the profiles or the options.

    Examples
    --------
    >>> import costmodel as cm
    >>> found = cm.train_cost("squeezenet", "k20x", "titan", workers=[128])
    >>> [(point.algorithm, point.exchange.serial_bytes) for point in found.points]
    [('server', 1278386176), ('tree', 69911744), ('ring', 9910064)]
    """
    from costmodel.training import parse_workers, training_of

    counts = parse_workers(workers) if isinstance(workers, str) else workers
    graph, hardware = resolved_network(net, inputs), resolved_hardware(hw)
    return training_of(graph, hardware, resolved_link(link), counts, batch, dtype, gradient_bits, overlap=overlap)


def resolved_link(link: Link | str | Path) -> Link:
    """Return a link as it is; load a path or a bare name."""
    from costmodel.hardware.link import Link
    from costmodel.hardware.link_loading import load_link

    return link if isinstance(link, Link) else load_link(str(link))


def update(
    old: Network,
    new: Network | None = None,
    link: Link | str | Path | Sequence[Link | str | Path] = "lte",
    fleet: int = 1,
    dtype: str | None = None,
    retrained: Sequence[str] = (),
) -> UpdateCost:
    """Count what it takes to bring a network to devices that have another one.

    Parameters
    ----------
    old
        What the devices have: as for :func:`analyze`, or the path of an ``.npz`` archive of its weights. Weights of an
        ``.onnx`` file are read where both networks have them.
    new
        What they shall have; where None, `old` with other weights in the `retrained` layers, or, without any, `old` for the
        first time.
    link
        One link or several: names of shipped ones, or paths of YAML files.
    fleet
        Number of devices.
    dtype
        Number format of the stored parameters where no weights are given; fp32 where None.
    retrained
        Names of layers whose weights change although their shape does not, with ``*`` and ``?``.

    Returns
    -------
    UpdateCost
        Frozen; its ``repr`` is the report, ``to_frame()`` has one row per link and way to send it.

    Raises
    ------
    CostModelError
        One clear message per problem with the networks, the links or the options.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.update("alexnet", retrained=["fc8"], link="lte").sizes()
    {'full': 243860896, 'changed': 16388000}
    """
    from costmodel.hardware.link import Link
    from costmodel.updates import update_of

    links = [link] if isinstance(link, Link | str | Path) else list(link)
    before, after = holdings(old, new)
    return update_of(before, after, [resolved_link(one) for one in links], fleet, dtype, retrained)


def holdings(old: Network, new: Network | None) -> tuple[Holding, Holding | None]:
    """What devices have and shall have: with weights where every network has them, else layer by layer."""
    from costmodel.importers.weights import is_archive, stored_weights
    from costmodel.updates import Holding, layers_of

    given = [net for net in (old, new) if net is not None]
    weights = [None if isinstance(net, Graph) else stored_weights(net) for net in given]
    archives = [str(net) for net in given if not isinstance(net, Graph) and is_archive(Path(net))]
    if archives and not all(weights):
        raise InputError(f"{archives[0]}: has weights and no layers, and the other has no weights; give both with weights")
    found = [
        Holding(str(net), tensors) if tensors and all(weights) else layers_of(resolved_network(net))
        for net, tensors in zip(given, weights, strict=True)
    ]
    return found[0], found[1] if new is not None else None


def from_torch(module: Module, *inputs: Any, name: str | None = None) -> Graph:  # noqa: ANN401 - tensors or shapes
    """Import a PyTorch module without its weights, by tracing it; needs ``nn-costmodel[torch]``.

    Parameters
    ----------
    module
        A ``torch.nn.Module``; it is not changed, and no weights are copied.
    *inputs
        Example inputs: tensors, shapes, or (shape, dtype) for inputs that are not floating-point.
    name
        Name of the network; the class of the module where None.

    Returns
    -------
    Graph
        Layers named after modules.

    Raises
    ------
    CostModelError
        torch is missing, or the module cannot be traced on these inputs.
    """
    from costmodel.importers.torch import torch_graph

    return torch_graph(module, *inputs, name=name)
