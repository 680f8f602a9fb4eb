"""What only a store's own protocol can tell: deep checks and the MongoDB agent."""
