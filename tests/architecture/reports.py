"""Committed reports, each made by the command on its first line; ``python -m tests.architecture.reports`` makes them again."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

FIRST_LINE = re.compile(r"`\$ (costmodel .*)`")


def reports() -> list[Path]:
    """Return the committed reports."""
    return sorted((ROOT / "reports").glob("*.md"))


def command(report: Path) -> list[str]:
    """Return the words of the command that gives a report: its first line, in backquotes, after a dollar sign."""
    first = report.read_text(encoding="utf-8").partition("\n")[0]
    match = FIRST_LINE.fullmatch(first)
    if match is None:
        raise ValueError(f"{report}: the first line is not `$ costmodel ...`, it is {first!r}")
    return shlex.split(match[1])


def regenerated(report: Path) -> str:
    """Run the command of a report and give what it prints."""
    words = [sys.executable, "-m", *command(report)]
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def main() -> None:
    """Write every report again, and say which changed."""
    for report in reports():
        text = regenerated(report)
        same = text == report.read_text(encoding="utf-8")
        report.write_text(text, encoding="utf-8")
        print(f"{report.relative_to(ROOT)}: {'unchanged' if same else 'changed'}")


if __name__ == "__main__":
    main()
