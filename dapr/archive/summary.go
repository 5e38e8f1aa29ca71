package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// Summary describes all data of a shop, to compare it with that of another.
type Summary struct {
	// Audits has, by app, an audit of each log and projection, with a digest of all documents.
	Audits map[string][]contract.Audit `json:"audits"`
	// Cursors has, by app, how far the app is in the logs of other apps.
	Cursors map[string][]contract.Cursor `json:"cursors"`
}

// Summarise reads all logs of the shop. It fails if a document differs from what its log yields: such a shop must be
// repaired before it is exported.
func (c Client) Summarise(ctx context.Context) (Summary, error) {
	s := Summary{Audits: map[string][]contract.Audit{}, Cursors: map[string][]contract.Cursor{}}
	for _, app := range roster.Following() {
		var err error
		if s.Cursors[app], err = c.cursors(ctx, app); err != nil {
			return s, err
		}
	}
	for _, app := range roster.Logging() {
		var found contract.Audits
		if err := c.call(ctx, app, http.MethodPost, "/internal/audit", &found); err != nil {
			return s, err
		}
		for _, a := range found.Audits {
			if a.Wrong > 0 {
				return s, fmt.Errorf("%d documents of %s differ from what the log %s yields, such as %s: see make audit",
					a.Wrong, app, a.Log, a.Differences[0].Key)
			}
		}
		s.Audits[app] = found.Audits
	}
	return s, nil
}

// Differences describes each difference from another summary; none if the data is equal. It compares what the other one
// has: an older archive may know fewer apps.
func (s Summary) Differences(want Summary) (list []string) {
	for _, app := range slices.Sorted(maps.Keys(want.Audits)) {
		list = append(list, differences(app+": audit", s.Audits[app], want.Audits[app])...)
	}
	for _, app := range slices.Sorted(maps.Keys(want.Cursors)) {
		list = append(list, differences(app+": cursor", s.Cursors[app], want.Cursors[app])...)
	}
	return list
}

// differences compares two lists by the JSON of their members.
func differences[T any](what string, got, want []T) (list []string) {
	for i := range max(len(got), len(want)) {
		g, w := encoded(got, i), encoded(want, i)
		if g != w {
			list = append(list, fmt.Sprintf("%s is %s, and was %s", what, g, w))
		}
	}
	return list
}

func encoded[T any](list []T, i int) string {
	if i >= len(list) {
		return "missing"
	}
	b, err := json.Marshal(list[i])
	if err != nil {
		return err.Error()
	}
	return string(b)
}
