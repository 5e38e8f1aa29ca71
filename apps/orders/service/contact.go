package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/service/vault"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

// How to reach a buyer, and the words that anybody writes about an order, are sealed with the customer's key, or the
// guest's; name and address of an invoice with the year's. This file seals and opens.

// contact is what is sealed of how to reach a buyer. Its names are durable.
type contact struct {
	Email string `json:"email"`
}

// Under these names things are sealed, so that none takes the place of another.
func contactName(orderID string) string      { return "contact/" + orderID }
func invoiceName(orderID string) string      { return "invoice/" + orderID }
func reasonName(orderID, part string) string { return "reason/" + orderID + "/" + part }

// keys are what a placement is sealed with.
type keys struct{ contact, invoice vault.Key }

// errDeleted refuses who still has an access token of an account that is deleted.
var errDeleted = fault.New(fault.Unauthenticated, "invalid-token", "This account is deleted.")

// keysFor gives the keys for a new order, made if need be. read has what was read of vault.Asks.
func (s *Service) keysFor(ctx context.Context, customer string, year int, read map[string]sidecar.Item) (k keys, err error) {
	if k.contact, err = s.Vault.Contact(ctx, customer, read); errors.Is(err, vault.ErrDestroyed) {
		return k, errDeleted
	}
	if err == nil {
		k.invoice, err = s.Vault.Invoice(ctx, year, read)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnread, err)
	}
	return k, err
}

// sealed is the request as the log may have it.
func (s *Service) sealed(k keys, orderID string, p placement) (order.Request, error) {
	email, err := json.Marshal(contact{p.Email})
	if err != nil {
		return order.Request{}, err
	}
	address, err := json.Marshal(p.ShippingAddress)
	if err != nil {
		return order.Request{}, err
	}
	return order.Request{Fingerprint: s.fingerprint(p), Token: p.Payment.Token,
		Contact: k.contact.Seal(email, contactName(orderID)), Invoice: k.invoice.Seal(address, invoiceName(orderID))}, nil
}

// why seals the words that were given for a part of an order, or for the whole. Of a customer whose account is
// deleted none are kept.
func (s *Service) why(ctx context.Context, o order.Order, part, words string) (order.Sealed, error) {
	if words == "" {
		return order.Sealed{}, nil
	}
	key, err := s.contactKey(ctx, o)
	if errors.Is(err, vault.ErrDestroyed) {
		return order.Sealed{}, nil
	} else if err != nil {
		return order.Sealed{}, outage(err)
	}
	return key.Seal([]byte(words), reasonName(o.OrderID, part)), nil
}

func (s *Service) contactKey(ctx context.Context, o order.Order) (vault.Key, error) {
	name := o.Request.Contact.Key
	if name == "" { // of former times
		return s.Vault.Contact(ctx, o.Customer, nil)
	}
	found, err := s.Vault.Keys(ctx, name)
	if key, ok := found[name]; ok || err != nil {
		return key, err
	}
	return vault.Key{}, vault.ErrDestroyed
}

// person is what can be read of who is behind an order: nothing of what was sealed with a key that is destroyed.
type person struct {
	erased  bool // the contact
	email   string
	address contract.Address
	reasons map[string]string // by return
}

// reveal opens what orders have sealed, all with one read of the keys that are not known.
func (s *Service) reveal(ctx context.Context, orders ...order.Order) ([]person, error) {
	var names []string
	for _, o := range orders {
		names = append(names, keyNames(o)...)
	}
	found, err := s.Vault.Keys(ctx, names...)
	if err != nil {
		return nil, outage(err)
	}
	people := make([]person, len(orders))
	for i, o := range orders {
		if people[i], err = open(found, o); err != nil {
			return nil, fmt.Errorf("order %s: %w", o.OrderID, err)
		}
	}
	return people, nil
}

// keyNames are the keys of what a view of the order shows.
func keyNames(o order.Order) (names []string) {
	all := []order.Sealed{o.Request.Contact, o.Request.Invoice}
	for _, r := range o.Returns {
		all = append(all, r.Why)
	}
	for _, s := range all {
		if s.Key != "" && !slices.Contains(names, s.Key) {
			names = append(names, s.Key)
		}
	}
	return names
}

func open(found map[string]vault.Key, o order.Order) (p person, err error) {
	take := func(s order.Sealed, as string, read func([]byte) error) bool {
		key, ok := found[s.Key]
		if !ok || err != nil {
			return false
		}
		var plain []byte
		if plain, err = key.Open(s, as); err == nil {
			err = read(plain)
		}
		return err == nil
	}
	p = person{email: o.Email, address: o.ShippingAddress, reasons: map[string]string{}}
	var to contact
	if take(o.Request.Contact, contactName(o.OrderID), func(b []byte) error { return json.Unmarshal(b, &to) }) {
		p.email = to.Email
	}
	p.erased = p.email == ""
	take(o.Request.Invoice, invoiceName(o.OrderID), func(b []byte) error { return json.Unmarshal(b, &p.address) })
	for _, r := range o.Returns {
		p.reasons[r.ID] = r.Reason
		take(r.Why, reasonName(o.OrderID, r.ID), func(b []byte) error { p.reasons[r.ID] = string(b); return nil })
	}
	return p, err
}

// words opens the reasons of an order's history.
func (s *Service) words(ctx context.Context, orderID string) order.Reveal {
	return func(part string, why order.Sealed) (string, error) {
		found, err := s.Vault.Keys(ctx, why.Key)
		if err != nil {
			return "", outage(err)
		}
		key, ok := found[why.Key]
		if !ok {
			return "", nil
		}
		plain, err := key.Open(why, reasonName(orderID, part))
		return string(plain), err
	}
}

func outage(err error) error {
	return fault.New(fault.Unavailable, "unavailable", "Orders cannot be read just now.").After(time.Second).Because(err)
}

type contactsInput struct{ Body contract.ContactsRequest }

type contactsOutput struct {
	Cache string `header:"Cache-Control"`
	Body  contract.ContactsReply
}

// mountContacts adds what whoever writes mails asks for, inside the mesh only.
func (s *Service) mountContacts(api huma.API) {
	httpx.Register(api, huma.Operation{OperationID: "internal-contacts", Method: http.MethodPost, Path: "/internal/contacts",
		Tags: []string{"Internal"}, Summary: "Who orders are to be written to", Errors: []int{404, 503}}, s.postContacts)
}

func (s *Service) postContacts(ctx context.Context, in *contactsInput) (*contactsOutput, error) {
	orders, err := s.Book.Many(ctx, in.Body.OrderIDs)
	if err != nil {
		return nil, err
	}
	people, err := s.reveal(ctx, orders...)
	if err != nil {
		return nil, err
	}
	out := &contactsOutput{Cache: "no-store", Body: contract.ContactsReply{Contacts: []contract.Contact{}}}
	for i, o := range orders {
		c := contract.Contact{OrderID: o.OrderID, Erased: true}
		if p := people[i]; !p.erased {
			c = contract.Contact{OrderID: o.OrderID, Email: p.email, ShippingAddress: p.address, AccessToken: s.guestToken(o)}
		}
		out.Body.Contacts = append(out.Body.Contacts, c)
	}
	return out, nil
}
