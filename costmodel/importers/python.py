"""Networks written as Python files with ``build(**metaparameters) -> Graph``.

A network is named by a specification: a path or the bare name of a shipped network, and optionally arguments,
``squeezenet:version=1.1,squeeze_ratio=0.25``. Loading a ``.py`` file executes it, with all the rights of the
calling process: only load files you trust. What it prints goes to stderr.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, TypeAlias, get_args

from costmodel.data import data_dir
from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Dim, Graph, Ratio

Builder: TypeAlias = Callable[..., Graph]
Value: TypeAlias = bool | int | float | str

_SPEC: Final = re.compile(r"(?P<target>.+?)(?::(?P<arguments>\s*[A-Za-z_]\w*\s*=.*))?", re.DOTALL)
_BOOLS: Final = {"true": True, "false": False}


def net_names() -> tuple[str, ...]:
    """Bare names of the shipped networks, sorted."""
    return tuple(sorted(p.stem for p in data_dir("nets").glob("*.py") if not p.name.startswith("_")))


def net_title(name: str) -> str:
    """First line of a shipped network's docstring, read without executing it."""
    docstring = ast.get_docstring(ast.parse(_source(_path_of(name)))) or ""
    return docstring.partition("\n")[0]


def load_network(spec: str | Path, **arguments: Any) -> Graph:  # noqa: ANN401 - whatever the builder takes
    """Build the graph of a network.

    Parameters
    ----------
    spec
        Path of a ``.py`` file (executed) or name of a shipped network, with arguments after a colon.
    **arguments
        Arguments of ``build``; they win over those of the specification.

    Returns
    -------
    Graph
        What ``build`` returns.

    Raises
    ------
    InputError
        The file cannot be read, has no ``build``, or ``build`` has no such argument.
    NetworkError
        The file or its ``build`` raises, or returns something else.

    Examples
    --------
    >>> load_network("alexnet").name
    'alexnet'
    """
    return load_builder(spec)(**arguments)


def load_builder(spec: str | Path) -> Builder:
    """Load the ``build`` of a network with the arguments of `spec` bound.

    The result carries the signature of ``build``. A call checks argument names, reports exceptions with the
    file's own frames only, and gives a Graph or raises.
    """
    target, arguments = split_spec(str(spec))
    path = _path_of(target)
    build = _build_of(_executed(path), path)
    _check_arguments(build, arguments, target)
    return _Guarded(build, path, target, arguments)


class _Guarded:
    """``build`` of a file, with bound arguments, whose every failure is one clear message."""

    def __init__(self, build: Builder, path: Path, target: str, arguments: dict[str, Value]) -> None:
        self._build, self._path, self._target = build, path, target
        self._bound = arguments
        self.__doc__ = build.__doc__
        self.__signature__ = _signature(partial(build, **arguments))

    def __call__(self, **arguments: Any) -> Graph:  # noqa: ANN401 - whatever the builder takes
        """Build the graph, with `arguments` besides or instead of the bound ones."""
        arguments = {**self._bound, **arguments}
        _check_arguments(self._build, arguments, self._target)
        with _own_frames(self._path, "build"):
            graph = self._build(**arguments)
        if isinstance(graph, Graph):
            return graph
        raise NetworkError(
            f"{self._path}: build returned {type(graph).__name__}, not a Graph; end it with `return g`"
        )

    def __repr__(self) -> str:
        return f"<builder of {self._target}>"


def vectorisable(build: Builder) -> frozenset[str]:
    """Names of the parameters that take an array of design points: those annotated ``Dim`` or ``Ratio``."""
    parameters = _signature(build).parameters.values()
    return frozenset(parameter.name for parameter in parameters if _takes_arrays(parameter.annotation))


def _takes_arrays(annotation: object) -> bool:
    """Whether an annotation is, or contains, ``Dim`` or ``Ratio``; by its words where it stayed a text."""
    if isinstance(annotation, str):
        return not {"Dim", "Ratio"}.isdisjoint(re.findall(r"\w+", annotation))
    return any(set(get_args(kind)) <= set(get_args(annotation)) for kind in (Dim, Ratio))


def _signature(build: Builder) -> inspect.Signature:
    """Signature with its annotations evaluated, or as texts where a name is for type checkers only."""
    try:
        return inspect.signature(build, eval_str=True)
    except Exception:  # whatever evaluating somebody's annotations may raise
        return inspect.signature(build)


# ---- specifications


