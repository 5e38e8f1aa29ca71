package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

func (s *Inventory) mountLevels(api huma.API) {
	op := func(id, method, path, summary string, errors ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Stock"},
			Security: httpx.Bearer, Errors: append([]int{403}, errors...), Middlewares: huma.Middlewares{httpx.Only(identity.Staff)}}
	}
	httpx.Register(api, op("get-stock", http.MethodGet, "/api/v1/stock/{sku}", "Read a SKU's stock"), s.getStock)
	httpx.Register(api, op("adjust-stock", http.MethodPost, "/api/v1/stock/{sku}/adjustments", "Change a SKU's stock", 409), s.adjustStock)
	// RawBody is for Resolve; it is no second media type.
	delete(api.OpenAPI().Paths["/api/v1/stock/{sku}/adjustments"].Post.RequestBody.Content, "application/octet-stream")
	httpx.Register(api, op("get-stock-history", http.MethodGet, "/api/v1/stock/{sku}/history", "Read what happened to a SKU's stock, newest first"), s.stockHistory)
}

// SKURef names a SKU.
type SKURef struct {
	SKU string `path:"sku" minLength:"1" maxLength:"128"`
}

type stockLocationView struct {
	Location string `json:"location"`
	OnHand   int64  `json:"onHand"`
	Reserved int64  `json:"reserved" doc:"Held for orders; part of onHand"`
}

type stockView struct {
	SKU       string              `json:"sku"`
	OnHand    int64               `json:"onHand"`
	Reserved  int64               `json:"reserved"`
	Available int64               `json:"available" doc:"onHand − reserved"`
	Locations []stockLocationView `json:"locations" nullable:"false"`
}

type stockOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Replayed     string `header:"Idempotent-Replayed" doc:"true if this answers an earlier request with the key"`
	Body         stockView
}

func showStock(sku string, places []stockLocationView) *stockOutput {
	v := stockView{SKU: sku, Locations: places}
	for _, p := range places {
		v.OnHand, v.Reserved = v.OnHand+p.OnHand, v.Reserved+p.Reserved
	}
	v.Available = v.OnHand - v.Reserved
	return &stockOutput{ETag: `"` + digest(v) + `"`, CacheControl: privateCache, Body: v}
}

