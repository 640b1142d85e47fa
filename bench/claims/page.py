"""docs/claims.md's table from the saved findings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"
BEGIN, END = "<!-- claims: begin -->", "<!-- claims: end -->"
HEAD = "| thread | year | reported | measured here | verdict |\n| --- | --- | --- | --- | --- |"


def write_page(files: Sequence[Mapping[str, Any]], page: Path = PAGE) -> None:
    """Put a table for each machine between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    tables = "\n\n".join(_table(each) for each in files)
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")


def _table(saved: Mapping[str, Any]) -> str:
    rows = [
        f"| [{each['name']}]({each['address']}) | {each['year']} | {each['reported']} | "
        f"{'<br>'.join(each['measured'])} | {each['verdict']} |"
        for each in saved["threads"]
    ]
    return "\n".join([f"Measured on {saved['machine']}:", "", HEAD, *rows])
