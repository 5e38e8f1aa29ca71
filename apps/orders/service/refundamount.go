package service

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// refundAmount is what a refund gives back: Money, or a bare number of minor units of the order's currency.
type refundAmount struct{ money.Money }

// UnmarshalJSON implements json.Unmarshaler. The schema has made sure that it is one of the two.
func (a *refundAmount) UnmarshalJSON(raw []byte) error {
	if json.Unmarshal(raw, &a.Amount) == nil {
		return nil
	}
	return json.Unmarshal(raw, &a.Money)
}

// Schema implements huma.SchemaProvider.
func (refundAmount) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "What to give back: money, or a bare number of minor units of the order's currency",
		OneOf: []*huma.Schema{
			huma.SchemaFromType(r, reflect.TypeFor[money.Money]()),
			{Type: huma.TypeInteger, Format: "int64"},
		},
	}
}

// of gives the amount in minor units of the order's currency.
func (a refundAmount) of(currency string) (int64, error) {
	if a.Currency != "" && a.Currency != currency {
		return 0, fault.BadField("body.amount.currency", "is not the order's, "+currency)
	}
	if a.Amount <= 0 {
		return 0, fault.BadField("body.amount", "expected more than 0")
	}
	return a.Amount, nil
}
