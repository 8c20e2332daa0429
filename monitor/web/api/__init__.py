"""The REST interface, version 1: what the pages do, for other programs. Every act goes through the same functions.

A release adds fields and operations to ``/v1``; it takes none away and changes no meaning. The document is at
``/v1/openapi.json``; docs/api.md says the rest.
"""
