"""Nothing in the repository names a developer's machine, and its documents point to what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from costmodel.cli import cli
from tests.architecture.source import ROOT, listing, tracked_files

HOMES = ("home", "Users", "root", "work", "tmp", "mnt", "media")
"""Top directories of machines; nothing that is shipped depends on them."""
ABSOLUTE = re.compile(r"(?<![\w.:~$/*})\]-])/(?:" + "|".join(HOMES) + r")/\w|\b[A-Z]:\\\w")
OUTWARD = re.compile(r"(?<![\w./])(?:\.\./)+[\w./-]+")
BINARY = (".png", ".jpg", ".gif", ".ico", ".pdf", ".onnx", ".tflite", ".npz", ".gz", ".svg", ".keras")

COMMANDS = ROOT / "docs" / "command-line.md"
LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\""
)
FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.DOTALL | re.MULTILINE)


@cache
def texts() -> tuple[tuple[Path, str], ...]:
    """Return every text file of the repository."""
    files = [file for file in tracked_files() if file.suffix not in BINARY]
    return tuple((file, file.read_text(encoding="utf-8")) for file in files)


def places(pattern: re.Pattern[str], file: Path, text: str) -> Iterator[tuple[str, str]]:
    """Yield (``path:line``, match) of a pattern in a file."""
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{file.relative_to(ROOT)}:{line}", match[0]


def test_no_paths_of_a_machine():
    """No file names a directory of the machine it was written on."""
    found = [f"{place}: {path}" for file, text in texts() for place, path in places(ABSOLUTE, file, text)]

    assert not found, listing(found, "Name it relative to the repository, or copy the fact with its source.")


def test_no_paths_out_of_the_repository():
    """What a relative path points to is in the repository."""
    found = [
        f"{place}: {path}"
        for file, text in texts()
        for place, path in places(OUTWARD, file, text)
        if not inside(file.parent / path)
    ]

    assert not found, listing(found, "Copy the fact with its source; the repository stands alone.")


def inside(path: Path) -> bool:
    """Whether a path exists in the repository."""
    return path.resolve().is_relative_to(ROOT) and path.exists()


@pytest.mark.parametrize("top", HOMES)
def test_paths_of_a_machine_are_seen(top):
    """The rule would catch a path, and not a part of an address or of a longer path."""
    path = "/".join(["", top, "someone", "nets.py"])

    assert ABSOLUTE.search(f"see {path}")
    assert not ABSOLUTE.search(f"https://example.org{path} and docs{path}")


# ---- links


def markdown() -> list[Path]:
    """Return the Markdown documents of the repository."""
    return [file for file in tracked_files() if file.suffix == ".md"]


def anchors(file: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *#*$", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    before = [slugs[:index].count(slug) for index, slug in enumerate(slugs)]
    return {f"{slug}-{count}" if count else slug for slug, count in zip(slugs, before, strict=True)}


def broken(file: Path) -> Iterator[str]:
    """Yield the relative links of a document that lead nowhere."""
    text = FENCE.sub(lambda fenced: "\n" * fenced[0].count("\n"), file.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        link = match[1] or match[2] or match[3]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        ok = inside(target) and (not anchor or target.suffix != ".md" or anchor in anchors(target))
        if not ok:
            yield f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {link}"


def test_links_lead_somewhere():
    """Every relative link of every document leads to a file, and to a heading in it."""
    found = [line for file in markdown() for line in broken(file)]

    assert not found, listing(found, "Mend the link.")


def test_broken_links_are_seen(monkeypatch, tmp_path):
    """The rule would catch a missing file and a missing heading, and passes over fenced text and the web."""
    document = tmp_path / "a.md"
    document.write_text(
        '# One two\n[x](#one-two) [y](https://x.org)\n```\n[z](gone.md)\n```\n[p](b.md) ![q](a.md#c) <img src="c.svg">\n'
    )
    monkeypatch.setattr("tests.architecture.test_documentation.ROOT", tmp_path)

    assert list(broken(document)) == ["a.md:6: b.md", "a.md:6: a.md#c", "a.md:6: c.svg"]


# ---- commands


def commands(command: click.Command = cli, path: str = "costmodel") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by what a user types."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")
    else:
        yield path, command


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_commands_are_documented(path):
    """Every command has its heading in docs/command-line.md."""
    headings = re.findall(r"^#+ (.*)$", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)

    assert path in {heading.strip("` ").split(" NET")[0] for heading in headings}


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=[path for path, _ in commands()])
def test_options_are_documented(path, command):
    """Every option of every command is named in docs/command-line.md, and its help says what it does."""
    text = COMMANDS.read_text(encoding="utf-8")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]

    assert [max(option.opts, key=len) for option in options if max(option.opts, key=len) not in text] == []
    assert [option.name for option in options if not option.help] == [], f"{path}: an option without help"


def test_documented_commands_exist():
    """docs/command-line.md has no heading for a command that is gone."""
    headings = re.findall(
        r"^#+ `?(costmodel [a-z -]+?)`?$", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE
    )
    groups = {path.rsplit(" ", 1)[0] for path, _ in commands()}

    assert set(headings) <= {path for path, _ in commands()} | groups
