"""Knowledge as lines of JSON: how it is written, read and put in (docs/moving-knowledge.md)."""
