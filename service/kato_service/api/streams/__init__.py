"""Bodies and answers that are streams of lines (docs/design/serving.md §9)."""
