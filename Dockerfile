# The worker: one static binary, as a user without a name, on a root file system that it never writes to.
ARG BUILDER=rust:1.95-alpine
ARG BASE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
# ring compiles C and assembly; everything else is Rust.
RUN apk add --no-cache build-base
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --package berth --bin berth && cp target/release/berth /berth

FROM ${BASE}
COPY --from=build /berth /usr/local/bin/berth
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/berth"]
CMD ["worker"]
