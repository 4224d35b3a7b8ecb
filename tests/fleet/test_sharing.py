"""Two daemons share requests to `edged/any`, and one of them is killed half way."""

import pytest

from tests.fleet.light import settle
from tests.fleet.sharing import AT_A_TIME, fleet, one_killed


@pytest.mark.long
def test_of_1000_requests_none_is_lost_though_a_daemon_is_killed(tmp_path, mosquitto):
    settle(tmp_path)
    with fleet(tmp_path, mosquitto().port, 2) as (customer, daemons):
        outcome = one_killed(tmp_path, customer, daemons, 1000, retry_s=2.0)
    assert outcome.lost == 0
    assert outcome.stranded == outcome.asked_again
    assert outcome.twice <= AT_A_TIME, "by the other, and by the killed one once it is there again"
    assert min(outcome.shares.values()) > 100, "both had a share"
