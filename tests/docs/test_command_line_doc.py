"""Documents show what the tool prints: help texts, outputs and errors between markers are run again and compared.

``<!-- begin: costmodel ... -->`` and ``<!-- end -->`` enclose a fenced block; ``python -m tests.docs.test_command_line_doc``
writes every block again.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from costmodel.cli import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENTS = (DOCS / "command-line.md", DOCS / "reading-a-report.md")
BLOCK = re.compile(r"<!-- begin: costmodel (?P<command>.*?) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
HELP_WIDTH = 100


def blocks():
    """Return (document, command, body) of every block."""
    return [
        (file, match["command"], match["body"])
        for file in DOCUMENTS
        for match in BLOCK.finditer(file.read_text(encoding="utf-8"))
    ]


def shown(command):
    """Return the block of a command: what it prints, on stdout or on stderr."""
    result = CliRunner().invoke(cli, shlex.split(command), terminal_width=HELP_WIDTH, env={"COLUMNS": "80"})
    prompt = "" if command.endswith("--help") else f"$ costmodel {command}\n"
    return f"```text\n{prompt}{result.output}```\n"


def words(body):
    """Return the words of a help text, whose lines different versions of click break differently."""
    return body.split()


def rewritten(text):
    """Return a document, every block as the tool prints it now."""

    def block(match):
        return f"<!-- begin: costmodel {match['command']} -->\n{shown(match['command'])}<!-- end -->"

    return BLOCK.sub(block, text)


@pytest.mark.parametrize(
    ("document", "command", "body"), blocks(), ids=[f"{file.name}: {command}" for file, command, _ in blocks()]
)
def test_documents_show_what_the_tool_prints(document, command, body):
    """Every block is what its command prints; help texts but for their line breaks."""
    expected = shown(command)

    if command.endswith("--help"):
        assert words(expected) == words(body), f"{document.name}: run python -m tests.docs.test_command_line_doc"
    else:
        assert expected == body, f"{document.name}: run python -m tests.docs.test_command_line_doc"


def test_documents_have_blocks():
    """A broken marker is not a passed test."""
    for file in DOCUMENTS:
        text = file.read_text(encoding="utf-8")

        assert text.count("<!-- begin: ") == text.count("<!-- end -->") == len(BLOCK.findall(text)) > 0


def test_rewriting_is_idempotent():
    """A document written again does not change."""
    text = "before\n<!-- begin: costmodel nets list --help -->\n<!-- end -->\nafter\n"
    once = rewritten(text)

    assert "Usage: costmodel nets list" in once
    assert rewritten(once) == once


def test_errors_are_shown_as_a_terminal_shows_them():
    """A mistake is documented with the line it prints."""
    command = "analyze squeezenet --hw snapdragn"

    assert shown(command).startswith(f"```text\n$ costmodel {command}\nerror: ")


def main():
    """Write every block of every document again."""
    for file in DOCUMENTS:
        file.write_text(rewritten(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
