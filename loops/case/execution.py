"""Executes a case file and every module of the user's own anew, so that two executions share nothing.

A module that a case imports may hold the model, the optimizer and a traced step: imported once for all
trainings, one training would go on where another ended.
"""

import contextlib
import functools
import importlib.util
import linecache
import os
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from loops.case import keras_state, replicas
from loops.case.errors import CaseError, told
from loops.case.guard import Interrupted, guarded
from loops.case.script import Call, recording
from loops.errors import Stopped, UserError

NAME = "fit_vs_tape_case"  # never __main__: what stands under that guard does not run
_PROJECT = Path(__file__).resolve().parents[2]
_LIBRARIES = (
    *(str(_PROJECT / room) for room in ("loops", "model", "bench")),
    *(os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")),
)
_MISSING = object()


class Execution:
    """One execution of a file. Its modules are in sys.modules only while its code runs."""

    def __init__(self, path: Path, paste: str = "") -> None:
        """Execute `path`, and `paste` as if it stood at the file's end.

        Raises:
            CaseError: the file is missing or raises.
        """
        self.path = path
        self._plain = replicas.is_plain()
        self.calls: list[Call] = []
        self.replaced: dict[int, Any] = {}  # by the id of a top-level value: what the paste put in its place
        self._modules: dict[str, ModuleType] = {}
        self._path = [str(path.resolve().parent), *sys.path]
        self._outside: dict[str, ModuleType] = {}  # sys.modules before this code was let in
        self._depth = 0
        self.module = self._new_module()
        keras_state.reset(seed=0)
        with self._in_place(hidden=_modules_below({path.resolve().parent, Path.cwd().resolve()})):
            self._run("cannot be loaded:", self._load)
            if paste:
                self._run("with the code pasted at its end raised", functools.partial(self._paste, paste))

    def run(self, name: str, function: Callable[[], Any]) -> Any:
        """Run a piece of the file's code, and turn what it raises into one message with the line.

        Raises:
            CaseError: the code raised, or would have ended the process.
        """
        with self._in_place():
            return self._run(f"{name} raised", function)

    def _run(self, what: str, function: Callable[[], Any]) -> Any:
        with guarded(), replicas.strategies(plain=self._plain):
            try:
                return function()
            except (UserError, Stopped, Interrupted):
                raise
            except BaseException as error:  # SystemExit would end with exit code 0 and no verdict
                self._take_new_modules()
                files = [str(getattr(module, "__file__", "")) for module in self._modules.values()]
                raise CaseError(f"{self.path}: {what} {told(error, self.path, files)}") from None

    def _take_new_modules(self) -> None:
        """Note the user's modules that the code has imported."""
        new = {name: m for name, m in sys.modules.items() if self._outside.get(name) is not m}
        self._modules |= _of_the_user(new)

    def _new_module(self) -> ModuleType:
        if not self.path.is_file():
            raise CaseError(f"{self.path}: no such file. docs/diagnose.md says what a case file holds.")
        spec = importlib.util.spec_from_file_location(NAME, self.path)
        if spec is None or spec.loader is None:
            raise CaseError(f"{self.path}: is no Python file; its name must end in .py.")
        module = importlib.util.module_from_spec(spec)
        self._modules[NAME] = module  # Keras looks registered classes up in their module
        return module

    def _load(self) -> None:
        assert self.module.__spec__
        assert self.module.__spec__.loader
        with recording() as self.calls:
            self.module.__spec__.loader.exec_module(self.module)

    def _paste(self, code: str) -> None:
        held = vars(self.module)
        before = dict(held)
        name = f"<pasted at the end of {self.path.name}, {zlib.crc32(code.encode())}>"
        lines = code.splitlines(keepends=True)
        linecache.cache[name] = (len(code), None, lines, name)  # where AutoGraph looks for the source
        exec(compile(code, name, "exec"), held)
        self.replaced = {id(value): held[key] for key, value in before.items() if held.get(key) is not value}

    @contextlib.contextmanager
    def _in_place(self, hidden: Iterable[str] = ()) -> Iterator[None]:
        """A context in which this execution's modules are the ones that an import finds."""
        if self._depth:  # within another piece of this very code
            yield
            return
        self._outside = before = dict(sys.modules)
        paths, arguments = list(sys.path), sys.argv
        ours = dict.fromkeys(hidden) | self._modules
        attributes = [(parent, child, vars(parent).get(child, _MISSING)) for parent, child in _held(ours)]
        for name, module in ours.items():
            _put(sys.modules, name, module or _MISSING)
        for parent, child, _ in attributes:
            _put(vars(parent), child, ours[f"{parent.__name__}.{child}"] or _MISSING)
        sys.path[:], sys.argv = self._path, [str(self.path)]
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._path = list(sys.path)
            self._take_new_modules()
            for name in [*ours, *self._modules]:
                _put(sys.modules, name, before.get(name, _MISSING))
            self._outside = {}
            for parent, child, value in attributes:
                _put(vars(parent), child, value)
            sys.path[:], sys.argv = paths, arguments


def _put(mapping: dict[str, Any], key: str, value: Any) -> None:
    if value is _MISSING:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _held(names: Iterable[str]) -> Iterator[tuple[ModuleType, str]]:
    """The packages outside that hold a module of these names as an attribute, and the attribute."""
    inside = set(names)
    for name in inside:
        parent, _, child = name.rpartition(".")
        if parent not in inside and isinstance(sys.modules.get(parent), ModuleType):
            yield sys.modules[parent], child


def _modules_below(folders: set[Path]) -> list[str]:
    """Names of imported modules that lie in one of the folders or below, and are no library's."""
    inside = tuple(f"{str(folder).rstrip(os.sep)}{os.sep}" for folder in folders)
    places = {name: _place(module) for name, module in list(sys.modules.items()) if name != "__main__"}
    return [n for n, place in places.items() if place.startswith(inside) and not _is_library(place)]


def _of_the_user(modules: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """Those of newly imported modules that are no library's. A package with compiled parts is a library."""
    places = {name: _place(module) for name, module in modules.items()}
    compiled = {n.partition(".")[0] for n, place in places.items() if place and _is_compiled(place)}
    return {
        name: module
        for name, module in modules.items()
        if places[name] and not _is_library(places[name]) and name.partition(".")[0] not in compiled
    }


def _place(module: Any) -> str:
    """The real path of a module's file, or of the folder of a package without one; empty where neither is."""
    held = getattr(module, "__dict__", {})  # a lazy module would load itself at getattr
    file, folders = held.get("__file__"), held.get("__path__")
    if isinstance(file, str):
        return _real(file)
    try:
        return _real(os.path.join(next(iter(folders)), "")) if folders else ""
    except (TypeError, StopIteration):
        return ""


@functools.cache
def _real(file: str) -> str:
    return os.path.join(os.path.realpath(file), "") if file.endswith(os.sep) else os.path.realpath(file)


def _is_compiled(place: str) -> bool:
    return not place.endswith((".py", os.sep))


@functools.cache
def _is_library(place: str) -> bool:
    parts = Path(place).parts
    installed = bool({"site-packages", "dist-packages"} & {*parts})
    written = parts[-1].startswith("__autograph_generated_file")  # by TensorFlow, for a tf.function
    return installed or written or _is_compiled(place) or place.startswith(_LIBRARIES)
