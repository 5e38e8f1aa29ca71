// Package logapi serves commit logs over HTTP: their feeds to the other apps, and audits of their documents to
// operators. The package commitlog itself has no HTTP.
package logapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// Log is a log that can be read by position. Every *commitlog.Partition implements it.
type Log interface {
	Name() string
	Feed(ctx context.Context, from uint64, limit int) (contract.FeedPage, error)
	Ready(context.Context) error
}

// Ready returns a readiness check, which fails while one of the logs has events that this release does not understand.
func Ready(logs ...Log) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, l := range logs {
			if err := l.Ready(ctx); err != nil {
				return fmt.Errorf("log %s: %w", l.Name(), err)
			}
		}
		return nil
	}
}

type feedInput struct {
	Partition string `path:"partition" minLength:"1" maxLength:"128"`
	From      uint64 `query:"from" minimum:"1" default:"1" doc:"Position of the first event"`
	Max       int    `query:"max" minimum:"1" maximum:"1000" default:"100"`
}

type feedOutput struct{ Body contract.FeedPage }

// MountFeed serves GET /feed/{partition} for a service's logs, inside the mesh only. Problem: not-found (404).
func MountFeed(api huma.API, logs ...Log) {
	byName := map[string]Log{}
	for _, l := range logs {
		byName[l.Name()] = l
	}
	httpx.Register(api, huma.Operation{OperationID: "read-feed", Method: http.MethodGet, Path: "/feed/{partition}",
		Tags: []string{"Internal"}, Summary: "Published events of a log, by position"},
		func(ctx context.Context, in *feedInput) (*feedOutput, error) {
			log := byName[in.Partition]
			if log == nil {
				return nil, fault.Missing("log")
			}
			page, err := log.Feed(ctx, in.From, in.Max)
			return &feedOutput{page}, err
		})
}
