"""Tells what a user's code raised in one line of text: the kind, the line of the file, and what was wrong."""

import os
import re
import traceback
from collections.abc import Collection, Iterator
from typing import Any

from loops.errors import UserError


class CaseError(UserError):
    """A case file cannot be loaded, lacks a name, or raises when it runs."""


class ProcessEnded(BaseException):
    """The user's code called os._exit(), which would end the process without a verdict."""


ENDS = 'a case must not end the process: remove the call, or put it under `if __name__ == "__main__":`'
ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (SystemExit, ENDS),
    (ProcessEnded, ENDS),
    (KeyboardInterrupt, "raise an exception that stands for an error, ValueError say"),
    (GeneratorExit, "raise an exception that stands for an error, ValueError say"),
)
# What TensorFlow and Keras put around the line that says what is wrong
NOISE = re.compile(
    r"Graph execution error:|in user code:|Detected at node|Exception encountered when calling"
    r"|File \".*\", line \d+|\d+ root error\(s\) found"
)
STACK = re.compile(
    r"^(Call arguments|Arguments) received by|^Traceback \(most recent call last\)", re.MULTILINE
)
PLACES = re.compile(r'File "(.+?)", line (\d+)')


def reason(error: BaseException) -> str:
    """The error in one line, `ValueError: text`, without the stack and the names of nodes around it."""
    kind, text = type(error).__name__, _informative(error)
    return text if text.startswith(f"{kind}:") else f"{kind}: {text}"


def told(error: BaseException, path: object, files: Collection[str]) -> str:
    """The error as `ValueError (line 8): text`, and what to change where the kind of error says it.

    `files` are the user's own, of which `path` is the case file; the line is the last one in any of them.
    """
    kind, text = type(error).__name__, _informative(error).removeprefix(f"{type(error).__name__}: ")
    place = _place(error, {os.path.realpath(path) for path in (str(path), *files)})
    where = ""
    if place:
        same = place[0] == os.path.realpath(str(path))
        where = f" (line {place[1]})" if same else f" ({os.path.basename(place[0])}, line {place[1]})"
    advice = next((f"; {advice}" for kind, advice in ADVICE if isinstance(error, kind)), "")
    return f"{kind}{where}: {text}{advice}"


def _informative(error: BaseException) -> str:
    """The line of the error's text that says what is wrong."""
    traced = getattr(error, "ag_error_metadata", None)  # raised while a tf.function was traced
    text = str(traced.cause_message if traced else error)
    text = STACK.split(re.sub(r"\x1b\[\d+m", "", text))[0]
    lines = (line.strip() for line in text.splitlines() if "[[{{" not in line)
    found = [line for line in lines if line and not NOISE.search(line)]
    line = re.sub(r"^\(\d+\) ", "", found[0]) if found else "no message"
    line = re.sub(r"'\{\{node [^}]*\}\} = (\w+).*?'", r"\1", line)
    return re.sub(r"\{\{.*?\}\} | \[Op:.*", "", line)


def _place(error: BaseException, files: Collection[str]) -> tuple[str, int] | None:
    """The innermost file, of those given, and its line that the error passed; None where there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return os.path.realpath(error.filename), error.lineno
    places = [*_of_traceback(error), *((name, int(line)) for name, line in PLACES.findall(str(error)))]
    inside = [(path, line) for name, line in places if (path := os.path.realpath(name)) in files]
    return inside[-1] if inside else None


def _of_traceback(error: BaseException) -> Iterator[tuple[str, int]]:
    """File and line of each frame; those of code that AutoGraph wrote, of the source it was written from."""
    sources: dict[tuple[str, int], Any] = {}
    for frame, line in traceback.walk_tb(error.__traceback__):
        converted = getattr(frame.f_locals.get("converted_f"), "ag_source_map", {})
        sources |= {(place.filename, place.lineno): origin.loc for place, origin in converted.items()}
        place = (frame.f_code.co_filename, line)
        yield (sources[place].filename, sources[place].lineno) if place in sources else place
