"""Constraints between the axes of a design space: small expressions, checked once and evaluated on columns.

An expression is parsed by :mod:`ast` and only the nodes listed here are accepted, so that a file from elsewhere runs no code.
Numbers are computed as floating-point numbers, which hold whole ones up to 2**53 and never wrap.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import CostModelError, InputError
from costmodel.hardware.profile import did_you_mean
from costmodel.units import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

Columns = Mapping[str, "NDArray[Any]"]
Evaluation = Callable[[Columns], "NDArray[Any]"]

NUMBER: Final = "a number"
TEXT: Final = "a text"
TRUTH: Final = "a condition"
MOST_CHARACTERS: Final = 1000
DEEPEST: Final = 50
QUANTITY: Final = re.compile(
    r"(?<![\w.'\"])(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s?((?:[kMGTpnum]|[KMGT]i)?(?:B|Hz|bit|J|W|s)(?:/s)?)\b"
)
"""A number with a unit that stands without quotes: 64KiB."""

ARITHMETIC: Final[Mapping[type[ast.operator], Callable[..., Any]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[..., Any]]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "abs": np.abs,
    "round": np.rint,
    "floor": np.floor,
    "ceil": np.ceil,
    "sqrt": np.sqrt,
    "log2": np.log2,
}
SINGLE: Final = frozenset(FUNCTIONS) - {"min", "max"}


@dataclass(frozen=True)
class Term:
    """Part of an expression: what it gives (a number, a text, a condition), in which unit if it has one, and how.

    ``literal`` is the text of a constant, which may be a quantity: what it is compared with says so.
    """

    kind: str
    unit: str
    evaluate: Evaluation
    literal: str | None = None


@dataclass(frozen=True)
class Constraint:
    """A condition on points, and the axes it reads."""

    text: str
    names: frozenset[str]
    evaluate: Evaluation

    def holds(self, columns: Columns, count: int) -> NDArray[np.bool_]:
        """Whether each point meets it, (D,); what is no number (0 / 0) is equal to nothing, and neither less nor more."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self.evaluate(columns), dtype=np.bool_), count)


