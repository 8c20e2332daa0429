"""Partitions that tell each other of money, with their logs as a broker would keep them."""

from dataclasses import dataclass, field, replace

from monitor.app.inputs import LoadedInputs
from monitor.app.streaming.partition import BANK, FLOW, LogRecord, Partition
from monitor.domain.alert import Alert
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rule, Rulebook
from tests.oracle.test_keys_over_partitions import NUMBERS
from tests.rulebook.small_rules import rule, window
from tests.streaming.legs_stream import KEY
from tests.streaming.no_profiles import NoProfiles


def following(loaded: LoadedInputs) -> LoadedInputs:
    """The inputs with a few rules about money in place of all others."""

    def made(number: int, when: str) -> Rule:
        one = window("48h", {"n": "count()"}, parameters=NUMBERS)
        return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", quiet="3h")

    rules = (
        made(1, 'direction == "credit" and flow.chain_depth >= two and w.n >= two'),
        made(2, 'direction == "debit" and flow.pass_through >= half and flow.residual < half'),
        made(3, "flow.middlemen >= two or flow.returned_share > half"),
    )
    program = plan(Rulebook(rules, "".join(each.digest for each in rules)))
    return replace(loaded, program=program, live=frozenset(each.id for each in rules))


@dataclass
class MoneyLogs:
    """Each partition is given every payment, which it may be."""

    loaded: LoadedInputs
    count: int
    parts: list[Partition] = field(default_factory=list)
    logs: list[list[LogRecord]] = field(default_factory=list)
    alerts: list[list[Alert]] = field(default_factory=list)
    told: list[list[tuple[int, str, bytes]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(self.count):
            self.parts.append(self.new(number))
            self.logs.append([])
            self.alerts.append([])
            self.told.append([])

    def new(self, number: int) -> Partition:
        """A partition that knows nothing yet."""
        return Partition(number, self.count, self.loaded, KEY, NoProfiles)

    def put(self, number: int, kind: str, value: bytes) -> list[tuple[int, str, bytes]]:
        """A record at the end of a log, judged; gives what others must be told."""
        log = self.logs[number]
        log.append(LogRecord(len(log), kind, value))
        judged = self.parts[number].step(log[-1:])
        assert not judged.damaged
        self.alerts[number] += judged.alerts
        self.told[number] += judged.messages
        return judged.messages

    def run(self, records: list[LogRecord]) -> "MoneyLogs":
        """What is told comes before the next record."""
        for record in records:
            waiting = [each for number in range(self.count) for each in self.put(number, record.kind, record.value)]
            while waiting:
                number, kind, value = waiting.pop(0)
                assert kind in (FLOW, BANK)
                waiting += self.put(number, kind, value)
        return self
