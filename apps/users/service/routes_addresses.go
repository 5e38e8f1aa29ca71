package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

// SavedAddress is an entry of the caller's address book.
type SavedAddress struct {
	ID string `json:"id"`
	contract.Address
}

func addressOf(id string, a contract.Address) (account.Address, error) {
	return account.NewAddress(id, account.Address{Name: a.Name, Line1: a.Line1, Line2: a.Line2, City: a.City,
		Region: a.Region, PostalCode: a.PostalCode, Country: a.Country})
}

func addressView(a account.Address) SavedAddress {
	return SavedAddress{a.ID, contract.Address{Name: a.Name, Line1: a.Line1, Line2: a.Line2, City: a.City,
		Region: a.Region, PostalCode: a.PostalCode, Country: a.Country}}
}

type addressInput struct {
	Body contract.Address
}

type oneAddressInput struct {
	IDInput
	Body contract.Address
}

type addressReply struct {
	Body SavedAddress
}

type addressList struct {
	Body httpx.List[SavedAddress]
}

func (s *Service) mountAddresses(api huma.API) {
	httpx.Register(api, own("list-addresses", http.MethodGet, "/addresses", "The caller's address book", 200), func(ctx context.Context, in *struct{ httpx.Page }) (*addressList, error) {
		a, _, err := s.me(ctx)
		if err != nil {
			return nil, err
		}
		views := []SavedAddress{}
		for _, x := range a.Addresses() {
			views = append(views, addressView(x))
		}
		items, next, err := paged(views, in.Page, func(x SavedAddress) string { return x.ID })
		return &addressList{httpx.List[SavedAddress]{Items: items, NextCursor: next}}, err
	})
	httpx.Register(api, own("add-address", http.MethodPost, "/addresses", "Add an address", 201, 409), func(ctx context.Context, in *addressInput) (*addressReply, error) {
		address, err := addressOf(s.newID(), in.Body)
		if err != nil {
			return nil, err
		}
		if _, err := s.change(ctx, func(a *account.Account) error { return a.AddAddress(address) }); err != nil {
			return nil, err
		}
		return &addressReply{addressView(address)}, nil
	})
	httpx.Register(api, own("replace-address", http.MethodPut, "/addresses/{id}", "Replace an address", 200), func(ctx context.Context, in *oneAddressInput) (*addressReply, error) {
		address, err := addressOf(in.ID, in.Body)
		if err != nil {
			return nil, err
		}
		if _, err := s.change(ctx, func(a *account.Account) error { return a.ReplaceAddress(address) }); err != nil {
			return nil, err
		}
		return &addressReply{addressView(address)}, nil
	})
	httpx.Register(api, own("remove-address", http.MethodDelete, "/addresses/{id}", "Remove an address", 204), func(ctx context.Context, in *IDInput) (*struct{}, error) {
		_, err := s.change(ctx, func(a *account.Account) error { return a.RemoveAddress(in.ID) })
		return nil, err
	})
}
