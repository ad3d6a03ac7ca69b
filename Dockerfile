# Muara as one image: the package is packed in the first stage and installed in the second, which runs as a user
# without rights over a root that may be read-only. Not executed by our tests (they have no Docker); test/docker.test.ts
# reads it. `docker build -t muara . && docker run --read-only --tmpfs /tmp -v muara:/data -p 127.0.0.1:8080:8080 muara`
FROM node:24.21.0-bookworm-slim AS pack
WORKDIR /source
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm pack --pack-destination /packed

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production MUARA_DATA=/data MUARA_HOST=0.0.0.0 MUARA_PORT=8080 HOME=/tmp
COPY --from=pack /packed/ /tmp/packed/
RUN npm install --global --omit=dev --no-audit --no-fund /tmp/packed/muara-*.tgz \
  && rm -rf /tmp/packed "$(npm config get cache)" \
  && install -d -o node -g node -m 700 /data
USER node
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Ready, not only alive: an orchestrator sends nobody here before the log and the lake can be reached.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["muara", "health", "-q", "-o", "jsonl"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["muara"]
CMD ["start"]
