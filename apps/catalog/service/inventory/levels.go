package inventory

import (
	"context"
	"time"

	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/commitlog"
	"haberdash/internal/httpx"
)

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

func show(sku string, locations []stockLocationView) *stockOutput {
	v := stockView{SKU: sku, Locations: locations}
	for _, l := range locations {
		v.OnHand, v.Reserved = v.OnHand+l.OnHand, v.Reserved+l.Reserved
	}
	v.Available = v.OnHand - v.Reserved
	return &stockOutput{ETag: resource.DigestETag(v), CacheControl: resource.PrivateCache, Body: v}
}

func (s *Service) getStock(ctx context.Context, in *SKURef) (*stockOutput, error) {
	locations, err := s.levels(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	return show(in.SKU, locations), nil
}

// levels reads the levels of a SKU that the catalogue has or that once had stock: the stock of a deleted product is
// still shown.
func (s *Service) levels(ctx context.Context, sku string) ([]stockLocationView, error) {
	levels, known, err := s.Stock.Levels(ctx, sku)
	if err == nil && !known {
		err = s.requireKnown(ctx, sku)
	}
	if err != nil {
		return nil, err
	}
	views := make([]stockLocationView, len(levels))
	for i, l := range levels {
		views[i] = stockLocationView{l.Location, l.OnHand, l.Reserved}
	}
	return views, nil
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

func (s *Service) stockHistory(ctx context.Context, in *historyInput) (*historyOutput, error) {
	var before map[string]commitlog.Mark
	if err := in.Position(&before); err != nil {
		return nil, err
	}
	if _, err := s.levels(ctx, in.SKU); err != nil {
		return nil, err
	}
	entries, next, err := s.Stock.History(ctx, in.SKU, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &historyOutput{CacheControl: resource.PrivateCache}
	out.Body.Items = make([]stockEvent, len(entries))
	for i, e := range entries {
		out.Body.Items[i] = stockEvent{Seq: e.Seq, Type: e.Type, At: e.At, Data: e.Data, Location: e.Location}
	}
	if next != nil {
		out.Body.NextCursor = httpx.Cursor(next)
	}
	return out, nil
}
