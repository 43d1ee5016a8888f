# An image with the programs, which answers requests by HTTP (docs/packages.md):
#     docker build -t swin-umamba .
#     docker run -p 127.0.0.1:8080:8080 -v /srv/model:/model:ro swin-umamba
# tests/distributions --packages runs these steps in bare roots; it knows the instructions that are used here, in this form.
ARG DEBIAN=bookworm

FROM debian:${DEBIAN}-slim AS build
WORKDIR /source
COPY debian/control debian/control
RUN apt-get update && apt-get build-dep -y --no-install-recommends .
COPY . .
ENV DEB_BUILD_OPTIONS=nocheck
RUN make deb

FROM debian:${DEBIAN}-slim
LABEL org.opencontainers.image.title="Swin-UMamba in C" \
      org.opencontainers.image.description="Segments medical images with a trained Swin-UMamba or nnU-Net model" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /source/build/dist/debian/swin-umamba-c_*.deb /packages/
RUN apt-get update && \
    apt-get install -y --no-install-recommends /packages/swin-umamba-c_*.deb && \
    rm -rf /packages /var/lib/apt/lists/*
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin segment
USER 10001
EXPOSE 8080
HEALTHCHECK CMD bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET /health HTTP/1.0\r\n\r\n" >&3 && grep -q "\"ok\"" <&3'
ENTRYPOINT ["swin-umamba-serve"]
CMD ["-m", "/model", "--listen", "0.0.0.0:8080"]
