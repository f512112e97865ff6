"""The documentation says what the tool does: its examples run, its outputs and tables are today's, its links lead somewhere.

`UPDATE_DOCS=1 pytest tests/docs` writes the pages again; review what changed.
"""

from __future__ import annotations

import os
import re

import pytest

from tests.docs.pages import ROOT, broken, pages, remade, shown

UPDATE = bool(os.environ.get("UPDATE_DOCS"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_up_to_date(page, tmp_path):
    """Every example runs, and every output shown is what it prints today."""
    today = remade(page, tmp_path)
    if UPDATE:
        page.write_text(today, encoding="utf-8")

    assert page.read_text(encoding="utf-8") == today, (
        "run `UPDATE_DOCS=1 pytest tests/docs` and review what changed"
    )


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link leads to a file of the repository."""
    assert broken(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("stale", "fresh"),
    [
        ("```python\n>>> 1 + 1\n3\n```\n", "```python\n>>> 1 + 1\n2\n```\n"),
        (
            "```console\n$ costmodel --version\nold\n```\n",
            "```console\n$ costmodel --version\ncostmodel 0.1.0\n```\n",
        ),
        (
            "<!-- made by megabytes -->\nold\n<!-- end -->\n",
            "| `alexnet` | 60,965,224 | 243.86 MB | 232.56 MiB |",
        ),
    ],
)
def test_stale_output_is_replaced(stale, fresh, tmp_path):
    """What a block prints today takes the place of what the page says."""
    page = tmp_path / "page.md"
    page.write_text(stale, encoding="utf-8")
    (tmp_path / "run").mkdir()

    assert fresh in remade(page, tmp_path / "run")


def test_blocks_of_a_page_share_names_and_files(tmp_path):
    """A later block sees what an earlier one defined, and a command finds the file an earlier block wrote."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n# tiny.py\nx = 1\n```\n```python\ny = 2\n```\n```python\n>>> y\n2\n```\n",
        encoding="utf-8",
    )
    (tmp_path / "run").mkdir()

    assert remade(page, tmp_path / "run") == page.read_text(encoding="utf-8")
    assert (tmp_path / "run" / "tiny.py").read_text(encoding="utf-8") == "# tiny.py\nx = 1\n"


def test_an_example_that_fails_fails_the_page(tmp_path):
    """A command that exits with an error is not accepted as documentation."""
    page = tmp_path / "page.md"
    page.write_text("```sh\ncostmodel analyze gone --hw snapdragon\n```\n", encoding="utf-8")
    (tmp_path / "run").mkdir()

    with pytest.raises(RuntimeError, match="exit code 2"):
        remade(page, tmp_path / "run")


def test_output_is_cut_where_the_command_says_so():
    """The first or last lines, or those between two patterns, as head, tail and sed give them."""
    whole = shown("costmodel nets list").splitlines()

    assert shown("costmodel nets list | head -2").splitlines() == whole[:2]
    assert shown("costmodel nets list | tail -1").splitlines() == whole[-1:]
    assert shown("costmodel nets list | sed -n '/^alexnet/,/variant/p'").splitlines() == whole[4:7]


def test_broken_links_are_seen(tmp_path):
    """A link to a missing file is found; addresses and links in code are passed over."""
    page = tmp_path / "page.md"
    text = (
        '[a](gone.md) [b](page.md#x) [c](https://x.org) <img src="gone.svg">\n```python\n[d](gone.py)\n```\n'
    )
    page.write_text(text, encoding="utf-8")

    assert broken(page, text) == ["gone.md", "gone.svg"]


def test_no_page_names_a_place_of_its_making():
    """Nothing in the documentation depends on where it was written."""
    places = re.compile("/" + "work/|/" + "tmp/|sha" + "red/|peers" + r"\.md")

    assert [page.name for page in pages() if places.search(page.read_text(encoding="utf-8"))] == []
