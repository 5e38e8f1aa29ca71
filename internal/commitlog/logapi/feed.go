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

type feedsOutput struct{ Body contract.Feeds }

// MountFeed serves GET /feed, which lists a service's logs, and GET /feed/{partition}, inside the mesh only. Problem:
// not-found (404).
func MountFeed(api huma.API, logs ...Log) {
	byName, names := map[string]Log{}, []string{}
	for _, l := range logs {
		byName[l.Name()], names = l, append(names, l.Name())
	}
	httpx.Register(api, huma.Operation{OperationID: "list-feeds", Method: http.MethodGet, Path: "/feed",
		Tags: []string{"Internal"}, Summary: "The logs of this app"},
		func(context.Context, *struct{}) (*feedsOutput, error) {
			return &feedsOutput{contract.Feeds{Names: names}}, nil
		})
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
