"""HTTP and WebSocket: parse, validate, render; no rules."""
