"""Machines that call things in orders nobody thought of: a few in each run, many in `make test-long`."""

import unittest

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

FEW = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    derandomize=True,  # the same orders each time: whoever changes nothing breaks nothing
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def few_and_many(
    machine: type[RuleBasedStateMachine], few: int = 30, many: int = 1500
) -> tuple[type[unittest.TestCase], type[unittest.TestCase]]:
    """Two tests of a machine: of `few` orders that are always the same, and of `many` that never are."""
    longer: type[RuleBasedStateMachine] = type(f"Long{machine.__name__}", (machine,), {})
    usual, long = machine.TestCase, longer.TestCase
    usual.settings = settings(FEW, max_examples=few)
    long.settings = settings(FEW, max_examples=many, stateful_step_count=60, derandomize=False)
    return pytest.mark.slow(usual), pytest.mark.long(long)
