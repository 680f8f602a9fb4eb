"""Retrievers that recall patterns; `langchain` and `llamaindex` need the extra so named."""
