"""The wheel works by itself: built, installed and used from an empty directory without the source tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture.source import ROOT, tracked_files

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installation:
    """A wheel and the environment it is installed in."""

    wheel: Path
    environment: Path
    empty: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment in an empty directory and give what it prints."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [self.environment / "bin" / program, *arguments]
        result = subprocess.run(
            command, cwd=self.empty, env=clean, capture_output=True, encoding="utf-8", check=False
        )
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def files(self) -> set[str]:
        """Return the names of the files in the wheel."""
        return set(ZipFile(self.wheel).namelist())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel in an environment of its own, which borrows the dependencies of this one but not its .pth files."""
    built, environment = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("environment")
    quietly(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, ROOT)
    (wheel,) = built.glob("*.whl")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    quietly(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    (packages,) = environment.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    take_compiled(packages)
    return Installation(wheel, environment, tmp_path_factory.mktemp("empty"))


def quietly(*command: str | Path) -> None:
    """Run a command; what it prints is shown only where it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout


def take_compiled(packages: Path) -> None:
    """Give modules of the wheel what Numba compiled of their equals in the source tree, if it did: more than a minute.

    Numba goes by size and time of a module; what it does not find, it compiles.
    """
    for source in sorted((ROOT / "costmodel").rglob("*.py")):
        module = packages / source.relative_to(ROOT)
        assert module.read_bytes() == source.read_bytes()
        kept = sorted(source.parent.glob(f"__pycache__/{source.stem}.*.nb[ic]"))
        if kept:
            shutil.copystat(source, module)
            (module.parent / "__pycache__").mkdir(exist_ok=True)
        for file in kept:
            shutil.copy2(file, module.parent / "__pycache__")


def test_the_source_tree_is_out_of_reach(installed):
    """What is tested below is the wheel."""
    code = "import costmodel, sys; print(costmodel.__file__); print(*sys.path, sep='\\n')"
    module, *path = installed.run("python", "-c", code).splitlines()

    assert Path(module).is_relative_to(installed.environment)
    assert str(ROOT) not in path


@pytest.mark.parametrize("directory", ["nets", "hw_profiles", "link_profiles"])
def test_the_data_is_inside(installed, directory):
    """Every shipped network and profile is in the wheel."""
    expected = {
        f"costmodel/_data/{directory}/{file.name}"
        for file in tracked_files()
        if file.parent == ROOT / directory
    }

    assert expected
    assert expected <= installed.files()


def test_published_figures_and_the_type_marker_are_inside(installed):
    """``costmodel validate`` finds its figures, type checkers find py.typed, lawyers the licence."""
    files = installed.files()

    assert "costmodel/py.typed" in files
    assert "costmodel/_data/published/networks.yaml" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)


def test_nothing_else_is_inside(installed):
    """No tests, caches or working files: the package, its data and the metadata."""
    strangers = [
        name
        for name in installed.files()
        if not name.startswith(("costmodel/", "nn_costmodel-")) or "test_" in name or "__pycache__" in name
    ]

    assert strangers == []


def test_names_are_found(installed):
    """Bare names work without the source tree."""
    assert "squeezenet" in installed.run("costmodel", "nets", "list")
    assert "snapdragon" in installed.run("costmodel", "profiles", "list")


def test_the_main_job_works(installed):
    """A network by name on hardware by name, as JSON."""
    text = installed.run("costmodel", "analyze", "squeezenet", "--hw", "snapdragon", "--format", "json")

    assert json.loads(text)["totals"]["params"] == 1_248_424


def test_published_figures_are_reproduced(installed):
    """``costmodel validate`` leaves with 0."""
    assert "alexnet" in installed.run("costmodel", "validate")


def test_the_library_is_typed_and_usable(installed):
    """The same from Python."""
    code = "import costmodel as cm; print(cm.analyze('alexnet', 'eyeriss-168').totals.macs)"

    assert installed.run("python", "-c", code) == "724406816\n"
