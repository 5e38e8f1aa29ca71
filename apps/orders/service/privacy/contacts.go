package privacy

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/emailaddress"
	"haberdash/internal/httpx"
)

// MountContacts serves the addresses of buyers to the service that writes mails. Only other services reach the route.
func (p *PersonalData) MountContacts(api huma.API) {
	httpx.Register(api, huma.Operation{OperationID: "internal-contacts", Method: http.MethodPost,
		Path: "/internal/contacts",
		Tags: []string{"Internal"}, Summary: "The recipients of mails about orders", Errors: []int{404, 503}}, p.postContacts)
}

type contactsInput struct{ Body contract.ContactsRequest }

type contactsOutput struct {
	Cache string `header:"Cache-Control"`
	Body  contract.ContactsReply
}

func (p *PersonalData) postContacts(ctx context.Context, in *contactsInput) (*contactsOutput, error) {
	orders, err := p.Orders.GetMany(ctx, in.Body.OrderIDs)
	if err != nil {
		return nil, err
	}
	people, err := p.Open(ctx, orders...)
	if err != nil {
		return nil, err
	}
	out := &contactsOutput{Cache: "no-store", Body: contract.ContactsReply{Contacts: []contract.Contact{}}}
	for i, o := range orders {
		c := contract.Contact{OrderID: o.OrderID, Erased: true}
		if person := people[i]; person.Email != "" {
			c = contract.Contact{OrderID: o.OrderID, Email: person.Email, ShippingAddress: person.Address,
				Mailbox: p.IDs.Mailbox(emailaddress.Mailbox(person.Email)), AccessToken: p.GuestToken(o)}
		}
		out.Body.Contacts = append(out.Body.Contacts, c)
	}
	return out, nil
}

// GuestToken lets the guest who placed an order read it. It is empty for a customer's order.
func (p *PersonalData) GuestToken(o order.Order) string {
	if o.Customer != "" {
		return ""
	}
	return p.IDs.AccessToken(o.OrderID)
}
