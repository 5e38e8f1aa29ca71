// Package faultflag lets an administrator switch faults on in a running app, such as a slow store or a paused
// publisher, to see what customers notice and which alert fires.
//
// The flags follow OpenFeature: an app asks its client for the value of a flag, and a provider knows the variants. A
// setting says which variant a flag has, and until when. It is in the app's store, so that it reaches every replica
// within RefreshEvery. Each fault ends by itself.
//
// An app has flags only with FAULT_FLAGS=on. Without it, calls do not pass through this package.
package faultflag

import "time"

// Flag is a fault that can be switched on. Its variant "off" has the value 0.
type Flag struct {
	Name        string
	Description string
	Unit        string           // of the values
	Variants    map[string]int64 // without "off"
}

// The flags.
var (
	SlowStore = Flag{
		Name: "slow-store", Description: "Each call of the state store takes this much longer.", Unit: "milliseconds",
		Variants: map[string]int64{"slow": 50, "very-slow": 500},
	}
	FullDisk = Flag{
		Name: "full-disk", Description: "The state store refuses all writes.", Unit: "switch",
		Variants: map[string]int64{"on": 1},
	}
	PausedPublisher = Flag{
		Name: "paused-publisher", Description: "The app publishes no events; consumers read them from its feed.",
		Unit: "switch", Variants: map[string]int64{"on": 1},
	}
	FailingRequests = Flag{
		Name: "failing-requests", Description: "This share of the requests is answered with 500.", Unit: "percent",
		Variants: map[string]int64{"some": 5, "half": 50, "all": 100},
	}
	RefusedEvents = Flag{
		Name: "refused-events", Description: "The broker refuses this share of the events, at every attempt.",
		Unit: "percent", Variants: map[string]int64{"some": 10},
	}
	RefusedDocuments = Flag{
		Name: "refused-documents", Description: "The state store refuses the documents of aggregates, and nothing else.",
		Unit: "switch", Variants: map[string]int64{"on": 1},
	}
	PausedProjections = Flag{
		Name: "paused-projections", Description: "The state store refuses the documents of projections, and nothing else.",
		Unit: "switch", Variants: map[string]int64{"on": 1},
	}
	RefusedWorkflows = Flag{
		Name:        "refused-workflows",
		Description: "The workflow engine refuses orders whose ids begin with a digit: about one of five.", Unit: "switch",
		Variants: map[string]int64{"on": 1},
	}
	MemoryBallast = Flag{
		Name: "memory-ballast", Description: "The app keeps this much memory that it does not need.", Unit: "megabytes",
		Variants: map[string]int64{"small": 192, "large": 512},
	}
	SlowPayment = Flag{
		Name: "slow-payment", Description: "Each call of the payment provider takes this much longer.",
		Unit: "milliseconds", Variants: map[string]int64{"slow": 3000, "hanging": 30_000},
	}
)

// off is the variant of a flag that is not switched on.
const off = "off"

const (
	// RefreshEvery is how often a replica reads the settings.
	RefreshEvery = time.Second
	// longestTime is how long a fault may stay on.
	longestTime = time.Hour
)
