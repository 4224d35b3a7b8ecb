"""Imports of what a piece of code uses, so that no template need list them."""

import ast
from collections.abc import Iterable, Mapping
from importlib import import_module

KNOWN: Mapping[str, str] = {
    "Iterator": "collections.abc",
    "Mapping": "collections.abc",
    "NDArray": "numpy.typing",
    "batch_of_one": "edged.ops.image",
    "cosine": "edged.ops.embedding",
    "l2": "edged.ops.embedding",
    "pairwise": "itertools",
    "pasted_part": "edged.ops.masks",
    "pixels_of": "edged.ops.image",
    "resized": "edged.ops.masks",
    "unit": "edged.ops.embedding",
    **dict.fromkeys(import_module("edged").__all__, "edged"),
}
"""Where each name comes from that a plugin may use without importing it itself."""
_SECTIONS = ({"collections", "itertools"}, {"numpy"}, {"edged"})
"""Packages that stand together, in their order."""
_WIDTH = 110


def with_imports(code: str) -> str:
    """The code, with the imports of all the names that it uses below its docstring."""
    tree = ast.parse(code)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    made = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    names: dict[str, list[str]] = {}
    for name in used - made:
        if name in KNOWN:
            names.setdefault(KNOWN[name], []).append(name)
    sections = []
    for packages in _SECTIONS:
        lines = ["import numpy as np"] if "numpy" in packages and "np" in used else []
        lines += [_line(m, names[m]) for m in sorted(names) if m.split(".")[0] in packages]
        sections.append("\n".join(lines))
    docstring, _, rest = code.partition('"""\n')
    return f'{docstring}"""\n\n' + "\n\n".join(filter(None, sections)) + "\n" + rest


def _line(module: str, names: Iterable[str]) -> str:
    """Constants first, then classes, then functions, as sorted imports have them."""
    ordered = sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in ordered) + ")"