def constraint_of(text: str, kinds: Mapping[str, tuple[str, str]]) -> Constraint:
    """A constraint from its text.

    Parameters
    ----------
    text
        An expression such as ``"net.base_e * net.squeeze_ratio >= 8 and hw.sram >= 64KiB"``.
    kinds
        What each name gives: (``a number``, ``a text`` or ``a condition``; its unit or "").

    Raises
    ------
    InputError
        No expression, unknown names, or operations that are not allowed or make no sense.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{len(text)} characters; write at most {MOST_CHARACTERS}, or several constraints")
    quoted = QUANTITY.sub(r"'\1 \2'", text.strip())
    try:
        tree = ast.parse(quoted, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", error)
        raise InputError(f"{text!r} is no expression: {reason}; write for example net.a + net.b <= 512") from None
    compiler = _Compiler(kinds)
    found = compiler.term(tree.body, 0)
    if found.kind != TRUTH:
        raise InputError(f"{text!r} is {found.kind}, not a condition; compare it with something")
    return Constraint(text, frozenset(compiler.names), found.evaluate)


class _Compiler:
    """Turns nodes into terms; what is not listed is refused."""

    def __init__(self, kinds: Mapping[str, tuple[str, str]]) -> None:
        self.kinds = kinds
        self.names: set[str] = set()

    def term(self, node: ast.expr, depth: int) -> Term:
        """One node."""
        if depth > DEEPEST:
            raise InputError(f"nested more than {DEEPEST} deep; write several constraints")
        made = getattr(self, f"_{type(node).__name__.lower()}", None)
        if made is None:
            allowed = "names, numbers, arithmetic, comparisons, and, or, not"
            raise InputError(f"{ast.unparse(node)!r} is not allowed here; use {allowed}")
        found: Term = made(node, depth + 1)
        return found

    def _constant(self, node: ast.Constant, _depth: int) -> Term:
        value = node.value
        if isinstance(value, bool):
            return Term(TRUTH, "", lambda _: np.asarray(value))
        if isinstance(value, int | float):
            amount = _float(value)
            return Term(NUMBER, "", lambda _: np.asarray(amount))
        if isinstance(value, str):
            return Term(TEXT, "", lambda _: np.asarray(value, dtype=object), value)
        raise InputError(f"{value!r} is no number and no text; write numbers, quantities such as 64KiB, or texts in quotes")

    def _name(self, node: ast.Name, _depth: int) -> Term:
        return self._axis(node.id)

    def _attribute(self, node: ast.Attribute, _depth: int) -> Term:
        name = ast.unparse(node)
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise InputError(f"{name!r} is not allowed here; a dot is part of an axis's name only")
        return self._axis(name)

    def _axis(self, name: str) -> Term:
        """The column of an axis."""
        if name not in self.kinds:
            known = ", ".join(self.kinds) or "none"
            raise InputError(f"no axis {name!r}{did_you_mean(name, self.kinds)}; the axes are {known}")
        self.names.add(name)
        kind, unit = self.kinds[name]
        if kind == NUMBER:
            return Term(kind, unit, lambda columns: columns[name].astype(np.float64))
        return Term(kind, unit, lambda columns: columns[name])

    def _binop(self, node: ast.BinOp, depth: int) -> Term:
        operation = ARITHMETIC.get(type(node.op))
        if operation is None:
            raise InputError(f"{ast.unparse(node)!r}: this operator is not allowed; use + - * / // % **")
        left, right = self._numbers(node, [node.left, node.right], depth)
        unit = left.unit or right.unit
        return Term(NUMBER, unit, lambda columns: operation(left.evaluate(columns), right.evaluate(columns)))

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Term:
        inner = self.term(node.operand, depth)
        if isinstance(node.op, ast.Not) and inner.kind == TRUTH:
            return Term(TRUTH, "", lambda columns: np.logical_not(inner.evaluate(columns).astype(np.bool_)))
        if isinstance(node.op, ast.USub | ast.UAdd) and inner.kind == NUMBER:
            sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
            return Term(NUMBER, inner.unit, lambda columns: sign * inner.evaluate(columns))
        operand = ast.unparse(node.operand)
        raise InputError(f"{ast.unparse(node)!r}: {operand} is {inner.kind}; use not with conditions, - with numbers")

    def _boolop(self, node: ast.BoolOp, depth: int) -> Term:
        parts = [self.term(value, depth) for value in node.values]
        for part, value in zip(parts, node.values, strict=True):
            if part.kind != TRUTH:
                raise InputError(f"{ast.unparse(value)!r} is {part.kind}, not a condition; and, or join conditions")
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return Term(TRUTH, "", lambda columns: reduce(join, [part.evaluate(columns).astype(np.bool_) for part in parts]))

    def _compare(self, node: ast.Compare, depth: int) -> Term:
        values = [node.left, *node.comparators]
        terms = [self.term(value, depth) for value in values if not isinstance(value, ast.Tuple | ast.List)]
        if len(terms) < len(values):
            return self._membership(node, depth)
        unit = next((term.unit for term in terms if term.unit), "")
        terms = [as_quantity(term, unit) if any(t.kind == NUMBER for t in terms) else term for term in terms]
        pairs = [_pair(op, one, two, node) for op, one, two in zip(node.ops, terms, terms[1:], strict=False)]
        return Term(TRUTH, "", lambda columns: reduce(np.logical_and, [pair(columns) for pair in pairs]))

    def _membership(self, node: ast.Compare, depth: int) -> Term:
        """``x in (a, b)``: equal to one of them."""
        options = node.comparators[0]
        simple = len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn)
        if not simple or not isinstance(options, ast.Tuple | ast.List):
            raise InputError(f"{ast.unparse(node)!r}: a list stands behind in or not in only")
        each = [ast.Compare(node.left, [ast.Eq()], [option]) for option in options.elts]
        any_of: ast.expr = ast.BoolOp(ast.Or(), list(each)) if each else ast.Constant(value=False)
        return self.term(any_of if isinstance(node.ops[0], ast.In) else ast.UnaryOp(ast.Not(), any_of), depth)

    def _call(self, node: ast.Call, depth: int) -> Term:
        name = ast.unparse(node.func)
        if name not in FUNCTIONS or node.keywords or not node.args or (name in SINGLE and len(node.args) != 1):
            raise InputError(f"{ast.unparse(node)!r} is not allowed; functions are {', '.join(FUNCTIONS)}, with numbers")
        terms = self._numbers(node, node.args, depth)
        unit = next((term.unit for term in terms if term.unit), "")
        return Term(NUMBER, unit, lambda columns: FUNCTIONS[name](*(term.evaluate(columns) for term in terms)))

    def _numbers(self, node: ast.expr, values: list[ast.expr], depth: int) -> list[Term]:
        """Operands that must be numbers; quantities take the unit of the others."""
        terms = [self.term(value, depth) for value in values]
        unit = next((term.unit for term in terms if term.unit), "")
        terms = [as_quantity(term, unit) for term in terms]
        for term, value in zip(terms, values, strict=True):
            if term.kind != NUMBER:
                raise InputError(f"{ast.unparse(node)!r}: {ast.unparse(value)} is {term.kind}, not a number")
        return terms


def _float(value: float) -> float:
    """A literal as a floating-point number."""
    try:
        return float(value)
    except OverflowError:
        raise InputError("a number beyond every floating-point number; write a smaller one") from None


def as_quantity(term: Term, unit: str) -> Term:
    """A text that is a quantity in a unit as the number it stands for; anything else as it is."""
    if term.literal is None:
        return term
    try:
        amount = parse(term.literal, unit or "B")
    except CostModelError as error:
        raise InputError(*error.problems) from None
    return Term(NUMBER, unit or "B", lambda _: np.asarray(amount))


def _pair(op: ast.cmpop, one: Term, two: Term, node: ast.expr) -> Evaluation:
    """One comparison of a chain."""
    compare = COMPARISONS.get(type(op))
    if compare is None:
        raise InputError(f"{ast.unparse(node)!r}: this comparison is not allowed; use < <= > >= == != in")
    if one.kind != two.kind:
        raise InputError(f"{ast.unparse(node)!r} compares {one.kind} with {two.kind}")
    if one.kind != NUMBER and not isinstance(op, ast.Eq | ast.NotEq):
        raise InputError(f"{ast.unparse(node)!r} orders texts or conditions; only numbers have an order")
    return lambda columns: compare(one.evaluate(columns), two.evaluate(columns))
