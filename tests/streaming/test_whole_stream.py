"""Every kind of worker is killed at random moments, scoring workers join and leave, and the broker is killed too:
nothing is lost and nothing comes twice."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from tests.app.embedded_stores import simulated
from tests.conftest import StartServer
from tests.streaming.cases_cluster import database
from tests.streaming.whole_stream import KINDS, WholeStream, disturbances, moves, parts


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, int]]:
    """An empty database for cases, with how many kills and stops it sees: fewer in a file, which has one writer."""
    if request.param == "sqlite":
        yield str(tmp_path / "bank.db"), 6, 2
        return
    with database(request.getfixturevalue("postgres_url")) as url:
        yield url, 30, 8


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow(minutes=6)
def test_killed_at_random_moments_the_cases_are_those_of_an_undisturbed_run_of_the_log(
    own_server: StartServer, place: tuple[str, int, int], tmp_path: Path
):
    address, kills, stops = place
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    bank = simulated(tmp_path / "bank", customers=120, days=40, seed=71)
    broker, redis = own_server(KafkaServer), own_server(RedisServer)
    stream = WholeStream(bank, tmp_path, broker.bootstrap, redis.address, address)
    stream.make_topics()
    try:
        for kind in KINDS:
            stream.start(kind)
        stream.aml("produce", str(bank.profiles), "--topic", "profiles", "--key", "customer")
        some, deaths = parts(bank.payments, (kills + stops) // 2), disturbances(rng, kills, stops)
        for number, (lines, step) in enumerate(zip(some, moves(rng, len(some)), strict=True)):
            part = tmp_path / "part.jsonl"
            part.write_bytes(lines)
            stream.aml("produce", str(part))
            if number % 5 == 3:  # The producer delivers a part twice.
                stream.aml("produce", str(part))
            if number == len(some) // 2:
                broker.kill()
                broker.restart()
            for worker, how in deaths[2 * number : 2 * number + 2]:
                time.sleep(rng.uniform(0.0, 3.0))
                stream.restart(worker, how)
            stream.move(step, rng)
        stream.wait_until_done(600)
        assert stream.fingerprint() == stream.wanted()
    finally:
        stream.close()
