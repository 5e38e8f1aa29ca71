package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

var update = flag.Bool("update", false, "write the golden files, after an intended change of a shape")

var (
	at      = time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)
	eur     = func(n int64) money.Money { return money.New(n, "EUR") }
	address = contract.Address{Name: "Ada Byron", Line1: "1 Street", Line2: "rear", City: "Berlin", Region: "BE",
		PostalCode: "10117", Country: "DE"}
	event = contract.Event{ID: contract.EventID("orders", "orders", 7, 1), Type: contract.OrderConfirmed,
		Source: "orders", Partition: "orders", Commit: 7, Index: 1, Position: 12, Aggregate: "order/o1", Seq: 4,
		At: at, Version: 1, Data: json.RawMessage(`{"orderId":"o1"}`), Baggage: "tenant=north"}
	line = contract.OrderLine{SKU: "HAT-M", Title: "Hat – M", Quantity: 2, UnitPrice: eur(1000), Total: eur(2000),
		Taxable: true, Shipped: true, Discount: eur(200), Tax: eur(342)}
	sealed = contract.Sealed{Key: "k1", Data: []byte("ciphertext")}
)

// samples have every member set, so that a change of any member changes a file.
var samples = map[string]any{
	"event":     event,
	"feed-page": contract.FeedPage{Events: []contract.Event{event}, Next: 13, Head: 20},
	"audits": contract.Audits{Audits: []contract.Audit{{Log: "orders", Projection: "lists", Commit: 7, Events: 20,
		Documents: 3, Digest: "a1", Wrong: 1,
		Differences: []contract.Difference{{Key: "view/orders/lists/all/0", Kind: "missing"}}}}},
	"cursors": contract.Cursors{Cursors: []contract.Cursor{{Source: "orders", Partition: "orders", Position: 12,
		Applied: 11, Parked: 1, Head: 20}}},
	"order-fact": contract.OrderFact{OrderID: "o1", Number: "H10001", Customer: "u1", CartID: "c1", CartVersion: 3,
		Lines: []contract.OrderLine{line}, Subtotal: eur(2000), Discount: eur(200), Shipping: eur(490), Tax: eur(435),
		Total: eur(2725)},
	"contacts-request": contract.ContactsRequest{OrderIDs: []string{"o1"}},
	"contacts-reply": contract.ContactsReply{Contacts: []contract.Contact{
		{OrderID: "o1", Email: "ada@example.test", AccessToken: "token", ShippingAddress: address},
		{OrderID: "o2", Erased: true}}},
	"shipment-fact": contract.ShipmentFact{OrderID: "o1", Number: "H10001", Customer: "u1", ID: "f1", Carrier: "DHL",
		TrackingNumber: "JJD1", Lines: []contract.Line{{SKU: "HAT-M", Quantity: 2}}},
	"fulfilment-fact": contract.FulfilmentFact{OrderID: "o1", Fulfilment: contract.FulfilmentPart{ID: "f1",
		Parts: []contract.Part{{SKU: "HAT-M", Quantity: 2, Amount: 2142}}, Freight: 583, Carrier: "DHL",
		TrackingNumber: "JJD1", Status: "pending", Fingerprint: "f"}},
	"rejection-fact": contract.RejectionFact{OrderID: "o1", Reason: "payment-declined", Code: "insufficient_funds",
		Lines:  []contract.OutOfStockLine{{SKU: "HAT-M", Requested: 2, Available: 1}},
		Prices: []contract.PriceChangedLine{{SKU: "HAT-M", Was: eur(1000), Now: eur(1100)}}, Gone: []string{"HAT-S"}},
	"ending-fact": contract.EndingFact{OrderID: "o1", Reason: "authorization-expired", Why: sealed},
	"return-fact": contract.ReturnFact{OrderID: "o1", Return: contract.ReturnPart{ID: "r1",
		Parts:  []contract.Part{{SKU: "HAT-M", Quantity: 1, Amount: 1071}},
		Status: "requested", Fingerprint: "f", Why: sealed}},
	"receipt-fact": contract.ReceiptFact{OrderID: "o1", Number: "H10001", Customer: "u1", ID: "r1", Restock: true,
		Owed: 1071, Currency: "EUR"},
	"refund-fact": contract.RefundFact{OrderID: "o1", Refund: contract.RefundPart{ID: "m1", Amount: 100,
		Status: "pending", Fingerprint: "f", Why: sealed}},
	"part-fact": contract.PartFact{OrderID: "o1", ID: "f1", Reason: "expired_card"},
	"product-fact": contract.ProductFact{ID: "p1", Handle: "hat", Title: "Hat", Description: "<p>A hat</p>",
		Brand: "Brim", Categories: []string{"hats"}, Tags: []string{"felt"},
		Options: []contract.ProductOption{{Name: "Size", Values: []string{"M"}}},
		Variants: []contract.ProductVariant{{SKU: "HAT-M", Title: "Hat M", Options: map[string]string{"Size": "M"},
			Price: eur(1000), CompareAt: new(eur(1200)), Barcode: "4006381333931", Grams: 120, Taxable: true,
			RequiresShipping: true, Image: "/media/hat-m.svg"}},
		Images: []contract.ProductImage{{URL: "/media/hat.svg", Alt: "a hat"}}, Status: "active", CreatedAt: at,
		UpdatedAt: at},
	"category-fact": contract.CategoryFact{Handle: "hats", Name: "Hats", Parent: "head"},
	"account-fact": contract.AccountFact{UserFact: contract.UserFact{UserID: "u1", MailID: "m1"}, By: "u1",
		Session: "s1", SecondFactor: "totp"},
	"stock-movement":    contract.StockMovement{Quantity: 2, Order: "o1", Reason: "count", ID: "f1"},
	"feeds":             contract.Feeds{Names: []string{"catalog", "stock-main"}},
	"histories-request": contract.HistoriesRequest{OrderIDs: []string{"o1"}},
	"histories-reply": contract.HistoriesReply{Histories: []contract.History{{OrderID: "o1",
		Events: []contract.HistoryEvent{
			{Seq: 5, Type: contract.PaymentCaptured, Published: true, For: "f1", Amount: 2142},
		}}}},
	"user-fact":        contract.UserFact{UserID: "u1", MailID: "m1"},
	"user-letter":      contract.UserLetter{Email: "ada@example.test", Name: "Ada", Token: "token", RegisteredAt: at},
	"variants-request": contract.VariantsRequest{SKUs: []string{"HAT-M"}},
	"variants-reply": contract.VariantsReply{Variants: []contract.Variant{{SKU: "HAT-M", ProductID: "p1",
		Handle: "hat", Title: "Hat – M",
		Image: "/media/hat.svg", Price: eur(1000), Available: 5, Taxable: true, ShippedGoods: true, Grams: 120}}},
	"quote-request": contract.QuoteRequest{CartID: "c1", ShippingAddress: address, ShippingOption: "standard",
		Renew: true},
	"quote": contract.Quote{CartID: "c1", CartVersion: 3, Lines: []contract.QuoteLine{{SKU: "HAT-M", Title: "Hat – M",
		Quantity: 2, UnitPrice: eur(1000), Taxable: true, Shipped: true, Discount: eur(200), Tax: eur(342),
		Total: eur(2000)}}, Subtotal: eur(2000), Discount: eur(200), Shipping: eur(490), ShippingTax: eur(93),
		Tax: eur(435), Total: eur(2725), ShippingOption: "standard", Coupons: []string{"WELCOME10"}},
	"reservation-request": contract.ReservationRequest{Lines: []contract.Line{{SKU: "HAT-M", Quantity: 2}}, ExpiresAt: at,
		Shown: []contract.Shown{{SKU: "HAT-M", UnitPrice: eur(1000), Taxable: true, Shipped: true}}},
	"shipment-request": contract.ShipmentRequest{ID: "f1", Lines: []contract.Line{{SKU: "HAT-M", Quantity: 2}}},
	"reservation": contract.Reservation{OrderID: "o1", Status: "held",
		Lines: []contract.Line{{SKU: "HAT-M", Quantity: 2}}},
	"out-of-stock-line":  contract.OutOfStockLine{SKU: "HAT-M", Requested: 2, Available: 1},
	"price-changed-line": contract.PriceChangedLine{SKU: "HAT-M", Was: eur(1000), Now: eur(1100)},
	"order-decision":     contract.OrderDecision{OrderID: "o1", Decision: "confirmed"},
}

