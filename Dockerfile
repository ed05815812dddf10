# vega-server, vega-client and vega-router as static binaries in an otherwise empty image, run by a user without rights.
#
#   docker build -t vegadb .
#   docker run -p 127.0.0.1:8342:8342 -v vega-data:/data vegadb
#
# Inside a container the server has to listen on all addresses, which it refuses without users unless told so. The
# command below tells it so, because what is reachable is decided by -p. Publish the port beyond the host only with
# --users-file (and TLS).
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
EXPOSE 8342 8343 8350 8351
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/vega-server"]
CMD ["--addr", "0.0.0.0:8342", "--admin-addr", "127.0.0.1:8343", "--data-dir", "/data", "--allow-no-auth"]
