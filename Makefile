# The commands of a developer. The haberdash command (dapr/cmd/haberdash) and the go command do the work.
SHELL := /bin/bash
.DEFAULT_GOAL := help
HABERDASH := .run/bin/haberdash

# Settings reach the haberdash command through the environment, whether before or after `make`.

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings of make up: STATE=sqlite PUBSUB=embedded MAIL=files SECRETS=env (directories in components/),"
	@echo "  GATEWAY_PORT=8080, PORT_BASE=23100 (all other ports), SECURE=1 (mutual TLS, access rules),"
	@echo "  RATE_LIMIT=off, DAPR=system, RUN_DIR=.run, REBUILD=on (documents from the logs), WATCH=on (the watcher),"
	@echo "  CERTIFICATES=short (with SECURE=1: they expire soon), FAULT_FLAGS=on (make fault),"
	@echo "  APPS=../loyalty (folders of apps that join the shop, see docs/joining.md)"

.PHONY: up
up: $(HABERDASH) ## build what is missing, start the shop, wait until it is ready
	@$(HABERDASH) up

.PHONY: dev
dev: $(HABERDASH) ## start the shop if needed, then build and restart what changes; Ctrl-C leaves it running
	@$(HABERDASH) dev

.PHONY: restart
restart: $(HABERDASH) ## restart apps, not their sidecars, until ready: APP=orders, APP="orders cart", APP=all
	@$(HABERDASH) restart "$(APP)"

.PHONY: detach
detach: $(HABERDASH) ## stop an app but not its sidecar, and print the environment for a debugger: APP=orders
	@$(HABERDASH) detach "$(APP)"

.PHONY: down
down: $(HABERDASH) ## stop it; data stays
	@$(HABERDASH) down

.PHONY: status
status: $(HABERDASH) ## what runs, where, and how much memory it takes
	@$(HABERDASH) status

.PHONY: logs
logs: $(HABERDASH) ## print logs and follow them; APP=orders, LEVEL=warn, ORDER=H10001, TRACE=…, JSON=1, FOLLOW=0
	@$(HABERDASH) logs $(if $(filter 0,$(FOLLOW)),,-f) -level "$(LEVEL)" -order "$(ORDER)" -trace "$(TRACE)" \
		$(if $(filter 1,$(JSON)),-json) $(APP)

.PHONY: profile
profile: $(HABERDASH) ## write a CPU profile of an app of the running shop into .run/profiles: APP=orders SECONDS=10
	@$(HABERDASH) profile "$(APP)" "$(SECONDS)"

.PHONY: clean
clean: $(HABERDASH) ## stop it and the servers of make infra and make observe, and remove the data of all
	@$(HABERDASH) clean

.PHONY: import
import: $(HABERDASH) ## send a catalogue file to the running shop: FILE=products.csv
	@$(HABERDASH) import "$(FILE)"

.PHONY: dead-letters
dead-letters: $(HABERDASH) ## list the events that apps could not handle; APP=cart for one app
	@$(HABERDASH) dead-letters $(APP)

.PHONY: replay
replay: $(HABERDASH) ## make an app handle one of them again: APP=cart ID=orders:orders:7, or ID=all
	@$(HABERDASH) replay "$(APP)" "$(ID)"

.PHONY: audit
audit: $(HABERDASH) ## compare the documents of the running shop, byte for byte, with the logs that they come from
	@$(HABERDASH) audit

.PHONY: erase
erase: $(HABERDASH) ## erase personal data for good: ORDER=… of a guest's order; INVOICES=2015 of that year's invoices
	@$(HABERDASH) erase "$(ORDER)" "$(INVOICES)"

.PHONY: export
export: $(HABERDASH) ## write the data of the running shop into a file: FILE=shop.ndjson.gz; READ_ONLY=keep leaves it read-only
	@$(HABERDASH) export "$(FILE)"

