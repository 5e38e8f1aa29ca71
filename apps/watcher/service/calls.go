package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
)

// apps are the calls of other apps. A parameter named logger is an app that keeps logs, and one named follower an app
// that follows logs: `make roster` allows the calls by these names.
type apps struct{ sidecar.Invoker }

// feeds lists the logs of an app.
func (a apps) feeds(ctx context.Context, logger string) (names []string, err error) {
	var list contract.Feeds
	err = sidecar.Call(ctx, a, logger, http.MethodGet, "/feed", nil, nil, &list)
	return list.Names, err
}

// page reads events of a log.
func (a apps) page(ctx context.Context, logger, log string, from uint64, limit int) (
	page contract.FeedPage, err error) {
	query := url.Values{"from": {strconv.FormatUint(from, 10)}, "max": {strconv.Itoa(limit)}}
	err = sidecar.Call(ctx, a, logger, http.MethodGet, "/feed/"+url.PathEscape(log), query, nil, &page)
	return page, err
}

// cursors returns how far an app has come in the logs of others.
func (a apps) cursors(ctx context.Context, follower string) ([]contract.Cursor, error) {
	var list contract.Cursors
	err := sidecar.Call(ctx, a, follower, http.MethodGet, "/internal/consumers", nil, nil, &list)
	return list.Cursors, err
}

// audit lets an app compare its documents with its logs, however long that takes.
func (a apps) audit(ctx context.Context, logger string) ([]contract.Audit, error) {
	res, err := a.Invoke(ctx, sidecar.Request{App: logger, Method: http.MethodPost, Path: "/internal/audit",
		Header: http.Header{"Accept": {"application/json"}}, Unbounded: true})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("the audit of %s was answered with %d", logger, res.Status)
	}
	var list contract.Audits
	err = json.NewDecoder(res.Body).Decode(&list)
	return list.Audits, err
}

// maxHistories is how many orders one call of histories may have.
const maxHistories = 50

// histories returns what orders tells of the payments of orders, by id.
func (a apps) histories(ctx context.Context, ids []string) (map[string]*contract.History, error) {
	var reply contract.HistoriesReply
	request := contract.HistoriesRequest{OrderIDs: ids}
	err := sidecar.Call(ctx, a, roster.Orders, http.MethodPost, "/internal/histories", nil, request, &reply)
	byID := map[string]*contract.History{}
	for i, h := range reply.Histories {
		byID[h.OrderID] = &reply.Histories[i]
	}
	return byID, err
}

// readOrder returns the status with which orders answers a stranger who reads an order. token is the token of a
// guest's order; empty for none.
func (a apps) readOrder(ctx context.Context, id, token string) (status int, err error) {
	res, err := a.Invoke(ctx, sidecar.Request{App: roster.Orders, Method: http.MethodGet,
		Path: "/api/v1/orders/" + url.PathEscape(id), Header: http.Header{"X-Order-Token": {token}}})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.Status, nil
}

// listOrders returns the status with which orders answers a stranger who lists orders.
func (a apps) listOrders(ctx context.Context) (status int, err error) {
	res, err := a.Invoke(ctx, sidecar.Request{App: roster.Orders, Method: http.MethodGet, Path: "/api/v1/orders",
		Header: http.Header{}})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.Status, nil
}
