# Stand-in for Qdrant: qdrant-client's own engine (from the service image) behind its REST calls.
ARG BASE
FROM ${BASE}
COPY qdrant_server.py /usr/local/lib/qdrant_server.py
COPY --chmod=755 qdrant-entrypoint.sh /qdrant/entrypoint.sh
WORKDIR /qdrant
USER 1000:1000
EXPOSE 6333
ENTRYPOINT []
CMD ["./entrypoint.sh"]
