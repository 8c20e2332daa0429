"""Dashboards of the streaming shell, written by :mod:`deploy.grafana.boards`."""
