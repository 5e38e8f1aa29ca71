package privacy

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// EraseCustomer destroys the key of a customer whose account is deleted, and so erases what it sealed. A repetition
// changes nothing.
func (p *PersonalData) EraseCustomer(ctx context.Context, customer string) error {
	return p.Vault.Destroy(ctx, vault.ContactKeyName(customer))
}

// MountErasures serves the erasures that an operator requests and that follow from no deletion of an account. Only the
// service's own sidecar may call the routes.
func (p *PersonalData) MountErasures(api huma.API) {
	op := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/internal/erasures" + path, Summary: summary,
			Tags: []string{"Internal"}, DefaultStatus: http.StatusNoContent, Errors: []int{404, 409, 422, 503}}
	}
	httpx.Register(api, op("internal-erase-guest", "/orders/{id}", "Erase the personal data of a guest's order"),
		p.eraseGuest)
	httpx.Register(api, op("internal-erase-invoices", "/invoices/{year}",
		"Erase the names and addresses of a year's invoices"),
		p.eraseInvoices)
}

type eraseGuestInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

func (p *PersonalData) eraseGuest(ctx context.Context, in *eraseGuestInput) (*struct{}, error) {
	o, _, err := p.Orders.Recent(ctx, in.ID) // its keys never change
	switch {
	case err != nil:
		return nil, err
	case o.Customer != "":
		return nil, fault.New(fault.Conflict, "not-a-guest",
			"This is a customer's order. It is erased when the customer's account is deleted.")
	case o.Request.Contact.Key == "":
		return nil, fault.New(fault.Conflict, "not-sealed",
			"This order was placed before contacts were sealed. Its contact cannot be erased.")
	}
	return nil, p.Vault.Destroy(ctx, o.Request.Contact.Key)
}

type eraseInvoicesInput struct {
	Year int `path:"year" minimum:"2000" maximum:"9999"`
}

// eraseInvoices refuses a year whose invoices must still be kept: until the end of the calendar year that is
// InvoiceYears later.
func (p *PersonalData) eraseInvoices(ctx context.Context, in *eraseInvoicesInput) (*struct{}, error) {
	if until := in.Year + p.InvoiceYears; p.Now().UTC().Year() <= until {
		return nil, fault.New(fault.Conflict, "still-kept", "Invoices of %d are kept until the end of %d.", in.Year, until).
			With("until", until)
	}
	return nil, p.Vault.Destroy(ctx, vault.InvoiceKeyName(in.Year))
}
