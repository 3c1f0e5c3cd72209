"""Small, plausible programming mistakes in Python source, found by their syntax.

A mutant is the source with one of them. Text that no program depends on is left alone: docstrings,
annotations, decorators, messages of errors and formatted strings.
"""

import ast
import copy
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
# Names of options, and another value that the same option takes.
_CHOICES = {
    "tanh": "sigmoid",
    "sigmoid": "tanh",
    "linear": "tanh",
    "zeros": "ones",
    "ones": "zeros",
    "glorot_uniform": "orthogonal",
    "orthogonal": "glorot_uniform",
    "concat": "sum",
    "train": "validation",
    "validation": "test",
    "test": "validation",
}
_UNTOUCHED = (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Part = ast.expr | ast.stmt
_Change = tuple[str, _Part, ast.AST]  # the kind, and what takes the place of what


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        path: the file, relative to the repository.
        kind: what was done, such as "comparison".
        line: where, from 1.
        source: the whole file with the mistake.
        diff: the lines that differ, `-` before and `+` after.
    """

    path: str
    kind: str
    line: int
    source: str
    diff: str

    def rank(self, seed: int) -> str:
        """Return a number, in hexadecimal, that a change of other lines leaves as it is."""
        return hashlib.sha256(f"{seed} {self.path} {self.kind} {self.diff}".encode()).hexdigest()


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Make every mutant of the file at `path`, whose text is `source`."""
    for kind, node, replacement in _Finder().changes(ast.parse(source)):
        changed = _replace(source, node, replacement)
        yield Mutant(path, kind, node.lineno, changed, _diff(source, changed, node))


def sample(found: Iterable[Mutant], size: int, seed: int) -> dict[str, Mutant]:
    """Choose `size` mutants by their rank: the same ones while the lines they change stay."""
    ranked = {mutant.rank(seed): mutant for mutant in found}
    return {rank: ranked[rank] for rank in sorted(ranked)[:size]}


def _replace(source: str, node: _Part, replacement: ast.AST) -> str:
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = ast.unparse(replacement)
    if isinstance(replacement, ast.BoolOp | ast.BinOp | ast.Compare | ast.UnaryOp):
        text = f"({text})"
    encoded = source.encode()
    return (encoded[:start] + text.encode() + encoded[end:]).decode()


def _diff(source: str, changed: str, node: _Part) -> str:
    """Return the lines of `node` before and after; all others are the same."""
    before, after = source.splitlines(), changed.splitlines()
    assert node.end_lineno is not None
    first, last = node.lineno - 1, node.end_lineno - len(before)
    removed = before[first : len(before) + last]
    added = after[first : len(after) + last]
    return "\n".join([f"-{line}" for line in removed] + [f"+{line}" for line in added])


class _Finder:
    """Walks through a module."""

    def __init__(self) -> None:
        self.attributes: dict[str, list[str]] = {}  # that the function around reads, by name

    def changes(self, node: ast.AST) -> Iterator[_Change]:
        if isinstance(node, _UNTOUCHED) or _is_text(node):
            return
        around = self.attributes
        if isinstance(node, _Function):
            self.attributes = _attributes(node)
        yield from self.changes_of(node)
        for child in _children(node):
            yield from self.changes(child)
        self.attributes = around

    def changes_of(self, node: ast.AST) -> Iterator[_Change]:
        match node:
            case ast.Compare() | ast.BinOp() | ast.BoolOp():
                yield from _other_operators(node)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield "operator removed", node, node.operand
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                if isinstance(test, ast.Name | ast.Attribute | ast.Call):
                    yield "condition", test, ast.UnaryOp(ast.Not(), test)
            case ast.Constant():
                yield from _other_constants(node)
            case ast.Attribute(value=ast.Name(id=owner), ctx=ast.Load()):
                names = self.attributes.get(owner, [])
                if node.attr in names and len(names) > 1:
                    other = names[(names.index(node.attr) + 1) % len(names)]
                    yield "attribute", node, ast.Attribute(node.value, other, node.ctx)
            case ast.Call():
                yield from _other_arguments(node)
            case (
                ast.Expr(value=ast.Call())
                | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
                | ast.AugAssign()
                | ast.Continue()
                | ast.Break()
            ):
                yield "statement removed", node, ast.Pass()


def _is_text(node: ast.AST) -> bool:
    """Say whether `node` is a docstring, or a string by itself."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in `node`, but for annotations and decorators."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _attributes(function: _Function) -> dict[str, list[str]]:
    """Return which attributes `function` reads of each name, methods that it calls left out."""
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    found = defaultdict(set)
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and isinstance(node.ctx, ast.Load)
            and id(node) not in called
        ):
            found[node.value.id].add(node.attr)
    return {name: sorted(attributes) for name, attributes in found.items()}


def _other_operators(node: ast.Compare | ast.BinOp | ast.BoolOp) -> Iterator[_Change]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            changed = copy.copy(node)
            changed.ops = list(node.ops)
            changed.ops[index] = _OPERATORS[type(operator)]()  # type: ignore[call-overload]
            yield "comparison", node, changed
    elif type(node.op) in _OPERATORS:
        other = copy.copy(node)
        other.op = _OPERATORS[type(node.op)]()  # type: ignore[assignment]
        yield "boolean" if isinstance(node, ast.BoolOp) else "arithmetic", node, other


def _other_constants(node: ast.Constant) -> Iterator[_Change]:
    if isinstance(node.value, bool):
        yield "constant", node, ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield "constant", node, ast.Constant(node.value + 1)
    elif isinstance(node.value, str) and node.value in _CHOICES:
        yield "constant", node, ast.Constant(_CHOICES[node.value])


def _other_arguments(node: ast.Call) -> Iterator[_Change]:
    for index, keyword in enumerate(node.keywords):
        if keyword.arg:
            others = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield "argument removed", node, ast.Call(node.func, node.args, others)
    for index, (left, right) in enumerate(pairwise(node.args)):
        if _alike(left, right):
            args = [*node.args[:index], right, left, *node.args[index + 2 :]]
            yield "arguments swapped", node, ast.Call(node.func, args, node.keywords)
    for index, (first, second) in enumerate(pairwise(node.keywords)):
        if first.arg and second.arg and _alike(first.value, second.value):
            swapped = [ast.keyword(first.arg, second.value), ast.keyword(second.arg, first.value)]
            keywords = [*node.keywords[:index], *swapped, *node.keywords[index + 2 :]]
            yield "arguments swapped", node, ast.Call(node.func, node.args, keywords)


def _alike(left: ast.expr, right: ast.expr) -> bool:
    return isinstance(left, ast.Name | ast.Attribute | ast.Subscript) and type(left) is type(right)
