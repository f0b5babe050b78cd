"""A first interruption waits, a second one does not."""

from __future__ import annotations

import os
import signal

import pytest

from autoseg.training.interrupting import waiting_for_the_iteration


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_ends_it(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with waiting_for_the_iteration() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.is_wished
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
