"""The JSON of requests and answers, and how each generation of clients spells it."""
