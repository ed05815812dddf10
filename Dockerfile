# vega-server, vega-client and vega-router as static binaries in an otherwise empty image, run by a user without rights.
#
#   docker build -t vegadb .
#   docker run -p 127.0.0.1:8342:8342 -v vega-data:/data vegadb
#
# Inside a container the server has to listen on all addresses, which it refuses without users unless told so. The
# command below tells it so, because what is reachable is decided by -p. Publish the port beyond the host only with
# --users-file (and TLS).
#
# Ports: 8342 data, 8343 health and metrics, 8344 other nodes; the router's: 8350 data, 8351 health and metrics.
#
# The node of a cluster listens for its peers on all addresses too, and has to say by which ones clients and peers reach
# it; settings can be variables. Three of them on a network of their own, reachable within it:
#
#   docker network create vega
#   for n in 1 2 3; do
#     docker run -d --name vega$n --hostname vega$n --network vega -v vega-data$n:/data --stop-timeout 20 \
#       -e VEGA_PEER_ADDR=0.0.0.0:8344 -e VEGA_ADVERTISE_ADDR=vega$n:8342 -e VEGA_ADVERTISE_PEER_ADDR=vega$n:8344 \
#       $([ $n = 1 ] || echo -e VEGA_JOIN=vega1:8344) vegadb
#   done
#   docker exec vega1 vega-client cluster status --wait
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/vega-server ./cmd/server \
 && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/vega-client ./cmd/client \
 && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/vega-router ./cmd/router \
 && mkdir /out/data

FROM scratch
COPY --from=build /out/vega-server /out/vega-client /out/vega-router /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8342 8343 8344 8350 8351
# The node hands over what it leads and flushes within shutdown-timeout, 10 s: give it as long (--stop-timeout 20).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/vega-server"]
CMD ["--addr", "0.0.0.0:8342", "--admin-addr", "127.0.0.1:8343", "--data-dir", "/data", "--allow-no-auth"]
