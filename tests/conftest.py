"""Hypothesis draws the same examples in every run: a failure seen once is seen again."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("ops.check")
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
