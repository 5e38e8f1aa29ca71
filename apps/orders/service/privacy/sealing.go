package privacy

import (
	"context"
	"encoding/json"
	"errors"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// contact is how the buyer's e-mail address is sealed. Its JSON names are stored data.
type contact struct {
	Email string `json:"email"`
}

// Names under which values are sealed, so that no sealed value can be put in the place of another.
func contactName(orderID string) string      { return "contact/" + orderID }
func invoiceName(orderID string) string      { return "invoice/" + orderID }
func reasonName(orderID, part string) string { return "reason/" + orderID + "/" + part }

// Keys are the keys of a new order.
type Keys struct{ contact, invoice vault.Key }

// KeysFor returns the keys for a new order of this year, and makes them if necessary. read has what was read of
// vault.DocumentsFor. Problem: invalid-token (401), if the customer's account is deleted.
func (p *PersonalData) KeysFor(ctx context.Context, customer string, year int,
	read map[string]sidecar.Item) (k Keys, err error) {
	k.contact, err = p.Vault.ContactKey(ctx, customer, read)
	if errors.Is(err, vault.ErrDestroyed) {
		return k, ErrAccountDeleted
	}
	if err == nil {
		k.invoice, err = p.Vault.InvoiceKey(ctx, year, read)
	}
	return k, err
}

// SealContact seals the buyer's e-mail address, and the address on the invoice.
func (k Keys) SealContact(orderID, email string,
	address contract.Address) (contactData, invoiceData order.Sealed, err error) {
	contactJSON, err := json.Marshal(contact{email})
	if err != nil {
		return contactData, invoiceData, err
	}
	invoiceJSON, err := json.Marshal(address)
	if err != nil {
		return contactData, invoiceData, err
	}
	return k.contact.Seal(contactJSON, contactName(orderID)), k.invoice.Seal(invoiceJSON, invoiceName(orderID)), nil
}

// SealReason seals the reason that a person gives for a part of an order, or with an empty part for the whole order. If
// the customer's account is deleted, the reason is dropped.
func (p *PersonalData) SealReason(ctx context.Context, o order.Order, part, reason string) (order.Sealed, error) {
	if reason == "" {
		return order.Sealed{}, nil
	}
	key, err := p.contactKey(ctx, o)
	if errors.Is(err, vault.ErrDestroyed) {
		return order.Sealed{}, nil
	} else if err != nil {
		return order.Sealed{}, err
	}
	return key.Seal([]byte(reason), reasonName(o.OrderID, part)), nil
}

func (p *PersonalData) contactKey(ctx context.Context, o order.Order) (vault.Key, error) {
	name := o.Request.Contact.Key
	if name == "" { // an order from before contacts were sealed
		return p.Vault.ContactKey(ctx, o.Customer, nil)
	}
	found, err := p.Vault.Keys(ctx, name)
	if key, ok := found[name]; ok || err != nil {
		return key, err
	}
	return vault.Key{}, vault.ErrDestroyed
}