.PHONY: import-data
import-data: $(HABERDASH) ## start a shop with exported data on another store, and compare the two: FILE=shop.ndjson.gz STATE=postgres
	@$(HABERDASH) import-data "$(FILE)"

.PHONY: read-only
read-only: $(HABERDASH) ## make the running shop read-only, or end that: SWITCH=on, SWITCH=off
	@$(HABERDASH) read-only "$(SWITCH)"

.PHONY: fault
fault: $(HABERDASH) ## list faults, or switch one on to see what happens: APP=orders FLAG=slow-payment VARIANT=slow MINUTES=5
	@$(HABERDASH) fault "$(APP)" "$(FLAG)" "$(VARIANT)" "$(MINUTES)"

.PHONY: tools
tools: $(HABERDASH) ## build Dapr's programs and the broker, once, into the user's cache
	@$(HABERDASH) tools

.PHONY: infra
infra: $(HABERDASH) ## start real servers to try the shop on: Redis, PostgreSQL, MariaDB, Kafka, RabbitMQ, NATS, SMTP; SERVERS="redis postgres" for some
	@$(HABERDASH) infra

.PHONY: infra-down
infra-down: $(HABERDASH) ## stop them; their data stays
	@$(HABERDASH) infra-down

.PHONY: observe
observe: $(HABERDASH) ## show the running shop: dashboards, Prometheus, alerts, traces, logs; TRACES=off restarts no app
	@$(HABERDASH) observe

.PHONY: observe-down
observe-down: $(HABERDASH) ## stop what make observe has started; its data stays
	@$(HABERDASH) observe-down

.PHONY: backing
backing: $(HABERDASH) ## start only what the apps need, and write .run/apps.yaml for dapr run -f, and for tye run
	@$(HABERDASH) backing

# Go knows what has changed, so this is not a file for make to compare.
.PHONY: $(HABERDASH)
$(HABERDASH):
	@command -v go >/dev/null || { echo "the go command is missing: install Go (https://go.dev/dl)" >&2; exit 1; }
	@mkdir -p $(@D) 2>/dev/null || { echo "cannot write to $(@D)" >&2; exit 1; }
	@CGO_ENABLED=0 go build -buildvcs=false -ldflags=-w -o $@ ./dapr/cmd/haberdash

# Tests that start shops are few at a time: each is a dozen processes.
CHAOS := ^(TestChaos|TestRush|TestFiftyCopies|TestEveryKillPoint)$$
# These need the servers' programs, Node.js, or the languages of the examples; .ci/run says which packages have them.
INFRA := ^(TestServers|TestPostgres)
NODE := ^TestTypeScript
IN_EXAMPLES := ^TestExample
comma := ,
.PHONY: test
test: tools ## all tests that need nothing but Go
	go vet ./...
	go test -timeout 20m -p 2 -skip '$(INFRA)|$(NODE)|$(IN_EXAMPLES)' ./...
	$(MAKE) deploy-check
	SECURE=1 go test -timeout 10m ./tests/e2e

.PHONY: chaos-short
chaos-short: tools ## a small chaos run: a minute or two
	go test -count=1 -v -timeout 10m ./tests/chaos -run '$(CHAOS)'

.PHONY: chaos
chaos: tools ## kill every process while hundreds buy, then hold all promises; SEED=1 (or several) BUYERS=400
	@for seed in $(or $(SEED),1); do \
	  go test -count=1 -v -timeout 60m ./tests/chaos -args -long -seed=$$seed -buyers=$(or $(BUYERS),0) || exit 1; done

.PHONY: test-infra
test-infra: tools ## the suites on every choice of state and broker with real servers; COMBINATIONS="redis:redis postgres:kafka"
	go test -count=1 -timeout 20m -run '$(INFRA)' ./dapr/launch/infra ./dapr/launch/observe ./tests/byhand \
		./tests/moving ./tests/observe
	go run ./tests/matrix $(COMBINATIONS)

