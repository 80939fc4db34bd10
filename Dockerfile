# The worker: a static binary that runs as a numeric user and never writes to its root file system.
#
# BUILDER has Rust for a musl target and a C compiler (ring brings some C and assembly); BASE has CA certificates.
ARG BUILDER=docker.io/library/rust:1.95-alpine
ARG BASE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /build
COPY . .
# `cargo install` puts the binary into the same place for every target.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo install --locked --no-track --path . --bin berth --root /built

FROM ${BASE}
COPY --from=build /built/bin/berth /usr/local/bin/berth
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/berth"]
CMD ["worker"]
