"""Pages of the documentation, run block by block in a directory of their own, and written again with what they print.

In a page, in order:

- a ``python`` block with ``>>>`` is a doctest; one that begins with ``# name.py`` is a file; any other is executed;
- a ``yaml`` block that begins with ``# name.yaml`` is a file;
- a ``console`` block is one command after ``$`` and its output, possibly cut by ``| head -N``, ``| tail -N`` or
  ``| sed -n '/FIRST/,/LAST/p'``;
- a ``sh`` block runs its lines that begin with ``costmodel``; what they print is not shown;
- what stands between ``<!-- made by NAME -->`` and ``<!-- end -->`` is made by that function of ``tests/docs/tables.py``.

Python blocks of a page share their names.
"""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from reports.regenerate import printed
from tests.docs import tables

ROOT: Final = Path(__file__).parents[2]
OTHERS: Final = ("command-line", "add-a-layer", "add-a-profile", "traffic", "reading-a-report")
"""Pages with tests of their own."""
BLOCK: Final = re.compile(
    r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$|^<!-- made by (?P<name>\w+) -->\n(?P<made>.*?)^<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)
FILE: Final = re.compile(r"# (?P<name>[\w-]+\.(?:py|yaml))\n")
CUT: Final = re.compile(
    r"(?P<command>.*?) \| (?:(?P<end>head|tail) -(?P<count>\d+)|sed -n '/(?P<first>.+)/,/(?P<last>.+)/p')"
)


def pages() -> list[Path]:
    """Return the pages that are run."""
    found = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.stem not in OTHERS]


@dataclass
class Run:
    """One page as it is run: its directory and the names its Python blocks have defined."""

    directory: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})

    def block(self, match: re.Match[str]) -> str:
        """Run a block; its text with what it prints today."""
        if match["name"]:
            table = getattr(tables, match["name"])()
            return f"<!-- made by {match['name']} -->\n{table}<!-- end -->"
        body = match["body"]
        runner: Callable[[str], str] | None = getattr(self, match["kind"], None)
        return f"```{match['kind']}\n{runner(body) if runner else body}```"

    def python(self, body: str) -> str:
        """A file, a doctest or statements."""
        if FILE.match(body):
            return self.yaml(body)
        if ">>>" not in body:
            with redirect_stdout(StringIO()):
                exec(compile(body, "page", "exec"), self.names)  # the documentation's own examples
            return body
        return self.doctest(body)

    def doctest(self, body: str) -> str:
        """A doctest with the output of every statement as it is today."""
        examples = doctest.DocTestParser().get_examples(body)
        lines = []
        for example in examples:
            out = StringIO()
            with redirect_stdout(out):
                exec(compile(example.source, "page", "single"), self.names)
            first, *rest = example.source.splitlines()
            lines += [
                f">>> {first}",
                *(f"... {line}".rstrip() for line in rest),
                *out.getvalue().splitlines(),
            ]
        return "".join(f"{line}\n" for line in lines)

    def yaml(self, body: str) -> str:
        """A file, written where later commands find it."""
        match = FILE.match(body)
        if match:
            (self.directory / match["name"]).write_text(body, encoding="utf-8")
        return body

    def console(self, body: str) -> str:
        """One command and its output."""
        command = body.partition("\n")[0]
        return f"{command}\n{shown(command.removeprefix('$ '))}"

    def sh(self, body: str) -> str:
        """Commands that must work, their output not shown."""
        for line in body.splitlines():
            if line.startswith("costmodel"):
                printed(shlex.split(line, comments=True)[1:])
        return body


def shown(command: str) -> str:
    """What a costmodel command prints, cut where it says so."""
    match = CUT.fullmatch(command)
    words = shlex.split(match["command"] if match else command)
    if words[0] != "costmodel":
        raise ValueError(f"a console block runs costmodel, not {words[0]!r}")
    lines = printed(words[1:]).splitlines(keepends=True)
    return "".join(cut(lines, match) if match else lines)


def cut(lines: list[str], match: re.Match[str]) -> list[str]:
    """The lines that head, tail or sed would let through."""
    if match["end"]:
        count = int(match["count"])
        return lines[:count] if match["end"] == "head" else lines[-count:]
    start = next((i for i, line in enumerate(lines) if re.search(match["first"], line)), len(lines))
    end = next((i for i in range(start + 1, len(lines)) if re.search(match["last"], lines[i])), len(lines))
    return lines[start : end + 1]


def remade(page: Path, directory: Path) -> str:
    """Return the text of a page as it would be written today; its blocks run in ``directory``."""
    for name in ("nets", "hw_profiles"):
        (directory / name).symlink_to(ROOT / name, target_is_directory=True)
    with chdir(directory):
        return BLOCK.sub(Run(directory).block, page.read_text(encoding="utf-8"))


def links(text: str) -> Iterator[str]:
    """Yield the targets of the relative links and pictures of a page."""
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", BLOCK.sub("", text)):
        link = next(filter(None, target)).partition("#")[0]
        if link and not re.match(r"[a-z]+:", link):
            yield link


def broken(page: Path, text: str) -> Sequence[str]:
    """Return the relative links of a page that lead nowhere in the repository."""
    return [link for link in links(text) if not (page.parent / link).resolve().exists()]
