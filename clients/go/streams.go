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

// Media types of a catalogue file.
const (
	CSV    = "text/csv"             // a product export of Shopify
	NDJSON = "application/x-ndjson" // one ProductForm on each line
)

// ImportProducts sends a catalogue file while it reads it. mediaType is CSV or NDJSON. currency is the currency of the
// prices in a CSV file; empty means EUR. The report lists rows that are wrong; they are not an error. The request is
// never repeated.
func (c *Client) ImportProducts(
	ctx context.Context, mediaType string, file io.Reader, currency string,
) (*Answer[ImportReport], error) {
	r := newRequest(http.MethodPost, "/api/v1/products/import")
	r.query("currency", currency)
	r.headers.Set("Content-Type", mediaType)
	r.stream = file
	return call[ImportReport](ctx, c.withoutTimeout(), r)
}

// FollowOrder yields an order in its current state, and again after each change. It ends when ctx ends, when the caller
// leaves the loop, or when the server ends the stream, which happens after ten minutes. orderToken is the access token
// of a guest's order; it is empty for an order of the signed-in customer.
func (c *Client) FollowOrder(ctx context.Context, id, orderToken string) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		r := newRequest(http.MethodGet, "/api/v1/orders/"+url.PathEscape(id)+"/stream")
		r.headers.Set("Accept", "text/event-stream")
		r.header("X-Order-Token", orderToken)
		res, err := c.withoutTimeout().send(ctx, r)
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

// withoutTimeout returns a client whose responses may take any time. Only the context limits them.
func (c *Client) withoutTimeout() *Client {
	other, h := *c, *c.http
	h.Timeout = 0
	other.http = &h
	return &other
}
