# milepost: `make help` lists what there is.
GO     ?= go
BIN    := bin/milepost
FUZZTIME ?= 60s
DURATION ?= 5m
SEED   ?= $(shell date +%s)
NODES  ?= 4

.DEFAULT_GOAL := help
.PHONY: help build demo test race lint fuzz torture hostile fleet bench judgement release man wasm clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/milepost
	@$(GO) build -trimpath -o $(BIN) ./cmd/milepost

demo: build ## four nodes, real readings, a proof, an offline check, forgeries caught
	@./$(BIN) demo --dir demo

test: ## run all tests
	@$(GO) test -timeout 8m ./...
	@cd node/thirdparty && $(GO) test -timeout 5m ./...
	@GOOS=js GOARCH=wasm $(GO) build ./verify/...

race: ## run the tests of the concurrent rooms with the race detector
	@$(GO) test -race -short -timeout 15m ./certs/... ./log/... ./node/... ./verify/...

lint: ## gofmt, go vet and staticcheck
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	@$(GO) vet ./... && $(GO) tool staticcheck ./...
	@cd node/thirdparty && $(GO) vet ./...

fuzz: ## run every fuzz target for FUZZTIME each
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; \
	    if ! $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg >"$$log" 2>&1; then cat "$$log"; exit 1; fi; \
	    grep elapsed "$$log" | tail -1; \
	  done; \
	done

torture: ## break a cluster of processes for DURATION, by a SEED, with NODES at first, and prove that nothing is lost
	@$(GO) test ./node/torture -run '^TestTorture$$' -v -count 1 -timeout 0 -args -torture.duration $(DURATION) -torture.seed $(SEED) -torture.nodes $(NODES)

fleet: ## the fleet's story with all its 250 vehicles, 40,000 records
	@$(GO) test ./cmd/milepost -run TestFleetStory -whole-fleet -v -timeout 20m

hostile: ## REQUESTS (100000) bad ones of all kinds at a running node, 1,000 a second, SEED; fails if honest clients lose over half their speed
	@MILEPOST_TEST_HOSTILE=$(or $(REQUESTS),100000) MILEPOST_TEST_SEED=$(SEED) $(GO) test -run '^TestHostile$$' -count 1 -v -timeout 2h ./node

bench: build ## measure what this machine can carry; GROW=1 for growth to a million records
	@./$(BIN) bench $(if $(GROW),--grow)
	@echo "Judging a history of 500 readings, honest and with ten wrong:"
	@$(GO) test -run '^$$' -bench Judge500 -count 3 ./verify/judge | grep ns/op

judgement: ## what the mileage judgement makes of errors put into real readings
	@$(GO) run ./verify/judge/trial

release: ## reproducible static programs of all systems, and SHA256SUMS, in dist/
	@GO="$(GO)" packaging/release.sh dist

man: build ## the manual page, bin/milepost.1
	@./$(BIN) man > bin/milepost.1 && echo bin/milepost.1

clean: ## remove what was built and the demo
	@rm -rf bin demo dist
