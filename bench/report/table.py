"""A table of strings: how it is made from rows and columns, and how it prints."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.report.rows import Row

Columns = Mapping[str, Callable[[Row], str]]  # a cell by the title of its column


@dataclass(frozen=True)
class Table:
    """A titled table of strings."""

    title: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]

    def as_text(self) -> str:
        """Aligned columns for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.body, strict=True)]
        lines = [self.header, ["─" * width for width in widths], *self.body]
        return "\n".join([self.title, *("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)])

    def as_markdown(self) -> str:
        """A Markdown table under its title in bold."""
        lines = [self.header, ["---"] * len(self.header), *self.body]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def table_of(title: str, columns: Columns, rows: Iterable[Row]) -> Table:
    """A line for each row."""
    return Table(title, list(columns), [[cell(row) for cell in columns.values()] for row in rows])
