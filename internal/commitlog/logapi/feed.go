// Package logapi is what a service with a log, or one that consumes other logs, offers over HTTP: the feed to
// the mesh, the cursors to a checker, the dead letters to an administrator. internal/commitlog knows no HTTP.
package logapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
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

// maxPage bounds the events of one page of a feed.
const maxPage = 1000

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
			return &feedOutput{page}, outage(err)
		})
}

// Fetch reads the feed of another app, for a commitlog.Consumer.
func Fetch(inv sidecar.Invoker) commitlog.Fetch {
	return func(ctx context.Context, source, partition string, from uint64, limit int) (page contract.FeedPage, err error) {
		query := url.Values{"from": {strconv.FormatUint(from, 10)}, "max": {strconv.Itoa(min(limit, maxPage))}}
		err = sidecar.Call(ctx, inv, source, http.MethodGet, "/feed/"+url.PathEscape(partition), query, nil, &page)
		return page, err
	}
}

// outage makes an error of the store one that a client may be told of.
func outage(err error) error {
	if f := fault.Of(err); err == nil || f.Kind != fault.Internal || errors.Is(err, commitlog.ErrCorrupt) {
		return err
	}
	return fault.New(fault.Unavailable, "unavailable", "The shop's store does not answer just now. Repeat the request.").After(time.Second).Because(err)
}
