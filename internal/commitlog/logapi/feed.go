// Package logapi serves a commit log over HTTP: its feed to the other apps, and the audit of its documents to
// operators. internal/commitlog itself knows no HTTP.
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

// Log is a partition that can be read by position; every *commitlog.Partition is one.
type Log interface {
	Name() string
	Feed(ctx context.Context, from uint64, limit int) (contract.FeedPage, error)
	Ready(context.Context) error
}

// Ready is a readiness check: it fails while one of the logs has events that this release does not understand.
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

// MountFeed offers a service's logs: GET /feed/{partition}, inside the mesh only. Problems: not-found (404).
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
