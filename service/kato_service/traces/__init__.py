"""Traces: where the time of a request goes, sent to an OpenTelemetry collector if one is set."""
