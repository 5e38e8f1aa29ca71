package profile

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/view"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

// SavedAddress is an entry of the caller's address book.
type SavedAddress struct {
	ID string `json:"id"`
	contract.Address
}

type addressInput struct {
	Body contract.Address
}

type oneAddressInput struct {
	view.IDInput
	Body contract.Address
}

type addressReply struct {
	Body SavedAddress
}

type addressList struct {
	Body httpx.List[SavedAddress]
}

func parseAddress(id string, a contract.Address) (account.Address, error) {
	return account.NewAddress(id, account.Address{Name: a.Name, Line1: a.Line1, Line2: a.Line2, City: a.City,
		Region: a.Region, PostalCode: a.PostalCode, Country: a.Country})
}

func savedAddress(a account.Address) SavedAddress {
	return SavedAddress{a.ID, contract.Address{Name: a.Name, Line1: a.Line1, Line2: a.Line2, City: a.City,
		Region: a.Region, PostalCode: a.PostalCode, Country: a.Country}}
}

func (s *Service) mountAddresses(api huma.API) {
	httpx.Register(api, view.OwnOperation("list-addresses", http.MethodGet, "/addresses",
		"The caller's address book", 200), s.handleListAddresses)
	httpx.Register(api, view.OwnOperation("add-address", http.MethodPost, "/addresses", "Add an address", 201, 409),
		s.handleAddAddress)
	httpx.Register(api, view.OwnOperation("replace-address", http.MethodPut, "/addresses/{id}",
		"Replace an address", 200), s.handleReplaceAddress)
	httpx.Register(api, view.OwnOperation("remove-address", http.MethodDelete, "/addresses/{id}",
		"Remove an address", 204), s.handleRemoveAddress)
}

func (s *Service) handleListAddresses(ctx context.Context, in *pageInput) (*addressList, error) {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	all := []SavedAddress{}
	for _, address := range a.Addresses() {
		all = append(all, savedAddress(address))
	}
	page, err := view.Page(all, in.Page, func(x SavedAddress) string { return x.ID })
	return &addressList{page}, err
}

func (s *Service) handleAddAddress(ctx context.Context, in *addressInput) (*addressReply, error) {
	address, err := parseAddress(s.NewID(), in.Body)
	if err != nil {
		return nil, err
	}
	if _, err := s.changeAccount(ctx, func(a *account.Account) error { return a.AddAddress(address) }); err != nil {
		return nil, err
	}
	return &addressReply{savedAddress(address)}, nil
}

func (s *Service) handleReplaceAddress(ctx context.Context, in *oneAddressInput) (*addressReply, error) {
	address, err := parseAddress(in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	if _, err := s.changeAccount(ctx, func(a *account.Account) error { return a.ReplaceAddress(address) }); err != nil {
		return nil, err
	}
	return &addressReply{savedAddress(address)}, nil
}

func (s *Service) handleRemoveAddress(ctx context.Context, in *view.IDInput) (*struct{}, error) {
	_, err := s.changeAccount(ctx, func(a *account.Account) error { return a.RemoveAddress(in.ID) })
	return nil, err
}
