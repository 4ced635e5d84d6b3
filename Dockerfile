# An image of one static binary and nothing else: no shell, no libraries, no user but one that owns nothing but its data.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --package chancery --target "$host" \
    && mkdir -p /out/data /out/tmp \
    && strip --strip-debug -o /out/chancery "target/$host/release/chancery"

FROM scratch
COPY --from=build --chown=65532:65532 /out/ /
USER 65532:65532
# The ledger, its keys and its anchor lie here unless CHANCERY_KEYS and CHANCERY_ANCHOR say otherwise.
WORKDIR /data
VOLUME /data
ENV CHANCERY_LISTEN=0.0.0.0:7878
EXPOSE 7878
STOPSIGNAL SIGTERM
ENTRYPOINT ["/chancery"]
CMD ["serve"]
