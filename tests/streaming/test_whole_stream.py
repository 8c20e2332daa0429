"""Every kind of worker is killed at random moments, and the broker too: nothing is lost and nothing comes twice."""

import random
import time
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from tests.app.embedded_stores import simulated
from tests.conftest import StartServer
from tests.streaming.whole_stream import KINDS, WholeStream, disturbances, parts

KILLS, STOPS = 30, 8


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
def test_killed_at_random_moments_the_cases_are_those_of_an_undisturbed_run_of_the_log(
    own_server: StartServer, tmp_path: Path
):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    bank = simulated(tmp_path / "bank", customers=120, days=40, seed=71)
    broker, redis = own_server(KafkaServer), own_server(RedisServer)
    stream = WholeStream(bank, tmp_path, broker.bootstrap, redis.address, str(tmp_path / f"{uuid4().hex}.db"))
    stream.make_topics()
    try:
        for kind in KINDS:
            stream.start(kind)
        stream.aml("produce", str(bank.profiles), "--topic", "profiles", "--key", "customer")
        some, deaths = parts(bank.payments, (KILLS + STOPS) // 2), disturbances(rng, KILLS, STOPS)
        for number, lines in enumerate(some):
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
                stream.start(stream.kill(worker, how))
        stream.wait_until_done()
        assert stream.fingerprint() == stream.wanted()
    finally:
        stream.close()
