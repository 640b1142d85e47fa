"""The house: a file imports from its own floor or one below it, and nothing imports in a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    ("model",),
    ("loops.errors", "loops.config", "loops.history"),
    ("loops.files", "loops.device"),
    ("loops.data",),
    ("loops.batches",),
    ("loops.metrics", "loops.evaluate"),
    ("loops.fit", "loops.tape", "loops.fast", "loops.case", "loops.parity", "loops.tensorboard"),
    ("loops.distribute",),
    ("loops.run", "loops.diagnose"),
    ("loops.measure",),
    ("loops.commands",),
    ("loops.cli",),
    ("loops.__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted([*ROOT.glob("loops/**/*.py"), *ROOT.glob("model/**/*.py"), *ROOT.glob("bench/**/*.py")])


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports, inside functions too; imports of types alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (whole if whole in MODULES else node.module for whole in _named(node))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _named(node: ast.ImportFrom) -> list[str]:
    return [f"{node.module}.{alias.name}" for alias in node.names]


def room_of(module: str) -> str:
    """The first two parts of a module of loops; a top-level package by its name."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "loops" else parts[0]


def ours(path: Path) -> list[str]:
    return sorted(
        {name for name in imports(path) if name.split(".")[0] in ("model", "loops", "bench", "tests")}
    )


@pytest.mark.parametrize("module", [name for name in MODULES if name != "loops"])
def test_a_file_imports_from_its_own_floor_or_below(module: str) -> None:
    if module.startswith("bench"):
        assert not [name for name in ours(MODULES[module]) if name.startswith("tests")]
        return
    own = FLOOR[room_of(module)]
    above = [name for name in ours(MODULES[module]) if FLOOR.get(room_of(name), len(FLOORS)) > own]
    assert not above, f"{module} imports from above: {above}"


def test_nothing_imports_in_a_circle() -> None:
    files = {module: set(ours(path)) & MODULES.keys() - {module} for module, path in MODULES.items()}
    list(TopologicalSorter(files).static_order())  # raises CycleError
    rooms: dict[str, set[str]] = {}
    for module, found in files.items():
        rooms.setdefault(room_of(module), set()).update(map(room_of, found))
    for room, found in rooms.items():
        found.discard(room)
    rooms.pop("bench")  # above all others, itself one room
    list(TopologicalSorter(rooms).static_order())


def test_every_room_says_in_its_first_line_what_it_answers() -> None:
    for path in FILES:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, path
        assert docstring.splitlines()[0].endswith((".", ":", "?")), path
