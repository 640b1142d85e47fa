"""`kernel`: a function for compiled functions only, compiled into the module of the one that Python calls.

Numba's own decorator makes each function callable from Python and emits machine code for it. Then it links
its callees into it and optimises them once more, level by level. Here some fifty functions are optimised and
emitted once, with the one that calls them: in half of the time.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import compiler
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.targetconfig import ConfigStack
from numba.core.typing.templates import AbstractTemplate, infer_global

OPTIONS: dict[str, Any] = {
    "nogil": True,
    # Reassociation and fused multiply-adds, but NaN and infinity stay: a loss that is no number must show
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "boundscheck": False,
    "error_model": "numpy",
}


class Kernel:
    """A function that Numba compiles where another compiled function calls it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.__doc__, self.__name__ = function, function.__doc__, function.__name__

        class Template(AbstractTemplate):
            key = self

            def generic(self, args: Any, kws: Any) -> Any:
                return _compiled(self.key, tuple(map(types.unliteral, args))).signature

        infer_global(self, types.Function(Template))
        lower_builtin(self, types.VarArg(types.Any))(self._lower)

    def _lower(self, context: Any, builder: Any, signature: Any, values: Any) -> Any:
        found = _compiled(self, signature.args)
        library = context.active_code_library
        if library is not _collected.library:
            _collected.link_into(library)
        return context.call_internal(builder, found.fndesc, signature, values)


def kernel(function: Callable[..., Any]) -> Any:
    """A decorator: the function is for other compiled functions to call, not for Python."""
    return Kernel(function)


class _Collected:
    """Kernels that were lowered and not optimised; the library that they are linked into does that."""

    def __init__(self) -> None:
        self.library = cpu_target.target_context.codegen().create_library("kernels")
        self.results: dict[tuple[Kernel, Any], Any] = {}
        self._reload_init: set[Any] = set()  # as Numba's own libraries have it

    def link_into(self, library: Any) -> None:
        """Have them, and what of Numba they call, linked into a library when it is finished."""
        if self not in library._linking_libraries:
            library._linking_libraries.extend([self, *self.library._linking_libraries])

    def _get_module_for_linking(self) -> Any:
        module = self.library._final_module.clone()
        for function in module.functions:
            if not function.is_declaration:
                function.linkage = "linkonce_odr"  # what nothing calls goes, and what was inlined everywhere
        return module


_collected = _Collected()


def _compiled(called: Kernel, args: Any) -> Any:
    """The kernel for these types, lowered into the common library."""
    results = _collected.results
    if (called, args) not in results:
        flags = ConfigStack().top().copy()  # of the function that is being compiled
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        flags.enable_pyobject_looplift = flags.release_gil = False
        target, library = cpu_target, _collected.library
        results[called, args] = compiler.compile_internal(
            target.typing_context, target.target_context, library, called.function, args, None, flags, {}
        )
    return results[called, args]
