package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/contract"
)

// Person is what can be read of the personal data of an order. Data whose key is destroyed is empty.
type Person struct {
	Email   string
	Address contract.Address
	Reasons map[string]string // by the id of the return
}

// Open opens the personal data of orders. All keys that are not cached are read together.
func (p *PersonalData) Open(ctx context.Context, orders ...order.Order) ([]Person, error) {
	var names []string
	for _, o := range orders {
		names = append(names, keyNames(o)...)
	}
	keys, err := p.Vault.Keys(ctx, names...)
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(orders))
	for i, o := range orders {
		if people[i], err = openPerson(keys, o); err != nil {
			return nil, fmt.Errorf("order %s: %w", o.OrderID, err)
		}
	}
	return people, nil
}

// keyNames names the keys of what a Person has.
func keyNames(o order.Order) (names []string) {
	sealed := []order.Sealed{o.Request.Contact, o.Request.Invoice}
	for _, r := range o.Returns {
		sealed = append(sealed, r.SealedReason)
	}
	for _, s := range sealed {
		if s.Key != "" && !slices.Contains(names, s.Key) {
			names = append(names, s.Key)
		}
	}
	return names
}

// openPerson starts with the data that old orders have in the clear.
func openPerson(keys map[string]vault.Key, o order.Order) (Person, error) {
	p := Person{Email: o.Email, Address: o.ShippingAddress, Reasons: map[string]string{}}
	c := contact{Email: o.Email}
	failed := []error{
		openValue(keys, o.Request.Contact, contactName(o.OrderID),
			func(plain []byte) error { return json.Unmarshal(plain, &c) }),
		openValue(keys, o.Request.Invoice, invoiceName(o.OrderID),
			func(plain []byte) error { return json.Unmarshal(plain, &p.Address) }),
	}
	p.Email = c.Email
	for _, r := range o.Returns {
		p.Reasons[r.ID] = r.Reason
		failed = append(failed, openValue(keys, r.SealedReason, reasonName(o.OrderID, r.ID), func(plain []byte) error {
			p.Reasons[r.ID] = string(plain)
			return nil
		}))
	}
	return p, errors.Join(failed...)
}

// openValue passes a sealed value to read, unless its key is destroyed.
func openValue(keys map[string]vault.Key, s order.Sealed, name string, read func(plain []byte) error) error {
	key, ok := keys[s.Key]
	if !ok {
		return nil
	}
	plain, err := key.Open(s, name)
	if err != nil {
		return err
	}
	return read(plain)
}

// OpenReasons opens the reasons in an order's history.
func (p *PersonalData) OpenReasons(ctx context.Context, orderID string) readmodel.OpenReason {
	return func(part string, reason order.Sealed) (string, error) {
		keys, err := p.Vault.Keys(ctx, reason.Key)
		if err != nil {
			return "", err
		}
		key, ok := keys[reason.Key]
		if !ok {
			return "", nil
		}
		plain, err := key.Open(reason, reasonName(orderID, part))
		return string(plain), err
	}
}