func TestShapesAreFrozen(t *testing.T) {
	t.Parallel()
	for name, sample := range samples {
		got, err := json.MarshalIndent(sample, "", "  ")
		require.NoError(t, err)
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(bytes.TrimSpace(want)), string(got), name)

		back := reflect.New(reflect.TypeOf(sample))
		require.NoError(t, json.Unmarshal(want, back.Interface()))
		again, err := json.MarshalIndent(back.Elem().Interface(), "", "  ")
		require.NoError(t, err)
		assert.Equal(t, string(got), string(again), "%s survives a round trip", name)
	}
}

func TestSamplesSetEveryMember(t *testing.T) {
	t.Parallel()
	for name, sample := range samples {
		v := reflect.ValueOf(sample)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s leaves %s empty", name, v.Type().Field(i).Name)
			}
		}
	}
}

func TestConcernsFindsTheUserInTheData(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]bool{
		`{"orderId":"o1","customer":"u1"}`: true, `{"userId":"u1"}`: true, `{"orderId":7,"customer":"u1"}`: true,
		`{"orderId":"u1"}`: false, `{"customer":"u2"}`: false, `{}`: false, `7`: false, `"u1"`: false,
	} {
		assert.Equal(t, want, contract.Concerns(contract.Event{Data: json.RawMessage(data)}, "u1"), data)
	}
	assert.False(t, contract.Concerns(contract.Event{Data: json.RawMessage(`{"customer":""}`)}, ""))
}
