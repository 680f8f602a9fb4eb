"""The HTTP and WebSocket API: parses and validates requests, renders answers, holds no rules.

Read `routes.py` first: it mounts every operation. An operation is a function in the module of its
subject (`sessions`, `processing`, `patterns`, `legacy`). `intake/` turns a request into its call,
`shapes/` turns its result into JSON, and `errors.py` every error into the envelope.
"""
