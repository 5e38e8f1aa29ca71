package snapshot

import (
	"context"
	"encoding/json"
	"net/http"

	"haberdash/tests/psp"
)

// Account is the sum of the payment provider's accounts of one order. Amounts are in minor units.
type Account struct {
	Reserved, Captured, Refunded int64
	Authorisations, Captures     int   // numbers of movements
	AuthorisedAmount             int64 // of the last authorisation
}

// Accounts returns the payment provider's accounts by order.
func (s *Snapshot) Accounts() map[string]Account {
	sums := map[string]Account{}
	for _, i := range s.Ledger.Intents {
		a := sums[i.Order]
		a.Reserved, a.Captured, a.Refunded = a.Reserved+i.Reserved, a.Captured+i.Captured, a.Refunded+i.Refunded
		for _, m := range i.Movements {
			a.count(m)
		}
		sums[i.Order] = a
	}
	return sums
}

func (a *Account) count(m psp.Movement) {
	switch m.Kind {
	case "authorized":
		a.Authorisations++
		a.AuthorisedAmount = m.Amount
	case "captured":
		a.Captures++
	}
}

func (r *reader) readLedger(ctx context.Context, s *Snapshot) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.shop.Provider.URL()+"/ledger", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(&s.Ledger)
}
