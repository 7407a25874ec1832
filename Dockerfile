# The proxy without an enclave: a drop-in for Knative's queue-proxy that forwards in plaintext, as that one does.
# Knative gives its sidecar no arguments, so the policy is part of the entry point. The enclave image comes later.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json .npmrc .taprc ./
RUN npm ci --ignore-scripts
COPY src ./src
COPY bench ./bench
COPY build ./build
RUN npm run build && npm prune --omit=dev --ignore-scripts

# Holds what the Node binary of node_modules links against, and is replaced by something without a shell with the enclave.
FROM debian:bookworm-slim AS plain
LABEL org.opencontainers.image.title="postern" \
      org.opencontainers.image.description="A drop-in replacement for Knative Serving's queue-proxy (no enclave)" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/package.json ./
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/node_modules/.bin/node", "--max-semi-space-size=1", "/app/dist/src/postern.js", "proxy", "--policy", "compatible"]
