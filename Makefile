# Parley's tasks. `make help` lists them.

# One set of build flags for everything: Go keeps a compiled copy of each
# dependency per set, and each further set costs minutes on a cold machine. So
# build, vet, staticcheck and the tests without the race detector all share one
# (no cgo, trimmed paths); the tests with it need cgo and are the second.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false
export PATH := $(PATH):/usr/local/go/bin

# The version comes from git, and is "dev" where there is no git.
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# How many packages are built and tested at once. Some start a PostgreSQL or a
# browser of their own.
P ?= 2

# Packages whose tests run without the race detector, because it makes SQLite
# (C compiled to Go) about thirty times slower: the storage engines, and the
# whole-program tests, which start the ordinary binary anyway.
PLAIN := internal/store/sqlite|internal/store/postgres|test
PLAIN_PACKAGES := ^parley/($(PLAIN))(/|$$)

# Tests of the whole program start the binary that PARLEY_BIN names.
TEST := PARLEY_BIN=$(CURDIR)/bin/parley go test -shuffle=on -vet=off
STATICCHECK := go tool -modfile=tools/go.mod staticcheck

.PHONY: help run build test check lint bench soak fuzz generate setup mattermost clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Start Parley with a working demo (PARLEY_LISTEN, PARLEY_DATA)
	bin/parley serve

build: ## Build bin/parley
	@mkdir -p bin
	$(if $(wildcard cmd/parley/*.go),go build -ldflags '$(LDFLAGS)' -o bin/parley ./cmd/parley)

test: setup build mattermost ## Run all tests; installs what they need where it is missing
	@all=$$(go list -e ./...) || exit; status=0; \
	race=$$(echo "$$all" | grep -vE '$(PLAIN_PACKAGES)'); \
	plain=$$(echo "$$all" | grep -E '$(PLAIN_PACKAGES)'); \
	echo "tests with the race detector:"; \
	CGO_ENABLED=1 $(TEST) -race -p $(P) -short -timeout 15m $$race || status=1; \
	if [ -n "$$plain" ]; then \
		echo "tests without it:"; \
		$(TEST) -p $(P) -short -timeout 20m $$plain || status=1; \
	fi; \
	exit $$status

check: lint test ## Run the tests and every other check

lint: ## Check formatting, vet, staticcheck, layers, generated files
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(STATICCHECK) ./...
	go test -vet=off ./internal/layers
	scripts/check-generated

bench: setup build mattermost ## Measure, and print the ratio to the yardstick
	PARLEY_BIN=$(CURDIR)/bin/parley go run ./test/bench

soak: setup build mattermost ## Run the long forms of the fault tests (hours)
	PARLEY_SOAK=1 $(TEST) -p 1 -count=1 -timeout 6h \
		$$(go list -e ./... | grep -E '$(PLAIN_PACKAGES)')

fuzz: ## Run each fuzz target for 20 seconds (FUZZTIME)
	scripts/fuzz $(or $(FUZZTIME),20s)

generate: ## Make the generated files again
	go generate ./...

setup: ## Install what the tests need (Debian, as root; else say how)
	@scripts/setup

# On a machine that has not done it before this takes two to five minutes,
# longer than a test may.
mattermost: ## Build the Mattermost server for the tests, unless it is there
	@go run ./internal/testkit/mmtest/build

clean: ## Delete what these targets made, but no data
	rm -rf bin build
