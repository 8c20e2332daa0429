"""A Faust application with the settings of the streaming shell."""

import ssl
from typing import Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver

from monitor.adapters.kafka.fetching import FETCH_MIN_BYTES
from monitor.app.settings import KafkaSettings, WorkerSettings

_REQUEST_BYTES_MAX = 1 << 20
"""The longest value that is made (:mod:`monitor.adapters.kafka.record_size`) with key and headers; brokers take it."""
SESSION_SECONDS = 20.0
"""After so long without a sign of life the partitions of a worker go to others."""


def credentials(kafka: KafkaSettings) -> Any:
    """How Faust proves who it is; ``None`` without TLS and SASL."""
    context = None
    if kafka.protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=str(kafka.ca) if kafka.ca else None)
        if kafka.certificate is not None:
            context.load_cert_chain(str(kafka.certificate), str(kafka.key))
    if kafka.protocol.startswith("SASL"):
        assert kafka.password is not None
        return SASLCredentials(
            username=kafka.user,
            password=kafka.password.get_secret_value(),
            ssl_context=context,
            mechanism=kafka.mechanism,
        )
    return None if context is None else SSLCredentials(context=context)


def make_app(group: str, kafka: KafkaSettings, worker: WorkerSettings, *, commit_seconds: float) -> faust.App:
    """An application that keeps no tables and commits what was acknowledged.

    Args:
        group: The consumer group, and the name of the application.
        kafka: How to reach the brokers.
        worker: Where Faust shows its own pages, if anywhere.
        commit_seconds: How often acknowledged offsets are committed.
    """
    app = faust.App(
        group,
        broker=[f"kafka://{each.strip()}" for each in kafka.bootstrap.split(",")],
        broker_credentials=credentials(kafka),
        broker_commit_interval=commit_seconds,
        broker_session_timeout=SESSION_SECONDS,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        producer_acks=-1,
        producer_max_request_size=_REQUEST_BYTES_MAX,
        store="memory://",
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=worker.faust_port > 0,
        web_bind=worker.faust_host,
        web_host=worker.faust_host,
        web_port=worker.faust_port or None,
        web_router_enabled=False,
        web_tables_enabled=False,
        web_metrics_enabled=True,
    )
    app.transport = _Transport(app.conf.broker_consumer, app, worker.fetch_wait_ms)
    return app


class _Transport(driver.Transport):
    """That of Faust, asking brokers as ``monitor.adapters.kafka.fetching`` says; Faust has no setting for it."""

    def __init__(self, url: Any, app: faust.App, fetch_wait_ms: int) -> None:
        super().__init__(url, app)
        self.fetch_wait_ms = fetch_wait_ms

    class Consumer(driver.Consumer):
        def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
            return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = FETCH_MIN_BYTES, transport.fetch_wait_ms
        return consumer
