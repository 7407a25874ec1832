# The images. The file tree of each is laid out by gramine/layout.ts, which a test runs without Docker.
#
#   docker build --target plain .                    no enclave; what Knative's own queue-proxy does
#   docker build --target bench .                    the benchmark, with the proxies that it compares with
#   docker build --target enclave --secret id=key,src=KEY.pem .       the policy in policy.json
#
# Bases are pinned by digest, as public registries' clients report it for these tags. Run with a read-only root, every
# capability dropped and no new privileges: nothing is written.

ARG NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:d6aa754f16b3197301076f047b5def2f02ea1dbbc2ca920407d46d7ec7f87b20
ARG DEBIAN_IMAGE=debian:12.11-slim@sha256:b1a741487078b369e78119849663d7f1a5341ef2768798f7b7406c4240f86aef
ARG GRAMINE_IMAGE=gramineproject/gramine:1.9-noble@sha256:bdf2d0ef9bd09fa10684e14fbe822236df35708d58a852209c5f235842ecb6d7

FROM ${NODE_IMAGE} AS build
# For strip: Node's binary loses its symbols, 18 MB of what is hashed at the start of an enclave.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json tsconfig.json .npmrc .taprc LICENSE ./
RUN npm ci --ignore-scripts
COPY src ./src
COPY bench ./bench
COPY build ./build
COPY gramine ./gramine
RUN npm run build && npm run --silent sbom > dist/sbom.json

FROM build AS plain-tree
RUN node_modules/.bin/node gramine/layout.ts plain /tree && cp dist/sbom.json /tree/app/

# What runs is the enclave's file: it starts in less time and memory than the command, which is there too. Its options of
# Node are the enclave's but for the bound of the heap, which makes V8 collect garbage so often that a request over HTTP/2
# costs a quarter more. Knative gives its sidecar no arguments, so the policy is part of the entry point.
FROM scratch AS plain
LABEL org.opencontainers.image.title="postern" \
      org.opencontainers.image.description="A drop-in replacement for Knative Serving's queue-proxy (no enclave)" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=plain-tree /tree /
WORKDIR /app
USER 65532:65532
STOPSIGNAL SIGTERM
# One arena of memory, and what is freed in larger pieces goes back: 2 MiB less, for the same processor time.
ENV MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768
ENTRYPOINT ["/usr/bin/node", "--max-semi-space-size=1", "--no-maglev", "--v8-pool-size=1", "--disable-wasm-trap-handler", "--disable-proto=delete", "--disallow-code-generation-from-strings", "--disable-sigusr1", "--no-addons", "--no-experimental-require-module", "/app/proxy.js", "--policy", "/app/compatible.json"]

FROM build AS bench-tree
RUN node_modules/.bin/node gramine/layout.ts bench /tree && cp dist/sbom.json /tree/app/

# A shell and a package manager are here: the proxies that it compares with come from the distribution.
FROM ${DEBIAN_IMAGE} AS bench
LABEL org.opencontainers.image.title="postern-bench" \
      org.opencontainers.image.description="The benchmark of postern, with nginx and HAProxy beside it" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 nginx-light haproxy && rm -rf /var/lib/apt/lists/*
COPY --from=bench-tree /tree/app /app
COPY --from=bench-tree /tree/usr/bin/node /usr/bin/node
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/usr/bin/node", "/app/dist/bench/postern-bench.js"]

# What an operator's own enclave is made from: gramine/README.md.
FROM build AS enclave-tree
ARG MANIFEST_FLAGS=--edmm
COPY policy.json /policy.json
RUN npm run manifest -- --policy /policy.json ${MANIFEST_FLAGS} && \
    node_modules/.bin/node gramine/layout.ts enclave /tree && cp dist/sbom.json /tree/app/

# Measured and signed in the image that runs, since its libraries are part of the measurement. The key is mounted for this
# one command, and is in no layer.
FROM ${GRAMINE_IMAGE} AS signed
COPY --from=enclave-tree /tree /
RUN --mount=type=secret,id=key sh /app/sign.sh /run/secrets/key

# gramine-sgx is a shell script, so there is a shell here; none of it is in the enclave.
FROM ${GRAMINE_IMAGE} AS enclave
LABEL org.opencontainers.image.title="postern-enclave" \
      org.opencontainers.image.description="A queue-proxy for Knative inside an SGX enclave" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=enclave-tree /tree /
COPY --from=signed /app/postern.manifest.sgx /app/postern.sig /app/
WORKDIR /app
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["gramine-sgx", "/app/postern"]
