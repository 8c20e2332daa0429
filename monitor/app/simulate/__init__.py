"""A simulated bank: payments, profiles, labels and everything that a run needs.

The same seed gives the same bytes. What is simulated and what is not is in ``docs/simulator.md``.
"""

from monitor.app.simulate.simulation import ParameterError, Summary, simulate

__all__ = ["ParameterError", "Summary", "simulate"]
