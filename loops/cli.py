"""The command line, `python -m loops`: options to a command, errors to exit codes.

TensorFlow is imported by the commands when they run, so that --help is instant.
"""

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from loops.commands import compare, diagnose, measure, scale, study, train
from loops.errors import Stopped, UserError
from loops.run.signals import StopRequest, exit_code

COMMANDS = (train, study, compare, diagnose, measure, scale)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 usage, 130 or 143 stopped.

    A worker of a cluster ends its process here.
    """
    options = parse(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    code = 1
    try:
        code = _run(options)
    except BaseException:
        if not getattr(options, "ends_at_once", False):
            raise
        traceback.print_exc()  # a mistake of ours; even so no other worker may wait for this one
    finally:
        if getattr(options, "ends_at_once", False):
            _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """End the process here: TensorFlow takes a second to take itself apart, and waits for other workers.

    Output that cannot be written is no success.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # either may be closed from the start
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            code = code or 1
            if stream is sys.stdout and sys.stderr and not isinstance(error, BrokenPipeError):
                with contextlib.suppress(OSError, ValueError):
                    print(f"error: the output cannot be written ({error})", file=sys.stderr, flush=True)
    os._exit(code)


def _run(options: argparse.Namespace) -> int:
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        with StopRequest() as options.stop:
            return command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {error}; activate the environment (. .venv/bin/activate)", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is not None:  # a file's, which is ours to explain
            raise
        print(f"error: the output cannot be written ({error.strerror or error})", file=sys.stderr)
        return 1
    except Stopped as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        return exit_code(stopped.number)


def entry() -> None:
    """`python -m loops` and the installed command."""
    if sys.stdout is None:  # closed by who called: nobody reads
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    _leave(main())


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse and check the options; exits with code 2 and a message where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m loops",
        description="Train one CNN on Fashion-MNIST by fit(), by a hand-written loop, or by both. "
        "Find out why a loop of your own computes something other than fit(), and how fast it is.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(subparsers)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # the command reports it, because its usage is the one that helps
        subparsers.choices[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options
