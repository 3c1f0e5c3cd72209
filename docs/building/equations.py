"""The notation of equations in docstrings, as TeX.

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)       store

is an equation and a remark. What two spaces set apart is one more equation if it has an equals
sign, and else a remark. `*` is the product element by element; words that are no function, no
Greek letter and no variable are text.
"""

import re
import textwrap
from collections import deque

_FUNCTIONS = {"sigmoid": r"\sigma", "tanh": r"\tanh", "exp": r"\exp", "log": r"\log"}
_NAMES = {
    **{name: f"\\{name}" for name in ("beta", "gamma", "lambda", "nu", "theta", "zeta")},
    "epsilon": r"\epsilon",
    "eps": r"\varepsilon",
    "dt": r"\Delta t",
}
_SYMBOLS = {"*": r"\odot", "~": r"\sim", "...": r"\dots"}
_SCALARS = (_NAMES["dt"], _NAMES["epsilon"])

_SCRIPT = r"[_^](?:\{[^}]*\}|[A-Za-z0-9]+)"
_WORD = rf"(?!(?:{'|'.join(_NAMES)})\b)[A-Za-z]{{2,}}(?![A-Za-z_^(])"
_TOKEN = re.compile(
    rf"""\s*(?:
        `(?P<code>[^`]+)`
      | (?P<function>[A-Za-z]{{2,}}(?=\()|(?:Re|Im)(?=\ ))
      | (?P<text>{_WORD}(?:\s{_WORD})*)
      | (?P<name>[A-Za-z]+)
      | (?P<script>{_SCRIPT})
      | 1e(?P<power>-?\d+)
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<symbol>\.\.\.|[^\s\w`])
    )""",
    re.VERBOSE,
)
_RELATION = re.compile(r"\s([=~])\s")
_COLUMNS = re.compile(r"\s{2,}(?![=\s])")
_BLOCK = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
_IN_TEXT = re.compile(rf"(?P<code>`[^`]*`)|(?<!\w)(?P<variable>[A-Za-z](?:{_SCRIPT})+)(?!\w)|\|")


def blocks(docstring: str) -> list[str]:
    """Return the blocks of equations in a docstring."""
    return [block for block in _BLOCK.findall(docstring) if _has_equations(block)]


def tex(block: str) -> str:
    r"""Turn a block of equations into an array of TeX: left side, right side, remark.

    Raises:
        ValueError: parentheses in it do not match.
    """
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    rows = (" & ".join(row) for line in lines for row in _rows(line))
    return "\\begin{array}{rll}\n" + " \\\\\n".join(rows) + "\n\\end{array}"


def restructured(docstring: str) -> str:
    """Turn a docstring with equations into reStructuredText; others are that already.

    Indented blocks that hold no equations are code.
    """
    with_variables = bool(blocks(docstring))

    def written(text: str) -> str:
        return _IN_TEXT.sub(_inline, text) if with_variables else text

    parts, end = [], 0
    for block in _BLOCK.finditer(docstring):
        parts += [written(docstring[end : block.start()]), _directive(block.group())]
        end = block.end()
    return "".join([*parts, written(docstring[end:])])


def _has_equations(block: str) -> bool:
    return all(_RELATION.search(line) for line in block.splitlines() if line.strip())


def _rows(line: str) -> list[list[str]]:
    """Return left side, relation with right side, and any remark of each equation in a line."""
    rows: list[list[str]] = []
    for column in _COLUMNS.split(line):
        if _RELATION.search(column):
            left, relation, right = _RELATION.split(column.rstrip(","), maxsplit=1)
            sign = _SYMBOLS.get(relation, relation)
            rows.append([_expression(left), f"{sign} {_expression(right)}"])
        else:
            rows[-1].append(rf"\quad {_expression(column)}")
    return rows


def _expression(source: str) -> str:
    tokens = deque(
        (str(match.lastgroup), match[match.lastgroup or 0]) for match in _TOKEN.finditer(source)
    )
    written = _sequence(tokens)
    if tokens:
        raise ValueError(f"{source!r} closes a parenthesis that it did not open.")
    return written


def _sequence(tokens: deque[tuple[str, str]]) -> str:
    """Write tokens until a parenthesis closes."""
    items: list[str] = []
    while tokens and tokens[0][1] != ")":
        if tokens[0][1] == "/" and items:
            tokens.popleft()
            over, under = _bare(items.pop()), _bare(_item(tokens))
            items.append(rf"\frac{{{over}}}{{{under}}}")
        elif tokens[0][1] == "*" and items and items[-1] in _SCALARS:
            tokens.popleft()
            items.append(r"\,")
        else:
            items.append(_item(tokens))
    return " ".join(items)


def _item(tokens: deque[tuple[str, str]]) -> str:
    """Write what is one factor: a name with its scripts, a function of something, parentheses."""
    kind, token = tokens.popleft()
    if token == "(":
        item = f"({_sequence(tokens)})"
        if not tokens:
            raise ValueError("A parenthesis is not closed.")
        tokens.popleft()
        return item + _scripts(tokens)
    if kind == "function":
        argument = _item(tokens)
        if token == "sqrt":
            return rf"\sqrt{{{_bare(argument)}}}"
        return _FUNCTIONS.get(token, rf"\operatorname{{{token}}}") + f" {argument}"
    if kind == "name":
        name = token if len(token) == 1 else _NAMES.get(token, rf"\mathrm{{{token}}}")
        return name + _scripts(tokens)
    if kind == "power":
        return f"10^{{{token}}}"
    if kind in ("text", "code"):
        command = "text" if kind == "text" else "texttt"
        return f"\\;\\{command}{{{token}}}\\;"
    return _SYMBOLS.get(token, token)


def _scripts(tokens: deque[tuple[str, str]]) -> str:
    scripts = ""
    while tokens and tokens[0][0] == "script":
        token = tokens.popleft()[1]
        inner = r"\top" if token == "^T" else token[1:].strip("{}")
        scripts += f"{token[0]}{{{inner}}}"
    return scripts


def _bare(item: str) -> str:
    return item[1:-1] if item.startswith("(") and item.endswith(")") else item


def _directive(block: str) -> str:
    """Write a block of a docstring as a directive."""
    if not _has_equations(block):
        return f".. code-block:: python\n\n{block}\n"
    return f".. math::\n\n{textwrap.indent(tex(block), '    ')}\n\n"


def _inline(match: re.Match[str]) -> str:
    if match["variable"]:
        return f":math:`{_expression(match['variable'])}`"
    if match["code"] == "`*`":
        return rf":math:`{_SYMBOLS['*']}`"
    return match["code"] or r"\|"
