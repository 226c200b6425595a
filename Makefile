# make is generate, lint, test, build. What each target needs: Go alone for generate, test and build; the module proxy, or a filled
# module cache, for lint; a C compiler for race.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

# One setting for every target but race: the same objects in Go's cache serve all of them.
export CGO_ENABLED := 0

LINT      := go tool -modfile=tools/go.mod golangci-lint
REPORT    := go -C tools run ./testreport -allowed allowed-skips.txt $(if $(SLIPWAY_NO_SKIP),-no-skip) $(if $(TALLY),-tally $(abspath $(TALLY)))
STATIC    := -trimpath -buildvcs=auto
VERSION   ?= $(shell git describe --tags --exact-match 2>/dev/null)
LDFLAGS   := -s -w -X github.com/slipway-dev/slipway/internal/cli.version=$(VERSION)
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME  ?= 10s
COUNT     ?= 1
# What hangs ends then; a package that has much to do on a busy machine is not a hang (Go's own default is 10 minutes).
ENDS      := -timeout 40m

.PHONY: all
all: generate lint test build

.PHONY: help
help: ## print what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: generate
generate: ## write what is generated from the code; it leaves git diff empty
	go generate ./...

.PHONY: lint
lint: ## gofumpt, golangci-lint, go mod tidy, and go vet for the other systems
	go mod tidy -diff
	go -C tools mod tidy -diff
	$(LINT) run ./...
	cd tools && go tool golangci-lint run --config ../.golangci.yml ./...
	GOOS=windows GOARCH=amd64 go vet ./...
	GOOS=darwin GOARCH=arm64 go vet ./...

.PHONY: fmt
fmt: ## format as lint wants it
	$(LINT) fmt ./...

.PHONY: test
test: ## every test that needs no credential; SLIPWAY_NO_SKIP=1 fails what tools/allowed-skips.txt does not let skip
	{ go test -json $(ENDS) $(TESTFLAGS) ./... || true; go -C tools test -json ./testreport || true; } | $(REPORT)

.PHONY: clients
clients: ## the vendors' own clients, which some tests run against the emulators; it needs npm
	npm ci --prefix internal/emulator/clienttest --ignore-scripts --no-audit --no-fund --loglevel error

.PHONY: clients-long
clients-long: clients ## the vercel CLI too, which is 358 MB
	npm ci --prefix internal/emulator/clienttest/vercelcli --ignore-scripts --no-audit --no-fund --loglevel error

.PHONY: test-long
test-long: clients-long
test-long: export SLIPWAY_LONG := 1
test-long: export SLIPWAY_SHARD := $(SHARD)
test-long: ## the tests that take minutes as well; SHARD=i/n runs one part of them
	{ go test -json -timeout 60m $(TESTFLAGS) ./... || true; } | $(REPORT)

.PHONY: crash
crash: export SLIPWAY_LONG := 1
crash: export SLIPWAY_SHARD := $(SHARD)
crash: ## kill every operation at every point, and count what is there twice; it takes hours; SHARD=i/n does one part
	{ go test -json -count 1 -timeout 24h -parallel 6 -run '^TestCrash$$' ./internal/selftest || true; } | $(REPORT)

.PHONY: race
race: export CGO_ENABLED := 1
race: ## the tests under the race detector
	{ go test -json -race $(ENDS) $(TESTFLAGS) ./... || true; } | $(REPORT)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, names[i]; n = 0}' | \
	while read -r package name; do \
		echo "$$package $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" </dev/null; \
	done

.PHONY: live
live: ## ship an app to real accounts, ask them what no document says, and destroy it; needs SLIPWAY_LIVE_TEAM and credentials
	@test -n "$${SLIPWAY_LIVE_TEAM:-}" || { echo "set SLIPWAY_LIVE_TEAM to the Vercel team to work in, and the credentials that slipway doctor asks for"; exit 2; }
	go test -count 1 -v -timeout 60m -run '^TestLive$$' ./internal/live

.PHONY: bench
bench: ## every benchmark COUNT times, for benchstat
	go test -run '^$$' -bench . -benchmem -count $(COUNT) ./...

.PHONY: build
build: ## bin/slipway, static and stamped
	go build $(STATIC) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/slipway

.PHONY: cross
cross: ## check that it builds for the systems that people use most; what lint and test compiled serves it
	for platform in linux/amd64 darwin/arm64 windows/amd64; do \
		echo "$$platform"; GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -o /dev/null ./cmd/slipway; \
	done

.PHONY: release
release: ## dist/: six programs and SHA256SUMS; the same commit gives the same bytes
	rm -rf dist && mkdir dist
	for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; name=slipway-$$GOOS-$$GOARCH; \
		if [ $$GOOS = windows ]; then name=$$name.exe; fi; \
		echo "$$name"; go build $(STATIC) -ldflags '$(LDFLAGS)' -o "dist/$$name" ./cmd/slipway; \
	done
	cp LICENSE dist/
	cd dist && { if command -v sha256sum >/dev/null; then sha256sum -- *; else shasum -a 256 -- *; fi; } > ../SHA256SUMS && mv ../SHA256SUMS .

.PHONY: clean
clean: ## remove bin and dist
	rm -rf bin dist
