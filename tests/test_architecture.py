"""The house rules, executable."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import edged
from edged import hookspecs

ROOT = Path(__file__).parent.parent
DOOR = ROOT / "edged" / "__init__.py"
FACADE = ROOT / "edged" / "public.py"
HOST = sorted((ROOT / "edged").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))

FLOORS = (
    {"contracts", "log"},
    {"media", "ops", "flow", "builders", "children"},
    {"artefacts", "counts", "events", "actions"},
    {"runtimes", "answers"},
    {"weights"},
    {"derive"},
    {"repository"},
    {"hookspecs", "cards", "narrowing", "discovery", "serving"},
    {"requests", "streams"},
    {"kserve"},
    {"mqtt", "http", "grpc", "wyoming", "jsonl"},
    {"homeassistant", "fleet"},
    {"config"},
    {"core", "telling", "health", "status", "control", "opening"},
    {"testing", "scaffold", "tenants", "replay"},
    {"wiring", "daemon"},
    {"chaos"},
    {"bench", "bulk"},
    {"cli"},
)
APART = {
    *("media", "ops", "flow", "builders", "children"),
    *("requests", "streams"),
    *("mqtt", "http", "grpc", "wyoming", "jsonl"),
}
"""Who knows nothing of its neighbours on the same floor."""
SIDEWAYS = {("media", "ops"), ("media", "flow")}
"""Imports that are allowed between the tools of one floor; the ways and the outside worlds have none."""

LAZY = {
    ("edged/cli/bulk.py", "edged.bulk.on_ray"): "concerns only who has a cluster",
    ("edged/cli/chaos.py", "edged.chaos.round"): "the other commands do without an MQTT client",
    ("edged/cli/chaos.py", "edged.chaos.world"): "the same",
    ("edged/cli/run.py", "edged.daemon"): "the other commands do without its servers",
    ("edged/grpc/unit.py", "edged.grpc.server"): "the extra may be missing",
    ("edged/wyoming/unit.py", "edged.wyoming.announcing"): "the extra may be missing",
    ("edged/wyoming/unit.py", "edged.wyoming.dialogue"): "the same",
    ("edged/runtimes/opening.py", "edged.runtimes.ort"): "loads ONNX Runtime",
    ("edged/weights/store.py", "edged.weights.fetching"): "who pulls nothing needs no HTTP",
}
"""Imports of ours within a function, each for the time and memory of those who never come there."""

PLUGINS_MAY_IMPORT = {"edged", "edged.ops", "edged.media", "edged.builders"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "handler"}
MOST_LINES = {"daemon.py": 200}
BOUNDARIES = {
    "edged/actions/lane.py": "one delivery",
    "edged/artefacts/store.py": "a driver of fsspec, which raises what its library raises",
    "edged/bulk/stores.py": "a driver of fsspec, which raises what its library raises",
    "edged/children/child.py": "what breaks a call off ends its child",
    "edged/children/inside.py": "one call of a child",
    "edged/cli/pull.py": "one model that is pulled, by the code of its plugin",
    "edged/discovery.py": "a plugin is loaded",
    "edged/grpc/methods.py": "one call",
    "edged/http/drawings.py": "one drawing",
    "edged/repository/instance.py": "one inference",
    "edged/streams/supervise.py": "one source",
    "edged/mqtt/control_desk.py": "one control request",
    "edged/mqtt/request_desk.py": "one request is taken in",
    "edged/requests/call.py": "one request",
    "edged/serving/scheduler.py": "one item of a lane",
    "edged/serving/unit.py": "a service as a unit",
    "edged/flow/units.py": "any unit",
    "edged/weights/depot.py": "a driver of fsspec, which raises what its library raises",
    "edged/testing/checks.py": "one check of a model",
    "edged/ops/tokens.py": "a library that raises nothing narrower",
}
"""Where whatever goes wrong is caught, counted and reported; nowhere else."""

HEAVY = (
    "av",
    "cv2",
    "grpc",
    "h5py",
    "httptools",
    "nncf",
    "onnx",
    "onnxruntime",
    "opencc",
    "openvino",
    "paho",
    "prometheus_client",
    "rich",
    "sounddevice",
    "tokenizers",
    "starlette",
    "typer",
    "urllib3",
    "uvicorn",
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def floor_of(part: str) -> int:
    for number, parts in enumerate(FLOORS):
        if part in parts:
            return number
    raise AssertionError(f"edged.{part} stands on no floor: add it to FLOORS")


def imports(tree: ast.Module) -> Iterator[str]:
    """Full names of what is imported; a module or something in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def edged_imports(path: Path) -> Iterator[str]:
    return (name for name in imports(parsed(path)) if name.split(".")[0] == "edged")


@pytest.mark.parametrize("path", [p for p in HOST if p not in (DOOR, FACADE)], ids=name_of)
def test_imports_point_down(path):
    own = path.relative_to(ROOT / "edged").parts[0].removesuffix(".py")
    for target in edged_imports(path):
        part = target.split(".")[1]
        if part in ("__version__", own):
            continue
        assert floor_of(part) <= floor_of(own), f"reaches up to {target}"
        if floor_of(part) == floor_of(own) and own in APART:
            assert (own, part) in SIDEWAYS, f"reaches sideways to {target}"


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_modules(tree: ast.AST) -> set[str]:
    """Our modules that are imported anywhere below, in functions and for types alone too."""
    known = {module_of(path) for path in HOST} - {"edged", "edged.public"}
    found = set(imports(tree)) | {name.rpartition(".")[0] for name in imports(tree)}
    return found & known


