"""Make the committed reports again: each file is what the command on its first line prints.

``python reports/regenerate.py`` writes what changed; ``--check`` writes nothing, prints the difference and exits with 1.
A new report starts as a file that holds its command alone, as in `$ costmodel analyze squeezenet --hw snapdragon --format md`
between backquotes.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from difflib import unified_diff
from io import StringIO
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
FIRST_LINE: Final = re.compile(r"`\$ costmodel (.+)`")
MADE: Final = "unchanged", "changed"


def reports() -> list[Path]:
    """Return the committed reports."""
    return sorted(HERE.glob("*.md"))


def arguments(text: str, name: str = "report") -> list[str]:
    """Return the arguments of ``costmodel`` on the first line of a report; ValueError where there are none."""
    first = text.partition("\n")[0]
    match = FIRST_LINE.fullmatch(first.rstrip())
    if match is None:
        raise ValueError(
            f"{name}: the first line is {first!r}; write `$ costmodel ...`, the command that makes the file"
        )
    return shlex.split(match[1])


def printed(words: Sequence[str]) -> str:
    """Return what ``costmodel`` prints for these arguments, run in this process; RuntimeError where it fails."""
    from costmodel.cli import cli

    out = StringIO()
    with redirect_stdout(out):
        try:
            cli.main(list(words), prog_name="costmodel")
        except SystemExit as left:
            if left.code:
                raise RuntimeError(f"costmodel {shlex.join(words)}: exit code {left.code}") from None
    return out.getvalue()


def made(report: Path) -> str:
    """Return the text of a report as the tool gives it today."""
    return printed(arguments(report.read_text(encoding="utf-8"), report.name))


def difference(report: Path, text: str) -> Iterator[str]:
    """Yield the lines of a unified difference from the committed text to the one made today; none where they agree."""
    committed = report.read_text(encoding="utf-8")
    lines = (committed.splitlines(keepends=True), text.splitlines(keepends=True))
    yield from unified_diff(*lines, f"{report.name} (committed)", f"{report.name} (today)", n=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the reports; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="reports to make; all by default")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a report is out of date"
    )
    options = parser.parse_args(argv)
    code = 0
    for report in options.files or reports():
        text = made(report)
        changes = list(difference(report, text))
        if changes and options.check:
            sys.stdout.writelines(changes)
            code = 1
        elif changes:
            report.write_text(text, encoding="utf-8", newline="\n")
        sys.stderr.write(f"{report.name}: {MADE[bool(changes)]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
