"""From a request to the call of an operation: admission, key, body, deadline, route."""