def test_no_imports_go_round_in_a_circle():
    graph = {
        # A package that gathers its own modules names itself: `from edged.answers import texts`.
        module_of(path): imported_modules(parsed(path)) - {module_of(path)}
        for path in HOST
        if path not in (DOOR, FACADE)
    }
    TopologicalSorter(graph).prepare()  # raises CycleError that shows it


def test_what_is_imported_within_a_function_has_a_reason():
    found = {
        (name_of(path), target)
        for path in HOST
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for target in imported_modules(node)
    }
    assert found == LAZY.keys()


@pytest.mark.parametrize("path", HOST, ids=name_of)
def test_host_imports_itself_by_full_name(path):
    assert not [name for name in imports(parsed(path)) if name.startswith(".")]


@pytest.mark.parametrize("path", [p for p in PLUGINS if not p.name.startswith("test_")], ids=name_of)
def test_plugins_import_only_what_is_public(path):
    public = {
        name for node in parsed(FACADE).body if isinstance(node, ast.ImportFrom) for name in names(node)
    }
    for target in edged_imports(path):
        package, _, name = target.rpartition(".")
        if package == "edged" and name not in ("ops", "media", "builders"):
            assert name in public, f"{target} is not public"
        else:
            assert ".".join(target.split(".")[:2]) in PLUGINS_MAY_IMPORT, f"{target} is not public"


def names(node: ast.ImportFrom) -> list[str]:
    return [alias.asname or alias.name for alias in node.names]


def test_the_facade_exports_all_that_it_imports_and_nothing_else():
    imported = [n for node in parsed(FACADE).body if isinstance(node, ast.ImportFrom) for n in names(node)]
    assert sorted(imported) == sorted(edged.__all__)
    assert all(getattr(edged, name) is not None for name in edged.__all__)


@pytest.mark.parametrize("path", [*HOST, *PLUGINS], ids=name_of)
def test_files_and_functions_are_small(path):
    assert path.stem not in FORBIDDEN_NAMES, "a name that says nothing"
    assert len(path.read_text("utf-8").splitlines()) < MOST_LINES.get(path.name, 350)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines < 50, f"{node.name} has {lines} lines"
        if isinstance(node, ast.ClassDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines < 150, f"the class {node.name} has {lines} lines"


def test_no_two_classes_share_a_name():
    found = Counter(
        node.name
        for path in HOST
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in found.items() if count > 1] == []


@pytest.mark.parametrize("path", [*HOST, *PLUGINS], ids=name_of)
def test_public_things_are_documented(path):
    tree = parsed(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    if path in PLUGINS:
        return  # hooks and models are documented once, by the contract
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", [*HOST, *PLUGINS], ids=name_of)
def test_every_setting_option_and_parameter_is_documented(path):
    for node in (node for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)):
        if not {"Settings", "Options", "Parameters"} & {ast.unparse(base) for base in node.bases}:
            continue
        for field, below in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).endswith("Settings"):
                assert is_text(below), f"{node.name}.{ast.unparse(field.target)} has no docstring below it"


def is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("path", [*HOST, *PLUGINS], ids=name_of)
def test_everything_is_caught_only_at_the_boundaries(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and not only_cleans_up(node):
            assert name_of(path) in BOUNDARIES, f"line {node.lineno} catches everything"


def catches_all(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    return bool({"Exception", "BaseException"} & set(re.findall(r"\w+", caught)))


def only_cleans_up(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("path", [*HOST, *PLUGINS], ids=name_of)
def test_nothing_is_promised_and_not_done(path):
    used = {node.id for node in ast.walk(parsed(path)) if isinstance(node, ast.Name)}
    assert "NotImplementedError" not in used


LIGHT = {
    "import edged": {"numpy", "pydantic", *HEAVY},
    "from edged import Model": set(HEAVY),
    "from edged.cli import main; sys.argv[1:] = ['--help']; main()": {
        "numpy",
        "pydantic",
        "yaml",
        *HEAVY,
    }
    - {"rich", "typer"},
    "import edged.cli.infer": {"asyncio", "fsspec", *HEAVY} - {"av", "cv2", "rich", "typer"},
}
"""What is not loaded by that, whoever waits for it."""


@pytest.mark.parametrize("what", LIGHT)
def test_importing_is_light(what):
    report = f"print('loaded', sorted({LIGHT[what]} & set(sys.modules)), file=sys.stderr)"
    code = f"import atexit, sys; atexit.register(lambda: {report}); {what}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stderr.strip() == "loaded []"


def tracked() -> list[Path]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_registry_and_no_path_of_a_machine_stands_in_any_file():
    hosts = ("pypi" + r"\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)", "deb" + r"ian\.org")
    paths = ("wo" + "rk", "ro" + "ot", "home/" + r"\w+", "tmp/" + "dl", "tmp/" + r"v\b")
    wanted = re.compile("|".join([*hosts, *(rf"(?<![\w.}})-])/{path}(/|\b)" for path in paths)]))
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {match[0]}" for match in wanted.finditer(text)]
    assert not found


@pytest.mark.parametrize("hook", [h for h in vars(hookspecs).values() if hasattr(h, "edged_spec")])
def test_a_hook_says_when_it_is_called_with_what_and_what_stops_it(hook):
    said = inspect.getdoc(hook) or ""
    wanted = ["Called once", *(f":param {name}:" for name in inspect.signature(hook).parameters)]
    places = [said.find(part) for part in [*wanted, "What stops it:", "Since "]]
    assert -1 not in places
    assert places == sorted(places), "always in this order"
