"""A real PostgreSQL: what was committed outlives a SIGKILL, and clients do not hold up its end."""

import psycopg
import pytest

from deploy.servers.postgres import PostgresServer
from tests.conftest import StartServer

pytestmark = pytest.mark.postgres


def test_what_was_committed_is_there_after_a_sigkill(own_server: StartServer):
    server = own_server(PostgresServer)
    with psycopg.connect(server.address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.address)
    server.restart()
    client = psycopg.connect(server.address)
    assert client.execute("SELECT seven FROM kept").fetchone() == (7,)
    server.stop()
    assert server.log().endswith("database system is shut down\n")
    client.close()
