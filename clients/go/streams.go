package client

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Media types of an import.
const (
	CSV    = "text/csv"             // Shopify's product export
	NDJSON = "application/x-ndjson" // a ProductForm a line
)

// ImportProducts sends a catalogue file of a media type as it is read. currency is that of a CSV's prices; EUR if
// empty. Rows that are wrong are in the report, not an error. It is not repeated.
func (c *Client) ImportProducts(ctx context.Context, mediaType string, file io.Reader, currency string) (*Answer[ImportReport], error) {
	r := newRequest(http.MethodPost, "/api/v1/products/import")
	r.query("currency", currency)
	r.headers.Set("Content-Type", mediaType)
	r.stream = file
	return call[ImportReport](ctx, c.patient(), r)
}

// FollowOrder gives an order as it is, and then after each change, until the context ends, the loop is left, or the
// shop ends the stream, which it does after ten minutes. orderToken is a guest's, or empty.
func (c *Client) FollowOrder(ctx context.Context, id, orderToken string) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		r := newRequest(http.MethodGet, "/api/v1/orders/"+url.PathEscape(id)+"/stream")
		r.headers.Set("Accept", "text/event-stream")
		r.header("X-Order-Token", orderToken)
		res, err := c.patient().send(ctx, r)
		if err != nil {
			yield(Order{}, err)
			return
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 8<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var o Order
			err := json.Unmarshal([]byte(data), &o)
			if !yield(o, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil && ctx.Err() == nil {
			yield(Order{}, err)
		}
	}
}

// patient is this client without a limit to how long an answer may take; the context has its own.
func (c *Client) patient() *Client {
	other, h := *c, *c.http
	h.Timeout = 0
	other.http = &h
	return &other
}