COMMON_PASSWORDS := @zxcvbn-ts/language-common@4.1.3
.PHONY: passwords
passwords: ## renew the list of common passwords, which accounts refuse (needs node)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	npm pack --silent --pack-destination "$$dir" $(COMMON_PASSWORDS) >/dev/null && tar -xzf "$$dir"/*.tgz -C "$$dir" && \
	node -e 'for (const p of require(process.argv[1])) if (/^[!-~]{8,}$$/.test(p)) console.log(p.toLowerCase())' \
		"$$dir/package/src/passwords.json" | LC_ALL=C sort -u >apps/users/internal/account/passwords/common.txt

.PHONY: clients
clients: ## write the Go and TypeScript clients from api/openapi.json, and build and test the second; needs Node.js
	go generate ./clients/go
	cd clients/typescript && npm ci --no-audit --no-fund && npm run generate && npm run build && npm test

.PHONY: test-clients
test-clients: tools clients ## lint the API, and buy from a shop with the built TypeScript client
	cd clients/typescript && npm run lint:api
	go test -count=1 -run '$(NODE)' ./tests/typescript

.PHONY: test-e2e
test-e2e: tools ## the end-to-end suite; APPS=examples/notifications-node runs it with that app in the place of the shop's
	cd tests/e2e && APPS="$(abspath $(subst $(comma), ,$(APPS)))" go test -count=1 -timeout 15m # prints as it goes

.PHONY: test-examples
test-examples: tools ## lint and test the apps in examples, alone and in a shop; needs Python and Node.js
	cd examples/loyalty && sh install.sh --dev && .venv/bin/python -m ruff check . \
		&& .venv/bin/python -m ruff format --check . && .venv/bin/python -m pytest --quiet
	cd examples/notifications-node && sh install.sh && npm run lint && npm run generate && npm test \
		&& git diff --exit-code -- src/generated openapi.json
	diff -r apps/notifications/service/testdata examples/notifications-node/test/mails # the mails stay the same
	go test -count=1 -timeout 15m -run '$(IN_EXAMPLES)' ./tests/examples
	go run ./tests/conform examples/loyalty
	go run ./tests/conform examples/notifications-node

# The variables that are set choose the suite: an app is tried in a shop with the STATE and PUBSUB of make up.
.PHONY: conform
conform: tools ## tell whether an app, a store or a broker keeps its promises: APP=../loyalty; STATE=../my/state PUBSUB=redis
	@if [ -n "$(APP)" ]; then go run ./tests/conform $(APP); \
	elif [ -n "$(STATE)$(PUBSUB)" ]; then go run ./tests/conform/infra; \
	else echo "set APP (docs/joining.md), or STATE or PUBSUB (docs/infrastructure.md)" >&2; exit 1; fi

# Models are written into directories that git ignores: whoever consumes events generates them from the same file.
MODELS := $(CURDIR)/.run/models
.PHONY: test-contract
test-contract: ## lint the descriptions of events and internal calls; write, compile and use models in TypeScript and Python
	cd tests/models && npm ci --no-audit --no-fund --ignore-scripts && npm run lint && npm run generate && npm run check
	cd clients/typescript && npm ci --no-audit --no-fund && npm run lint:internal
	@python3 -c 'import ensurepip' || { echo "python3 has no venv (Debian: python3-venv)" >&2; exit 1; }
	python3 -m venv $(MODELS)
	$(MODELS)/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/models/requirements.txt
	$(MODELS)/bin/datamodel-codegen --input api/asyncapi.yaml --input-file-type asyncapi \
		--target-python-version 3.11 --formatters builtin --output $(MODELS)/events.py
	sed -n '/^```json$$/,/^```$$/{/^```/!p}' docs/contract.md | PYTHONPATH=$(MODELS) $(MODELS)/bin/python tests/models/use.py

