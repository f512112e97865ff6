"""Words and cells on a terminal: widths in columns of the screen, line breaks, cuts, padding, colours.

Laid out here rather than by a library for speed: a report is printed in a millisecond, and looks the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

ELLIPSIS = "…"
PIECE = re.compile(r"(\s*)(\S*\d (?:%|[pnumkMGT]?(?:B|J|s|W|Hz)(?:/\w+)?|MAC)(?!\w)\S*|\S+)")
"""A word, or a number with its unit, which stay on one line."""
PART_OF_NAME = re.compile(r"(\s*)([:,@]?[^\s:,@-]*-|[:,@]?[^\s:,@-]+|[:,@])")
"""A word, or a part of one up to where names of networks may be broken."""
NARROW = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2500-\u259f]*")
"""Characters of one column each that reports use: a library is asked about others, which takes longer to load."""
SGR = {"bold": "1", "dim": "2", "red": "1;31", "cyan": "1;36"}


@lru_cache(maxsize=4096)
def columns(text: str) -> int:
    """Columns of the screen that a text takes: two for a wide character.

    >>> columns("abc"), columns("层")
    (3, 2)
    """
    if text.isascii() or NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text filled up with blanks to a width.

    >>> padded("a", 3), padded("a", 3, right=True)
    ('a  ', '  a')
    """
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def wrapped(text: str, width: int, *, name: bool = False) -> list[str]:
    """Lines of at most ``width`` columns, broken at blanks, names at hyphens and before their arguments as well.

    A word that is too long is broken anywhere.

    >>> wrapped("one two three", 7), wrapped("it is 12.5 %.", 10), wrapped("alexnet-conv1:input=64", 15, name=True)
    (['one two', 'three'], ['it is', '12.5 %.'], ['alexnet-conv1', ':input=64'])
    """
    lines, line = [], ""
    for gap, piece in (PART_OF_NAME if name else PIECE).findall(text):
        if columns(line + gap + piece) <= width:
            line += gap + piece
            continue
        if line.strip():
            lines.append(line)
        *whole, line = chopped(piece, width)
        lines += whole
    return [*lines, line]


def parts(name: str) -> list[str]:
    """What is left together where a name is broken.

    >>> parts("squeezenet:version=1.1@int8"), parts("alexnet-conv1 at most"), parts("")
    (['squeezenet', ':version=1.1', '@int8'], ['alexnet-', 'conv1', 'at', 'most'], [])
    """
    return [part for _, part in PART_OF_NAME.findall(name)]


def chopped(word: str, width: int) -> Iterator[str]:
    """A word in parts of at most ``width`` columns.

    >>> list(chopped("abcde", 2))
    ['ab', 'cd', 'e']
    """
    part = ""
    for character in word:
        if part and columns(part + character) > width:
            yield part
            part = ""
        part += character
    yield part


def shortened(name: str, width: int) -> str:
    """A name that takes at most ``width`` columns: its end tells layers apart, so the middle goes.

    >>> shortened("features.denseblock3.denselayer11.conv1", 20)
    'featur…layer11.conv1'
    """
    if columns(name) <= width:
        return name
    tail = name[-(width * 2 // 3) :]
    while columns(tail) > width * 2 // 3:
        tail = tail[1:]
    return cut(name, width - 1 - columns(tail)) + ELLIPSIS + tail


def cut(text: str, width: int) -> str:
    """The first ``width`` columns of a text.

    >>> cut("abcdef", 3), cut("层层", 3)
    ('abc', '层')
    """
    head = text[: max(width, 0)]
    while head and columns(head) > width:
        head = head[:-1]
    return head


def colored(text: str, style: str, *, color: bool) -> str:
    r"""The text in a style, where colours are wanted; blanks at its end are left out.

    >>> colored("a  ", "bold", color=True).encode(), colored("a  ", "bold", color=False)
    (b'\x1b[1ma\x1b[0m', 'a')
    """
    bare = text.rstrip()
    return f"\x1b[{SGR[style]}m{bare}\x1b[0m" if color and style and bare else bare
