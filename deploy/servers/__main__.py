"""Start servers on free loopback ports, print the variables that name them, and stop them on Ctrl-C.

python -m deploy.servers                  all of them
python -m deploy.servers kafka redis      these
"""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from deploy.servers.kafka import KafkaServer
from deploy.servers.postgres import PostgresServer
from deploy.servers.prometheus import NOTHING_TO_WATCH, PrometheusServer
from deploy.servers.redis import RedisServer
from deploy.servers.server import MissingServer, Server, ServerFailed

NAMES = ("kafka", "redis", "postgres", "prometheus")


def made(name: str, prometheus_config: str) -> Server:
    """A server that is not started yet."""
    match name:
        case "kafka":
            return KafkaServer()
        case "redis":
            return RedisServer()
        case "postgres":
            return PostgresServer()
        case _:
            return PrometheusServer(prometheus_config)


def main() -> int:
    """Exit status: 0 stopped by the user; 1 none could be started, or one ended by itself."""
    parser = argparse.ArgumentParser("python -m deploy.servers", description="Servers for a laptop; Ctrl-C stops them.")
    parser.add_argument("names", nargs="*", metavar="SERVER", help=f"of {', '.join(NAMES)}; all if none is named")
    parser.add_argument("--prometheus-config", type=Path, help="prometheus.yml; without it nothing is watched")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"there is no server {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    config = asked.prometheus_config.read_text() if asked.prometheus_config else NOTHING_TO_WATCH
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as running:
        servers = []
        for name in asked.names or NAMES:
            try:
                server = running.enter_context(made(name, config))
            except (MissingServer, ServerFailed) as error:
                print(f"# {error}", file=sys.stderr, flush=True)
                continue
            servers.append(server)
            print(
                f"export {server.environment}={shlex.quote(server.address)}"
                if server.environment
                else f"# {name}: {server.address}",
                flush=True,
            )
        if not servers:
            return 1
        print(f"# running, in process {os.getpid()}; Ctrl-C stops them", file=sys.stderr, flush=True)
        while True:
            time.sleep(1)
            for server in servers:
                if server.pid is None:
                    print(f"# {server.name} ended by itself:\n{server.log()[-2000:]}", file=sys.stderr)
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
