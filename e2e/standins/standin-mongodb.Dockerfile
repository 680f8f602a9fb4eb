# Stand-in for MongoDB: its `mongod` is FerretDB with the flags that the operator passes.
ARG BASE
FROM ${BASE}
COPY --chmod=755 ferretdb /usr/local/bin/ferretdb
COPY --chmod=755 mongod /usr/local/bin/mongod
USER 999:999
EXPOSE 27017
CMD ["mongod"]
