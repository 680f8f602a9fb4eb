# Stand-in for MongoDB: a `mongod` that is FerretDB behind the flags the operator passes.
ARG BASE
FROM ${BASE}
COPY --chmod=755 ferretdb /usr/local/bin/ferretdb
COPY --chmod=755 mongod /usr/local/bin/mongod
USER 999:999
EXPOSE 27017
CMD ["mongod"]
