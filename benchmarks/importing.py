"""Speed and memory of importing model files, beside onnx-tool and beside the same network without weights."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import files, work
from benchmarks.result import MB, Result, shown, times

ROUNDS: Final = 7
COLD_FILES: Final = ("resnet50.dynamo", "vit_b_16.dynamo")
MOST_COLD_S: Final = 1.5
SWIN_NODES: Final = 6000
MOST_SWIN_S: Final = 2.0
LEAST_FASTER: Final = 5.0
MOST_GROWTH: Final = 200 * MB
VGG19_BYTES: Final = 574_673_166
"""Size of the file that ``files.write_vgg19`` writes [bytes]."""
ONNX_TOOL: Final = "1.0.1"
ENVIRONMENT: Final = Path(__file__).resolve().parents[1] / ".benchmarks" / f"onnx-tool-{ONNX_TOOL}"
COUNTED: Final = "import sys, onnx_tool; onnx_tool.model_profile(sys.argv[1])"
IMPORTED: Final = """\
import json, re, resource, sys, time
from pathlib import Path
from costmodel.importers.onnx import onnx_graph
start = time.perf_counter()
graph = onnx_graph(sys.argv[1])
spent = time.perf_counter() - start
macs = int(graph.table().total("macs")[0])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux at least that of the process that started this one
status = Path("/proc/self/status")
peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else peak
print(json.dumps({"seconds": spent, "macs": macs, "peak_bytes": peak}))
"""


def onnx_tool() -> list[str]:
    """The command that counts a file with onnx-tool, in an environment of its own that is made on first use."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"onnx-tool=={ONNX_TOOL}"], check=True)
    return [str(python), "-c", COUNTED]


def imported(path: Path) -> dict[str, float]:
    """Seconds, MACs and peak memory of a file imported in a process of its own."""
    done = subprocess.run([sys.executable, "-c", IMPORTED, str(path)], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def analysed(path: Path) -> list[str]:
    """The command that analyses a file."""
    return [*work.costmodel_command(), "analyze", str(path), "--hw", "snapdragon"]


def files_cold() -> Iterator[Result]:
    """Files without weights from a standing start, beside the shipped network that is smallest."""
    for name in COLD_FILES:
        tasks = [partial(work.ran, analysed(path)) for path in (files.MODELS / f"{name}.onnx", Path("squeezenet"))]
        work.medians(tasks, 1)
        spent, least = work.medians(tasks, ROUNDS)
        what, reference = f"`costmodel analyze {name}.onnx`, cold", f"{shown(least)} for `costmodel analyze squeezenet`"
        yield Result(what, shown(spent), reference, times(spent / least), shown(MOST_COLD_S), spent <= MOST_COLD_S)


def large_file() -> Iterator[Result]:
    """A file whose weights are inside, beside onnx-tool and beside the same network without weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vgg19.onnx"
        if files.write_vgg19(path) != VGG19_BYTES:
            raise AssertionError(f"VGG-19 has {path.stat().st_size} bytes instead of {VGG19_BYTES}")
        tasks = (partial(work.ran, analysed(path)), partial(work.ran, [*onnx_tool(), str(path)]))
        work.medians(tasks, 1)
        spent, theirs = work.medians(tasks, ROUNDS)
        reference = f"{shown(theirs)} for onnx-tool to count it"
        goal = f"{LEAST_FASTER:g}x faster", theirs >= LEAST_FASTER * spent
        what = "`costmodel analyze vgg19.onnx` with weights, cold"
        yield Result(what, shown(spent), reference, f"1/{theirs / spent:.3g}", *goal)
        heavy, light = imported(path), imported(files.MODELS / "light_vgg19.onnx")
    if heavy["macs"] != light["macs"]:
        raise AssertionError(f"{heavy['macs']} MACs with weights and {light['macs']} without")
    peak, least = heavy["peak_bytes"], light["peak_bytes"]
    reference = f"{least / MB:,.0f} MB without weights"
    goal = f"{MOST_GROWTH / MB:,.0f} MB more", peak - least < MOST_GROWTH
    yield Result("peak memory of its import", f"{peak / MB:,.0f} MB", reference, times(peak / least), *goal)


def deep_file() -> Iterator[Result]:
    """A Swin Transformer of 6,000 nodes, beside Swin-T."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "swin.onnx"
        nodes = files.write_swin(path, SWIN_NODES)
        pairs = [[imported(each)["seconds"] for each in (path, files.MODELS / "swin_t.dynamo.onnx")] for _ in range(ROUNDS)]
    spent, least = (sorted(column)[ROUNDS // 2] for column in zip(*pairs, strict=True))
    what, reference = f"import of a Swin of {nodes:,} nodes", f"{shown(least)} for Swin-T, 712 nodes"
    yield Result(what, shown(spent), reference, times(spent / least), shown(MOST_SWIN_S), spent <= MOST_SWIN_S)
