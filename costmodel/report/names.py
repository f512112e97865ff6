"""Names of layers, networks and profiles come from files of others: nothing in them may act on a terminal or a page."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""The text with everything that is not printable written as its escape.

    >>> visible("fire2\x1b[31m"), visible("a\nb"), visible("größe")
    ('fire2\\x1b[31m', 'a\\nb', 'größe')
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