def split_spec(spec: str) -> tuple[str, dict[str, Value]]:
    """Split ``name:argument=value,argument=value`` into the name and its arguments."""
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise InputError("a network needs a name or a path, got an empty text")
    arguments: dict[str, Value] = {}
    for item in filter(None, (match["arguments"] or "").split(",")):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"{spec}: expected argument=value between commas, got {item.strip()!r}")
        if name in arguments:
            raise InputError(f"{spec}: argument {name!r} is given twice")
        arguments[name] = _value(value)
    return match["target"].strip(), arguments


def _value(text: str) -> Value:
    """`text` as int, float, bool, or itself."""
    if text.lower() in _BOOLS:
        return _BOOLS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _check_arguments(build: Builder, given: Iterable[str], target: str) -> None:
    """InputError for arguments that ``build`` does not take or cannot do without."""
    parameters = inspect.signature(build).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [name for name, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    listed = f"its arguments are {', '.join(known)}" if known else "it takes none"
    problems = [
        f"{target}: build has no argument {name!r}{_did_you_mean(name, known)}; {listed}"
        for name in given
        if name not in known and not takes_any
    ]
    problems += [
        f"{target}: build needs the argument {name!r}: write {target}:{name}=..."
        for name in known
        if parameters[name].default is inspect.Parameter.empty and name not in set(given)
    ]
    if problems:
        raise InputError(*problems)


# ---- files


def _path_of(target: str) -> Path:
    """The file a name or path stands for; InputError if there is none."""
    if target in net_names():
        return data_dir("nets") / f"{target}.py"
    path = Path(target)
    if path.is_dir():
        raise InputError(f"{target}: is a directory; give a .py file with build(), or one of {_names()}")
    if path.is_file():
        if path.suffix != ".py":
            kind = f"{path.suffix} files" if path.suffix else "files without an ending"
            raise InputError(f"{target}: cannot read {kind}; give a .py file with build()")
        return path
    if path.suffix == ".py" or path.parent != Path():
        siblings = [str(p) for p in path.parent.glob("*.py")]
        raise InputError(f"{target}: no such file{_did_you_mean(target, siblings)}")
    if ":" in target:
        raise InputError(f"{target}: expected argument=value after the colon")
    raise InputError(
        f"no network called {target!r}{_did_you_mean(target, net_names())}; shipped are {_names()}; "
        "your own is a path ending in .py"
    )


def _names() -> str:
    return ", ".join(net_names())


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _source(path: Path) -> str:
    """Text of a Python file; InputError if it is not text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise InputError(f"{path}: is a binary file (it holds null bytes), not Python source")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not Python source: {error}") from None


@lru_cache(maxsize=64)
def _compiled(source: str, path: Path) -> CodeType:
    """Code of a source text; the same text is compiled once."""
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise NetworkError(f"{path}:{error.lineno}:{error.offset}: syntax error: {error.msg}") from None


def _executed(path: Path) -> ModuleType:
    """The module of a file, executed afresh and not cached."""
    code = _compiled(_source(path), path)
    module = ModuleType(f"costmodel_net_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    with _own_frames(path, "the file"):
        exec(code, module.__dict__)
    return module


def _build_of(module: ModuleType, path: Path) -> Builder:
    """The module's ``build``."""
    build = getattr(module, "build", None)
    if callable(build):
        return build  # type: ignore[no-any-return]  # what it returns is checked at the call
    if build is not None:
        raise InputError(f"{path}: build is {type(build).__name__}, not a function")
    functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
    raise InputError(
        f"{path}: has no function build{_did_you_mean('build', functions)}; "
        "a network is `def build() -> Graph`"
    )


@contextmanager
def _own_frames(path: Path, what: str) -> Iterator[None]:
    """Run code of `path`: siblings importable, prints to stderr, exceptions trimmed to the file's frames."""
    sys.path.append(str(path.parent))
    try:
        with redirect_stdout(sys.stderr):
            yield
    except NetworkError as error:
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        where = f"{path}:{lines[-1]}: " if lines else ""
        raise type(error)(*(where + problem for problem in error.problems)) from None
    except CostModelError:
        raise
    except (Exception, SystemExit) as error:
        raise NetworkError(_report(error, path, what)) from None
    finally:
        with suppress(ValueError):  # the file may have removed it
            sys.path.remove(str(path.parent))


def _frames(error: BaseException, path: Path) -> list[traceback.FrameSummary]:
    """The frames of an exception that lie in the file."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]


def _report(error: BaseException, path: Path, what: str) -> str:
    """One message for an exception of somebody's file: what it was, and where in that file."""
    last = "".join(traceback.format_exception_only(error)).strip()
    own = "".join(traceback.format_list(_frames(error, path))).rstrip()
    return f"{path}: {what} raised {last}" + (f"\n{own}" if own else "")
