# The worker: one static binary, as a user without a name, on a root file system that it never writes to.
#
# BUILDER has Rust for a musl target and a C compiler (ring brings some C and assembly); BASE has CA certificates.
ARG BUILDER=docker.io/library/rust:1.95-alpine
ARG BASE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /build
COPY . .
# `cargo install` leaves the binary in one place, whatever the target is called.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo install --locked --no-track --path . --bin berth --root /built

FROM ${BASE}
COPY --from=build /built/bin/berth /usr/local/bin/berth
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/berth"]
CMD ["worker"]