.PHONY: fuzz
fuzz: tools ## Schemathesis against a shop, by its API description; EXAMPLES=20 requests each, SEED=1, AS=customer
	go run ./tests/fuzz

.PHONY: bench
bench: ## the benchmarks, as a table and in .run/bench.json
	go run ./tests/bench

# Each combination has a shop of its own; what is in the table is read off the last lines of each.
.PHONY: bench-all
bench-all: ## purchases on each choice of infrastructure: CLIENTS=64 DURATION=60s
	@for state in sqlite redis postgres mysql; do for pubsub in embedded kafka nats rabbitmq redis; do \
	  echo "== $$state, $$pubsub"; \
	  STATE=$$state PUBSUB=$$pubsub CLIENTS=$(or $(CLIENTS),64) DURATION=$(or $(DURATION),60s) \
	    CASES='^(raw sidecar: invoke|place an order)$$' go run ./tests/bench 2>/dev/null || exit 1; done; done

# Modules of their own: what they need is large, and the services need none of it. What they look at is outside, where
# the go command's cache of results does not look: hence -count=1.
.PHONY: deploy-check
deploy-check: ## what Kubernetes, Dapr's injector and a registry make of deploy/, without any of them
	cd deploy/images && go vet ./... && go test -count=1 -timeout 10m ./...
	cd tests/deploy && go vet ./... && go test -count=1 -timeout 10m ./...
	cd deploy/observability && go vet ./... && go test -count=1 -timeout 10m ./...

.PHONY: boards
boards: ## write the files of dashboards, rules and runbooks' index from their definitions in deploy/observability
	cd deploy/observability && go run .

.PHONY: images
images: ## container images in .run/images, without Docker; TAG=dev PREFIX=localhost/haberdash PLATFORMS=linux/amd64,linux/arm64, PUSH=1
	cd deploy/images && go run .

.PHONY: test-k8s
test-k8s: ## the shop on the cluster of KUBECONFIG: the suite, pods killed, versions rolled out under load; OVERLAYS=redis-redis
	go run ./tests/k8s $(OVERLAYS)

# Images are looked for where make images puts them: PREFIX and TAG. Links in mails begin with SHOP_URL, which a cluster
# keeps in a ConfigMap; the overlay demo has its own.
.PHONY: deploy
deploy: ## the shop on the cluster that kubectl knows: OVERLAY=demo PREFIX=registry.example/shop TAG=v1 SHOP_URL=https://…
	@if [ -z "$(SHOP_URL)" ] && [ "$(or $(OVERLAY),demo)" != demo ] \
	    && ! kubectl -n haberdash get configmap shop >/dev/null; then \
	  echo "set SHOP_URL to the public address of the shop: links in mails begin with it" >&2; exit 1; fi
	kubectl kustomize deploy/overlays/$(or $(OVERLAY),demo) \
	  | sed 's#localhost/haberdash/\([a-z]*\):dev#$(or $(PREFIX),localhost/haberdash)/\1:$(or $(TAG),dev)#' \
	  | { cat; $(if $(SHOP_URL),echo ---; kubectl -n haberdash create configmap shop \
	      --from-literal='SHOP_URL=$(SHOP_URL)' --dry-run=client -o yaml;) } \
	  | kubectl apply -f -
	kubectl -n haberdash wait --for=condition=available --timeout=5m deployments --all

# The linter is a program of its own: the go command builds it once and caches it.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
.PHONY: lint
lint: ## formatting, go vet and golangci-lint (.golangci.yaml)
	@unformatted=$$(gofmt -l apps clients dapr deploy internal tests 2>/dev/null); \
	  if [ -n "$$unformatted" ]; then echo "gofmt -w these: $$unformatted" >&2; exit 1; fi
	go vet ./...
	go run $(GOLANGCI) run

.PHONY: roster
roster: ## write what the list of apps (internal/roster) and the calls of the code decide into YAML
	go run ./dapr/roster
