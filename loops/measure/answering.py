"""A process that does what it is told, a request a line of standard input: the other end of `CaseProcess`."""

import json
import os
from collections.abc import Callable
from typing import Any

from loops.errors import UserError


def answer_requests(make: Callable[[], Callable[[dict[str, Any]], None]]) -> None:
    """Answer until standard input ends; `make`, called once, starts what answers.

    What a user's code prints is no answer, and what it reads no request.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    error, answer = "", None
    try:
        answer = make()
    except UserError as raised:
        error = str(raised)
    for line in requests:
        if answer:
            error = _error_of(answer, json.loads(line))
        print(json.dumps({"error": error}), file=out, flush=True)
    os._exit(0)  # TensorFlow's own clean-up would wait for other workers


def _error_of(answer: Callable[[dict[str, Any]], None], request: dict[str, Any]) -> str:
    try:
        answer(request)
    except UserError as raised:
        return str(raised)
    return ""
