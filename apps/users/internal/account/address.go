package account

import (
	"slices"

	"haberdash/internal/fault"
)

// Address is a postal address of the customer's address book. Country has the form of an ISO 3166-1 alpha-2 code; only
// the cart, which needs it for tax and shipping, checks that the code is assigned.
type Address struct {
	ID, Name, Line1, Line2, City, Region, PostalCode, Country string
}

// NewAddress trims and checks an address. Error: invalid-request (422), with the location of the invalid member.
func NewAddress(id string, a Address) (Address, error) {
	var err error
	for _, part := range []struct {
		location    string
		value       *string
		least, most int
	}{
		{"name", &a.Name, 1, 200}, {"line1", &a.Line1, 1, 200}, {"line2", &a.Line2, 0, 200},
		{"city", &a.City, 1, 200}, {"region", &a.Region, 0, 100}, {"postalCode", &a.PostalCode, 1, 20},
	} {
		if *part.value, err = checkText(part.location, *part.value, part.least, part.most); err != nil {
			return Address{}, err
		}
	}
	if len(a.Country) != 2 || a.Country[0] < 'A' || a.Country[0] > 'Z' || a.Country[1] < 'A' || a.Country[1] > 'Z' {
		return Address{}, fault.BadField("country", "must be a two-letter country code such as DE")
	}
	a.ID = id
	return a, nil
}

// Addresses returns a copy of the address book, oldest first.
func (a *Account) Addresses() []Address { return slices.Clone(a.s.Addresses) }

// AddAddress appends to the address book. Error: too-many-addresses (409), rule 7.
func (a *Account) AddAddress(address Address) error {
	if len(a.s.Addresses) >= MaxAddresses {
		return fault.New(fault.Conflict, "too-many-addresses", "An account keeps at most %d addresses.", MaxAddresses)
	}
	a.s.Addresses = append(slices.Clone(a.s.Addresses), address)
	a.s.Version++
	return nil
}

// ReplaceAddress replaces the address that has address.ID. Error: not-found (404).
func (a *Account) ReplaceAddress(address Address) error {
	i := a.indexOf(address.ID)
	if i < 0 {
		return fault.Missing("address")
	}
	if a.s.Addresses[i] != address {
		a.s.Addresses = slices.Clone(a.s.Addresses)
		a.s.Addresses[i] = address
		a.s.Version++
	}
	return nil
}

// RemoveAddress removes an address from the address book. Error: not-found (404).
func (a *Account) RemoveAddress(id string) error {
	i := a.indexOf(id)
	if i < 0 {
		return fault.Missing("address")
	}
	a.s.Addresses = slices.Delete(slices.Clone(a.s.Addresses), i, i+1)
	a.s.Version++
	return nil
}

func (a *Account) indexOf(id string) int {
	return slices.IndexFunc(a.s.Addresses, func(x Address) bool { return x.ID == id })
}
