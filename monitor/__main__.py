"""``python -m monitor`` is ``aml``."""

from monitor.cli import main

main()
