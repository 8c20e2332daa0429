"""What a walk leaves out is what falls into a quiet period, by every key, and nothing else."""

import pytest

from monitor.app.backtest.judging import OnlyNew
from tests.engine.engine_logs import new_log, rules
from tests.engine.test_further_keys import rules as rules_by_further_keys
from tests.oracle.engine_run import rates_into
from tests.oracle.streams import RATES
from tests.strategies.plain_streams import stream


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kept", [rules, rules_by_further_keys], ids=["kinds", "further keys"])
def test_alerts_without_the_quiet_ones_are_those_that_are_not_quiet(seed: int, kept) -> None:
    payments, cuts = stream(seed, 220, joint=True), range(0, 220, 7)
    logs = [new_log(kept(), joint=True, rates={"USD": rates_into(RATES, "USD")}) for _ in range(2)]
    logs[1].engine.findings = OnlyNew(logs[1].engine)
    whole, loud = (log.feed(payments, cuts).alerts for log in logs)
    assert [alert.alert_id for alert in loud] == [alert.alert_id for alert in whole if alert.status == "new"]
    assert 10 < len(loud) < len(whole)