func (s *Inventory) getStock(ctx context.Context, in *SKURef) (*stockOutput, error) {
	places, err := s.places(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	return showStock(in.SKU, places), nil
}

// places reads the levels of a SKU that the catalogue has, or that once had stock: what is left of it
// does not vanish with its product.
func (s *Inventory) places(ctx context.Context, sku string) ([]stockLocationView, error) {
	levels, moved, err := s.stock.Places(ctx, sku)
	if err == nil && !moved {
		err = s.mustKnow(ctx, sku)
	}
	if err != nil {
		return nil, outage(err)
	}
	places := make([]stockLocationView, len(levels))
	for i, p := range levels {
		places[i] = stockLocationView{p.Location, p.OnHand, p.Reserved}
	}
	return places, nil
}

// mustKnow refuses a SKU that the catalogue does not have.
func (s *Inventory) mustKnow(ctx context.Context, sku string) error {
	known, err := s.deps.KnownSKU(ctx, sku)
	if err != nil {
		return outage(err)
	}
	if !known {
		return fault.New(fault.NotFound, "unknown-sku", "The catalogue has no such SKU.").With("sku", sku)
	}
	return nil
}

type adjustInput struct {
	SKURef
	Key     string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this change, among yours"`
	RawBody []byte
	Body    adjustment
}

type adjustment struct {
	Location string `json:"location,omitempty" maxLength:"64" doc:"The default location if missing"`
	Delta    int64  `json:"delta" minimum:"-1000000000" maximum:"1000000000" doc:"What comes in, or, negative, goes out; not 0"`
	Reason   string `json:"reason" minLength:"1" maxLength:"500" pattern:"\\S"`
}

// Resolve implements huma.Resolver: it words the problems of the key and of the delta.
func (in *adjustInput) Resolve(huma.Context) []error {
	if in.Key == "" {
		return []error{httpx.NewProblem(fault.New(fault.Malformed, "idempotency-key-required", "Send an Idempotency-Key header, so that a repetition cannot count twice.").
			WithField("header.Idempotency-Key", "required"))}
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(in.RawBody, &body); err != nil {
		return nil // not the delta's fault
	}
	delta, err := strconv.ParseInt(string(bytes.TrimSpace(body["delta"])), 10, 64)
	if err != nil || delta == 0 || delta > stock.MaxQuantity || delta < -stock.MaxQuantity {
		return []error{httpx.NewProblem(fault.New(fault.Invalid, "invalid-quantity", "A change of stock is a whole number from 1 to %d, or the negative of one.", stock.MaxQuantity).
			WithField("body.delta", "expected a whole number in range, not 0"))}
	}
	return nil
}

// adjustStock changes a level once per caller and key. A repetition gets the first answer, whatever
// happened since.
func (s *Inventory) adjustStock(ctx context.Context, in *adjustInput) (*stockOutput, error) {
	if err := s.mustKnow(ctx, in.SKU); err != nil {
		return nil, err
	}
	at, ok := s.stock.Location(in.Body.Location)
	if !ok {
		return nil, fault.BadField("body.location", "there is no such location")
	}
	places, err := s.places(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	in.Body.Location = at.Location()
	note, err := json.Marshal(places)
	if err != nil {
		return nil, err
	}
	receipt, err := s.stock.Adjust(ctx, at, stock.Adjustment{
		ID: adjustmentKey(identity.Of(ctx).UserID, in.Key), Fingerprint: fingerprint(in.SKU, in.Body),
		Moves: []stock.Move{{SKU: in.SKU, Delta: in.Body.Delta, Reason: in.Body.Reason}}, Note: note,
	})
	if err != nil {
		return nil, err
	}
	reached(afterAdjust)
	if err := json.Unmarshal(receipt.Note, &places); err != nil {
		return nil, err
	}
	for i, p := range places {
		if p.Location == at.Location() { // as it was decided; the other places are as they were read before
			places[i].OnHand, places[i].Reserved = receipt.Levels[in.SKU].OnHand, receipt.Levels[in.SKU].Reserved
		}
	}
	out := showStock(in.SKU, places)
	if receipt.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// adjustmentKey scopes an idempotency key to its caller.
func adjustmentKey(user, key string) string {
	sum := sha256.Sum256([]byte(user + "\x00" + key))
	return hex.EncodeToString(sum[:])
}

func fingerprint(sku string, a adjustment) string {
	return digest(struct {
		SKU string
		adjustment
	}{sku, a})
}

type historyInput struct {
	SKURef
	httpx.Page
}

type stockEvent struct {
	Seq      uint64    `json:"seq" doc:"Counts the SKU's events at the location"`
	Type     string    `json:"type" example:"stock.reserved"`
	At       time.Time `json:"at"`
	Data     any       `json:"data"`
	Location string    `json:"location"`
}

type historyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         httpx.List[stockEvent]
}

func (s *Inventory) stockHistory(ctx context.Context, in *historyInput) (*historyOutput, error) {
	var before map[string]commitlog.Mark
	if err := in.Position(&before); err != nil {
		return nil, err
	}
	if _, err := s.places(ctx, in.SKU); err != nil {
		return nil, err
	}
	entries, next, err := s.stock.History(ctx, in.SKU, before, in.Limit)
	if err != nil {
		return nil, outage(err)
	}
	out := &historyOutput{CacheControl: privateCache, Body: httpx.List[stockEvent]{Items: make([]stockEvent, len(entries))}}
	for i, e := range entries {
		out.Body.Items[i] = stockEvent{Seq: e.Seq, Type: e.Type, At: e.At, Data: e.Data, Location: e.Location}
	}
	if next != nil {
		out.Body.NextCursor = httpx.Cursor(next)
	}
	return out, nil
}
