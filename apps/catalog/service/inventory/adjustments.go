package inventory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/strictjson"
)

type adjustInput struct {
	SKURef
	Key     string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this change, among the caller's changes"`
	RawBody []byte
	Body    adjustment
}

type adjustment struct {
	Location string `json:"location,omitempty" maxLength:"64" doc:"The default location if missing"`
	Delta    int64  `json:"delta" minimum:"-1000000000" maximum:"1000000000" doc:"Units that come in, or, if negative, go out; not 0"`
	Reason   string `json:"reason" minLength:"1" maxLength:"500" pattern:"\\S"`
}

var errKeyMissing = fault.New(fault.Malformed, "idempotency-key-required",
	"Send an Idempotency-Key header, so that a repetition cannot count twice.").
	WithField("header.Idempotency-Key", "required")

var errDelta = fault.New(fault.Invalid, "invalid-quantity",
	"A change of stock is a whole number from 1 to %d, or the negative of one.", stock.MaxQuantity).
	WithField("delta", "expected a whole number in range, not 0")

// Resolve implements huma.Resolver. It words the problems of the key and of the delta.
func (in *adjustInput) Resolve(huma.Context) []error {
	if in.Key == "" {
		return []error{httpx.NewProblem(errKeyMissing)}
	}
	var body map[string]json.RawMessage
	if err := strictjson.Unmarshal(in.RawBody, &body); err != nil {
		return nil // another problem says so
	}
	delta, err := strconv.ParseInt(string(bytes.TrimSpace(body["delta"])), 10, 64)
	if err != nil || delta == 0 || delta > stock.MaxQuantity || delta < -stock.MaxQuantity {
		return []error{httpx.NewProblem(errDelta)}
	}
	return nil
}

// adjustStock changes a level once per caller and key. A repetition gets the first answer, even if the level has
// changed since.
func (s *Service) adjustStock(ctx context.Context, in *adjustInput) (*stockOutput, error) {
	// Staff may have deleted the product a moment ago, through another replica.
	if err := s.Catalogue.CatchUp(ctx); err != nil {
		return nil, err
	}
	if err := s.requireKnown(ctx, in.SKU); err != nil {
		return nil, err
	}
	at, ok := s.Stock.Find(in.Body.Location)
	if !ok {
		return nil, fault.BadField("location", "there is no such location")
	}
	levels, err := s.levels(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	in.Body.Location = at.Location()
	note, err := json.Marshal(levels)
	if err != nil {
		return nil, err
	}
	receipt, err := s.Stock.Adjust(ctx, at, ledger.Adjustment{
		ID: adjustmentID(identity.Of(ctx).UserID, in.Key), Fingerprint: fingerprint(in.SKU, in.Body),
		Moves: []ledger.Move{{SKU: in.SKU, Delta: in.Body.Delta, Reason: in.Body.Reason}}, Note: note,
	})
	if errors.Is(err, ledger.ErrKeyReused) {
		err = ledger.ErrKeyReused.WithField("header.Idempotency-Key", "was used for another request")
	}
	if err != nil {
		return nil, err
	}
	failpoint.Reach(afterAdjust)
	if err := json.Unmarshal(receipt.Note, &levels); err != nil {
		return nil, err
	}
	for i, l := range levels { // the levels of other locations are those that were read before
		if l.Location == at.Location() {
			levels[i].OnHand, levels[i].Reserved = receipt.Levels[in.SKU].OnHand, receipt.Levels[in.SKU].Reserved
		}
	}
	out := show(in.SKU, levels)
	if receipt.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// adjustmentID makes the idempotency key of a caller unique among all callers.
func adjustmentID(user, key string) string {
	sum := sha256.Sum256([]byte(user + "\x00" + key))
	return hex.EncodeToString(sum[:])
}

func fingerprint(sku string, a adjustment) string {
	return resource.Digest(struct {
		SKU string
		adjustment
	}{sku, a})
}
