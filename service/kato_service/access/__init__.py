"""Who calls, what they may do, and how often: keys, tokens, scopes, rate limits, audit."""
