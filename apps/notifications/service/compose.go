package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// outgoing is a mail that is to be sent.
type outgoing struct {
	mail.Message
	event   string // the type of the event
	mailbox string // whose allowance the mail uses; empty for a mail that the users service has bounded
}

// A composer makes the mails of events of one type, in the order of the events. An event whose mail is not needed any
// more has none.
type composer func(context.Context, []contract.Event) ([]outgoing, error)

// errBadData means that an event can never be made into a mail.
var errBadData = errors.New("the data of the event is invalid")

// skip counts an event whose mail is not needed any more.
func (s *Service) skip(ctx context.Context, event contract.Event) {
	s.metrics.voidOne(event.Type)
	telemetry.Log(ctx).Info().Str(field.EventID, event.ID).Str(field.EventType, event.Type).Msg("mail not needed any more")
}

// composeOrderMails makes the confirmations of orders. It asks the orders service for the recipients of all events with
// one call, because events do not contain personal data.
func (s *Service) composeOrderMails(ctx context.Context, events []contract.Event) ([]outgoing, error) {
	orders := make([]contract.OrderFact, len(events))
	var request contract.ContactsRequest
	for i, event := range events {
		var err error
		if orders[i], err = decodeOrder(event); err != nil {
			return nil, err
		}
		request.OrderIDs = append(request.OrderIDs, orders[i].OrderID)
	}
	var reply contract.ContactsReply
	err := sidecar.Call(ctx, s.Invoker, "orders", http.MethodPost, "/internal/contacts", nil, request, &reply)
	if err != nil {
		return nil, err
	}
	if len(reply.Contacts) != len(events) {
		return nil, fmt.Errorf("asked for %d contacts, got %d", len(events), len(reply.Contacts))
	}
	var mails []outgoing
	for i, contact := range reply.Contacts {
		if contact.Erased {
			s.skip(ctx, events[i])
			continue
		}
		letter, err := s.confirmation(orders[i], contact)
		if err != nil {
			return nil, err
		}
		m := newMail(events[i], contact.Email, letter)
		m.mailbox = contact.Mailbox
		mails = append(mails, m)
	}
	return mails, nil
}

// decodeOrder decodes a confirmed order. Its errors do not quote the event's data, which must not be logged.
func decodeOrder(event contract.Event) (order contract.OrderFact, err error) {
	if order, err = contract.DecodeOrderFact(event); err != nil {
		return order, fmt.Errorf("%w: %w", errBadData, err)
	}
	if order.Number == "" || len(order.Lines) == 0 || !money.Known(order.Total.Currency) {
		return order, fmt.Errorf("%w: the order lacks its number, lines or currency", errBadData)
	}
	return order, nil
}

func (s *Service) confirmation(order contract.OrderFact, contact contract.Contact) (letters.Letter, error) {
	a := contact.ShippingAddress
	o := letters.Order{
		ID: order.OrderID, Number: order.Number, Subtotal: order.Subtotal, Discount: order.Discount,
		Shipping: order.Shipping, Tax: order.Tax, Total: order.Total,
		Address: []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.Region, a.Country},
	}
	if order.Customer == "" {
		o.Token = contact.AccessToken
	}
	for _, l := range order.Lines {
		o.Lines = append(o.Lines,
			letters.Line{Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: l.Total})
	}
	return s.Letters.OrderConfirmed(o)
}

// composeUserMail makes a composer of mails to a user. It asks the users service for the recipient and the token,
// because the event contains ids only.
func (s *Service) composeUserMail(write func(to contract.UserLetter) (letters.Letter, error)) composer {
	return func(ctx context.Context, events []contract.Event) (mails []outgoing, err error) {
		for _, event := range events {
			user, err := contract.DecodeUserFact(event)
			if err != nil || user.MailID == "" {
				return nil, errBadData
			}
			var to contract.UserLetter
			path := "/internal/mails/" + url.PathEscape(user.MailID)
			err = sidecar.Call(ctx, s.Invoker, "users", http.MethodGet, path, nil, nil, &to)
			if fault.Is(err, "not-found") {
				s.skip(ctx, event)
				continue
			} else if err != nil {
				return nil, err
			}
			letter, err := write(to)
			if err != nil {
				return nil, err
			}
			mails = append(mails, newMail(event, to.Email, letter))
		}
		return mails, nil
	}
}

func newMail(event contract.Event, address string, l letters.Letter) outgoing {
	return outgoing{event: event.Type, Message: mail.Message{ID: event.ID, At: event.At, To: address,
		Subject: l.Subject, Text: l.Text, HTML: l.HTML}}
}
