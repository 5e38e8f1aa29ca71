package service

import (
	"github.com/rs/zerolog"

	"haberdash/apps/users/internal/trail"
	"haberdash/internal/commitlog"
	"haberdash/internal/host"
	"haberdash/internal/roster"
	"haberdash/internal/telemetry/field"
)

// logDecisions logs the audit trail of the accounts.
var logDecisions = host.LogDecisions(roster.UsersLog, func() map[string]host.Describe {
	described := map[string]host.Describe{}
	for _, t := range trail.Types() {
		described[t] = describe
	}
	return described
}())

func describe(line *zerolog.Event, e commitlog.Event) {
	var r trail.Record
	if e.Decode(&r) != nil {
		return
	}
	line.Str(field.User, r.UserID)
	if r.By != "" && r.By != r.UserID {
		line.Str(field.Actor, r.By)
	}
	if len(r.Roles) > 0 {
		line.Strs(field.Roles, r.Roles)
	}
	if r.Factor != "" {
		line.Str(field.Factor, r.Factor)
	}
}
