package ports

// A shop uses the port of the gateway and one block: ten ports for placement, scheduler and broker, then ten for each
// app in the order of dapr/apps.yaml, ten for sentry, and ten for each app that joins.
const (
	DefaultGateway = 8080
	DefaultBase    = 23100 // below the ports that systems assign to clients (32768 and up)
	BlockSize      = 200
)

// FirstJoined is the offset of the ports of the first app that joins, and PerApp the number of those of an app.
const (
	FirstJoined = 100
	PerApp      = 10
	MaxJoined   = (BlockSize - FirstJoined) / PerApp
)

// Offsets in a block.
const (
	Placement = iota
	PlacementHealth
	PlacementMetrics
	PlacementRaft
	Scheduler
	SchedulerHealth
	SchedulerMetrics
	EtcdClient
	EtcdPeer
	Broker
	FirstApp // the gateway, if its port is one of the block
)

// Behind is the offset, from the port of an app, of the port on which it listens behind a tap: see config.Options.
const Behind = 9

// Offsets of sentry.
const (
	Sentry = iota + 90
	SentryHealth
	SentryMetrics
)
