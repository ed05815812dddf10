# VegaDB's tasks. `make` alone lists them; every target's one-line help is the text after `##`.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TIME        ?= 30s
FUZZTIME    ?= 3s
SIMTIME     ?= 60s
BENCH       ?= .
IMAGE       ?= vegadb:$(VERSION)
ARGS        ?=
ROWS        ?= all
ROUNDS      ?= 5
SEED        ?= 0

# Packages with goroutines that share memory; the race detector is slow, so it runs where it can find something.
RACE = ./client/... ./cmd/server/... ./internal/admin/... ./internal/auth/... ./internal/node/... ./internal/router/... ./internal/server/... \
       ./internal/store/... ./internal/transport/... ./internal/vfs/... ./internal/wal/... .

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build vega-server, vega-client and vega-router into the current directory
	CGO_ENABLED=0 $(GO) build -trimpath -o vega-server ./cmd/server
	CGO_ENABLED=0 $(GO) build -trimpath -o vega-client ./cmd/client
	CGO_ENABLED=0 $(GO) build -trimpath -o vega-router ./cmd/router

.PHONY: run
run: ## start a durable node on 127.0.0.1:8342 (ARGS="--fsync everysec" for flags)
	$(GO) run ./cmd/server $(ARGS)

.PHONY: run-cluster
run-cluster: ## start a cluster of three nodes in one process, first on 127.0.0.1:8342, with temporary data (ARGS="--data-dir DIR")
	$(GO) run ./cmd/server --dev 3 $(ARGS)

.PHONY: test
test: ## all tests
	$(GO) test ./...

.PHONY: check
check: fmt-check vet cross staticcheck test-invariants test-race test-bench sim-short fuzz-short ## what CI runs besides `go test ./...`

.PHONY: fmt-check
fmt-check: ## fail when a file is not gofmt-ed
	@out="$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))"; \
	if [ -n "$$out" ]; then echo "not gofmt-ed (run: gofmt -w FILE):"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## go vet, of the benchmarks' module too
	$(GO) vet ./...
	$(GO) vet -tags invariants ./...
	$(GO) vet -tags mutants ./...
	$(GO) vet -tags faultfs ./...
	$(GO) build -tags faultfs -o /dev/null ./cmd/server
	$(GO) -C bench vet ./...

.PHONY: cross
cross: ## compile for other systems
	GOOS=darwin GOARCH=arm64 $(GO) build ./...
	GOOS=windows GOARCH=amd64 $(GO) build ./...

.PHONY: staticcheck
staticcheck: ## staticcheck at the pinned version
	$(GO) run $(STATICCHECK) ./...
	cd bench && $(GO) run $(STATICCHECK) ./...

.PHONY: test-invariants
test-invariants: ## the tests with assertions compiled in (those of built servers have none to compile)
	$(GO) test -tags invariants $$($(GO) list ./... | grep -v -e '/test$$' -e '/clustertest$$')

.PHONY: test-race
test-race: ## the concurrent packages under the race detector (needs a C compiler)
	$(GO) test -race -short $(RACE)

.PHONY: test-cluster
test-cluster: ## built servers under kills, cut networks and bad disks, TIME for each test (TIME=30s SEED=1); Linux, root, iproute2
	@for tool in ip mkfs.ext4 fsfreeze; do command -v $$tool >/dev/null || { echo "test-cluster needs $$tool (packages iproute2, e2fsprogs, util-linux)"; exit 1; }; done
	VEGADB_TEST_REQUIRE=1 $(GO) test -count=1 -timeout 0 -v ./internal/clustertest
	VEGADB_TEST_REQUIRE=1 $(GO) test -count=1 -timeout 0 -v -p 1 -parallel 1 ./test -lasting $(TIME) -seed $(SEED)

.PHONY: sim
sim: ## simulated clusters: SEEDS of them, or fresh ones for TIME, in WORKERS processes; a failure prints how to replay it
	$(GO) run ./internal/sim/cmd $(if $(SEEDS),-seeds $(SEEDS),-time $(TIME)) $(if $(WORKERS),-workers $(WORKERS)) $(ARGS)

.PHONY: sim-short
sim-short: ## fresh simulated clusters for SIMTIME (60s), as CI does it; it prints the first seed
	$(GO) run ./internal/sim/cmd -time $(SIMTIME)

.PHONY: soak
soak: ## fresh simulated clusters until one fails, in WORKERS processes
	$(GO) run ./internal/sim/cmd -time 8760h $(if $(WORKERS),-workers $(WORKERS))

.PHONY: mutants
mutants: ## known bugs put into the product, one by one: what notices each, and after how many seeds (ARGS="-only NAME" or "-update-docs")
	$(GO) run -tags mutants ./internal/mutant/cmd $(ARGS)

.PHONY: test-bench
test-bench: ## tests of the benchmarks' own module
	$(GO) -C bench test ./...

.PHONY: fuzz-short
fuzz-short: ## every fuzz target for a few seconds (FUZZTIME=3s)
	./scripts/fuzz.sh $(FUZZTIME)

.PHONY: fuzz
fuzz: ## every fuzz target for TIME each (TIME=30s)
	./scripts/fuzz.sh $(TIME)

.PHONY: corpus
corpus: ## add to testdata/fuzz the inputs that fuzzing has found on this machine and that reach more code
	$(GO) run ./scripts/corpus

.PHONY: bench
bench: ## Go benchmarks of the hot paths (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: bench-peers
bench-peers: ## measure beside Redis and memcached (ROWS=all ROUNDS=5 ARGS="--quick --update-docs")
	$(GO) -C bench run ./cmd/peers --rows '$(ROWS)' --rounds $(ROUNDS) $(ARGS)

.PHONY: bench-cluster
bench-cluster: ## measure three nodes beside etcd and replicated Redis, kills and a join (ROWS=all ROUNDS=5 ARGS="--quick --update-docs")
	$(GO) -C bench run ./cmd/cluster --rows '$(ROWS)' --rounds $(ROUNDS) $(ARGS)

.PHONY: endurance
endurance: ## an hour of load and trouble for three nodes: does anything grow? (ARGS="--for 10m --seed N --update-docs")
	$(GO) -C bench run ./cmd/endurance $(ARGS)

.PHONY: cover
cover: ## test coverage by function, and cover.out for `go tool cover -html`
	$(GO) test -coverprofile=cover.out -coverpkg=./... ./...
	$(GO) tool cover -func=cover.out | tail -1

.PHONY: docker
docker: ## container image with a static binary and a non-root user
	docker build -t $(IMAGE) .

.PHONY: clean
clean: ## remove what the other targets made (never data directories)
	rm -rf vega-server vega-client vega-router cover.out dist bench/results
