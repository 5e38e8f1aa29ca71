// Package privacy seals the personal data of orders before it is stored, opens it for readers who may see it, and
// erases it. The buyer's e-mail address and the words that people write about an order are sealed with the customer's
// key, or with the guest's; name and address of the invoice with the key of the year. Package vault keeps the keys.
package privacy

import (
	"context"
	"time"

	"haberdash/apps/orders/internal/ids"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Options of PersonalData.
type Options struct {
	Vault        *vault.Vault
	Orders       *orderlog.Repository
	ReadModel    *readmodel.Orders
	IDs          ids.Deriver
	Now          func() time.Time
	InvoiceYears int // for how many calendar years after its own an invoice is kept
}

// PersonalData seals, opens and erases the personal data of orders. It is safe for concurrent use.
type PersonalData struct{ Options }

// New makes the service's PersonalData.
func New(o Options) *PersonalData { return &PersonalData{o} }

// ErrAccountDeleted refuses a customer whose access token is still valid although the account is deleted.
var ErrAccountDeleted = fault.New(fault.Unauthenticated, "invalid-token", "This account is deleted.")

// Export passes each stored document of keys to put exactly once, although several orders share a document: a document
// that changes during the export would otherwise be exported in two versions. A customer's destroyed key
// is exported too, whether or not an order was sealed with it.
func (p *PersonalData) Export(ctx context.Context, put func(sidecar.Item) error) error {
	exported := map[string]bool{}
	putOnce := func(item sidecar.Item) error {
		if exported[item.Key] {
			return nil
		}
		exported[item.Key] = true
		return put(item)
	}
	return p.ReadModel.OrderIDs(ctx, func(orderIDs []string) error {
		orders, err := p.Orders.GetMany(ctx, orderIDs)
		if err != nil {
			return err
		}
		var names []string
		for _, o := range orders {
			names = append(names, keyNames(o)...)
			if o.Customer != "" {
				names = append(names, vault.ContactKeyName(o.Customer))
			}
		}
		return p.Vault.Export(ctx, names, putOnce)
	})
}
