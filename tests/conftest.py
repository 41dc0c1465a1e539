"""Hypothesis draws the same examples in every run: a failure seen once is seen again.

The core's run (`make test-core` sets WITHOUT_TOOLS) takes the first of them only: the whole run repeats its tests, and
draws all.
"""

import os

import pytest
from hypothesis import settings

CORE_EXAMPLES = 15

pytest.register_assert_rewrite("ops.check")
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of Hypothesis at most CORE_EXAMPLES in the core's run."""
    for item in items if os.environ.get("WITHOUT_TOOLS") else ():
        test = getattr(item, "obj", None)
        if getattr(test, "is_hypothesis_test", False):
            own = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = settings(own, max_examples=min(own.max_examples, CORE_EXAMPLES))
