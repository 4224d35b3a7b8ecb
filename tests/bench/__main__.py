"""`python -m tests.bench`: which benches there are, and how each is run."""

import ast
from pathlib import Path

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if f"python -m tests.bench.{path.stem}" in told:
            print(told, end="\n\n\n")
