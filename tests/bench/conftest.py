"""The marker of the bench's own conftest, for tests that read the bench's rows."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "grid: rows of the bench that only --grid adds")
