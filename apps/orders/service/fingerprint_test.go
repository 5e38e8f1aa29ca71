package service

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// Fingerprints are stored. If the same request had another fingerprint in a later release, its repetition would be
// refused.
func TestFingerprintsOfRequestsStayTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	id := read(t, f.place("k", "c", "tok_visa", ada...)).ID
	path := "/api/v1/orders/" + id
	back := map[string]any{"lines": []contract.Line{{SKU: "HAT", Quantity: 1}}, "reason": "my head is small"}
	refund := map[string]any{"amount": money.New(1, "EUR"), "reason": "friend of Babbage"}
	f.requireStatus(f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), withKey("f", staff)...), http.StatusCreated)
	f.requireStatus(f.do(http.MethodPost, path+"/returns", back, withKey("b", ada)...), http.StatusCreated)
	f.requireStatus(f.do(http.MethodPost, path+"/refunds", refund, withKey("r", staff)...), http.StatusCreated)
	state, _, err := f.log.Get(t.Context(), "order/"+id)
	require.NoError(t, err)
	o := state.Order
	assert.Equal(t, "2eb5290f8a279361a3ca83b4dd51ea09068167bafe116c597b2839425d9a654a", o.Request.Fingerprint)
	assert.Equal(t, "1a605a293f5d80f110839940932f4b89059b60a0c152bd9e7d7d87c3cdee2258", o.Fulfilments[0].Fingerprint)
	assert.Equal(t, "51f3c2cbe65a9d6246ae2ad6ccf3554979421c0d12f7fb8489359a16e7a6d703", o.Returns[0].Fingerprint)
	assert.Equal(t, "db639b79cf88d92b6192236637a4c21a6f7b8795c753cb27c08d66fda7c2152d", o.Refunds[0].Fingerprint)
	assert.Equal(t, []string{"cih3nqb22b63mp52oxwc2d2o", "mqhla73fropb3cu6tfa4cbxs", "ltvtuqegknposaxx4dg4hekl"},
		[]string{o.Fulfilments[0].ID, o.Returns[0].ID, o.Refunds[0].ID})
}
