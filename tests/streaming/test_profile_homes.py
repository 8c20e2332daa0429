"""Every partition hears of all that an embedded run knows of the customers that live there and of their accounts."""

from collections.abc import Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.redis.profiles import PARTIES_MAX
from monitor.app.streaming.profile_batch import ProfileMessage, announcements, home, read_batch
from monitor.app.streaming.profile_source import PartitionProfiles
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import HOUR_US
from tests.streaming.profile_versions import KEY, Codes, MemoryProfiles, Version, by_token
from tests.streaming.test_profile_source import START_US, embedded, joint, some_versions

PARTITIONS = 5


class Log:
    """The partitions of a log, and the worker's work done by hand."""

    def __init__(self) -> None:
        self.store = MemoryProfiles()
        self.codes = [Codes() for _ in range(PARTITIONS)]
        self.partitions = [PartitionProfiles(self.store, codes) for codes in self.codes]
        self.announced = [0] * PARTITIONS

    def take(self, versions: Sequence[Version], *, is_killed: bool = False) -> None:
        """Keep and announce versions; killed, before it is noted who was told."""
        batch = read_batch([ProfileMessage(0, at, each.line()) for at, each in enumerate(versions)], key=KEY)
        written = self.store.write(batch.versions)
        rows, homes = announcements(batch.versions, written, self.store, partitions=PARTITIONS)
        for partition, announced in rows.items():
            self.announced[partition] += len(announced)
            self.partitions[partition].apply(Announcements.of(announced))
        if not is_killed:
            self.store.note_homes(homes)

    def check(self, versions: Sequence[Version], clock_us: int) -> int:
        """Compare what each partition is home of; how many customers and accounts that were."""
        expected, compared = embedded(versions, clock_us), 0
        for number, (profiles, codes) in enumerate(zip(self.partitions, self.codes, strict=True)):
            profiles.advance(clock_us)
            found = by_token(profiles.table, codes.tokens(), codes.texts.__getitem__)
            for token, row in expected["profiles"].items():
                if home(bytes.fromhex(token), PARTITIONS) == number:
                    assert found["profiles"][token] == row
                    compared += 1
            for token, (opened, kind, holders) in expected["accounts"].items():
                who = holders or [each for each in (customer_of(token, versions, clock_us),) if each]
                if any(home(bytes.fromhex(holder), PARTITIONS) == number for holder in who):
                    assert by_name(found["accounts"][token]) == by_name((opened, kind, holders))
                    compared += 1
        return compared


def by_name(account: tuple[int, int, list[str]]) -> tuple[int, int, list[str]]:
    """Holders that were recorded at the same instant have no order of their own between partitions."""
    return *account[:2], sorted(account[2])


def customer_of(account: str, versions: Sequence[Version], clock_us: int) -> str | None:
    """Who alone holds an account: the customer whose version in force names it."""
    for version in sorted(versions, key=lambda each: (each.recorded_us, each.number)):
        for each in version.values.get("accounts", []):
            is_it = token_of(KEY, IdentifierKind.ACCOUNT, each["account"]).hex() == account
            if is_it and version.recorded_us <= clock_us:
                newest = max(
                    (v for v in versions if v.customer == version.customer and v.recorded_us <= clock_us),
                    key=lambda v: (v.recorded_us, v.number),
                )
                if newest is version:
                    return token_of(KEY, IdentifierKind.CUSTOMER, version.customer).hex()
    return None


def distinct_times(versions: list[Version]) -> list[Version]:
    """No two recorded at the same instant, so that there is one order in all partitions."""
    number = count()
    return [Version(v.customer, v.number, v.recorded_us + next(number), v.values) for v in versions]


@given(st.data(), some_versions().map(distinct_times))
def test_each_home_knows_what_an_embedded_run_knows(data: st.DataObject, versions: list[Version]):
    log, left = Log(), list(versions)
    while left:
        size = data.draw(st.integers(1, 4))
        batch, left = left[:size], left[size:]
        while data.draw(st.booleans()):
            log.take(batch[: data.draw(st.integers(0, size))], is_killed=True)
        log.take(batch)
    log.check(versions, START_US + data.draw(st.integers(0, 5)) * HOUR_US + 20)
    assert log.check(versions, START_US + 6 * HOUR_US)


def test_who_names_an_account_alone_hears_of_others_who_name_it_later():
    versions = [joint("C1", 1, 0, kind="current"), joint("C2", 1, 1), joint("C3", 1, 2, kind="savings")]
    log = Log()
    for each in versions:
        log.take([each])
    assert log.check(versions, START_US + 9 * HOUR_US) == 3 + len({home_of_customer(f"C{n}") for n in (1, 2, 3)})


def test_who_was_a_holder_hears_that_it_is_so_no_more():
    versions = [joint("C1", 1, 0, "C2"), joint("C1", 2, 1)]
    log = Log()
    log.take(versions[:1])
    log.take(versions[1:])
    log.check(versions, START_US + 9 * HOUR_US)
    partition = home_of_customer("C2")
    found = by_token(
        log.partitions[partition].table, log.codes[partition].tokens(), log.codes[partition].texts.__getitem__
    )
    assert home_of_customer("C1") != partition
    assert found["accounts"] == {}


def test_of_a_customer_without_company_each_version_is_announced_once_in_one_place():
    log = Log()
    for number in (1, 2, 3):
        log.take([joint("C1", number, number)])
    assert sorted(log.announced) == [0, 0, 0, 0, 3]


def test_an_account_of_everybody_does_not_make_everybody_heard_of_again():
    log = Log()
    log.take([joint(f"C{number}", 1, 0) for number in range(PARTIES_MAX)])
    before = sum(log.announced)
    log.take([joint("D1", 1, 0)])
    log.take([joint("D2", 1, 0)])
    assert sum(log.announced) - before == 2 * PARTITIONS


def home_of_customer(name: str) -> int:
    return home(token_of(KEY, IdentifierKind.CUSTOMER, name), PARTITIONS)
