package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// composer words the mails of events of one type: one for each, in their order, that there is still something to
// write about.
type composer func(context.Context, []contract.Event) ([]mail.Message, error)

// one composes mails that are worded one by one; errVoid says that there is none.
func (s *Service) one(compose func(context.Context, contract.Event) (mail.Message, error)) composer {
	return func(ctx context.Context, events []contract.Event) (messages []mail.Message, err error) {
		for _, event := range events {
			m, err := compose(ctx, event)
			switch {
			case errors.Is(err, errVoid):
				s.void(ctx, event)
			case err != nil:
				return nil, err
			default:
				messages = append(messages, m)
			}
		}
		return messages, nil
	}
}

// void counts an event that nobody is to be written to about any more.
func (s *Service) void(ctx context.Context, event contract.Event) {
	s.voided.Inc()
	telemetry.Log(ctx).Info().Str("event", event.ID).Str("type", event.Type).Msg("mail not needed any more")
}

// ordersConfirmed asks the orders service, for all of them at once, whom to write to: the events do not say.
func (s *Service) ordersConfirmed(ctx context.Context, events []contract.Event) ([]mail.Message, error) {
	facts := make([]contract.OrderFact, len(events))
	var ask contract.ContactsRequest
	for i, event := range events {
		var err error
		if facts[i], err = confirmedOrder(event); err != nil {
			return nil, err
		}
		ask.OrderIDs = append(ask.OrderIDs, facts[i].OrderID)
	}
	var reply contract.ContactsReply
	if err := sidecar.Call(ctx, s.Invoker, "orders", http.MethodPost, "/internal/contacts", nil, ask, &reply); err != nil {
		return nil, err
	}
	if len(reply.Contacts) != len(events) {
		return nil, fmt.Errorf("asked for %d contacts, got %d", len(events), len(reply.Contacts))
	}
	var messages []mail.Message
	for i, to := range reply.Contacts {
		if to.Erased {
			s.void(ctx, events[i])
			continue
		}
		letter, err := s.confirmation(facts[i], to)
		if err != nil {
			return nil, err
		}
		messages = append(messages, message(events[i], to.ShippingAddress.Name, to.Email, letter))
	}
	return messages, nil
}

func confirmedOrder(event contract.Event) (fact contract.OrderFact, err error) {
	// Texts of decoding errors quote the data: they stay out of the log.
	if json.Unmarshal(event.Data, &fact) != nil {
		return fact, errBadData
	}
	if fact.OrderID == "" || fact.Number == "" || len(fact.Lines) == 0 || !money.Known(fact.Total.Currency) {
		return fact, fmt.Errorf("%w: the order lacks its id, number, lines or currency", errBadData)
	}
	return fact, nil
}

func (s *Service) confirmation(fact contract.OrderFact, to contract.Contact) (letters.Letter, error) {
	a := to.ShippingAddress
	order := letters.Order{
		ID: fact.OrderID, Number: fact.Number, Subtotal: fact.Subtotal, Discount: fact.Discount,
		Shipping: fact.Shipping, Tax: fact.Tax, Total: fact.Total,
		Address: []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.Region, a.Country},
	}
	if fact.Customer == "" {
		order.Token = to.AccessToken
	}
	for _, l := range fact.Lines {
		order.Lines = append(order.Lines, letters.Line{Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: l.Total})
	}
	return s.Letters.OrderConfirmed(order)
}

// userMail asks the users service for what the mail needs: the event has ids alone.
func (s *Service) userMail(write func(name, token string) (letters.Letter, error)) composer {
	return s.one(func(ctx context.Context, event contract.Event) (mail.Message, error) {
		var fact contract.UserFact
		if json.Unmarshal(event.Data, &fact) != nil || fact.MailID == "" {
			return mail.Message{}, errBadData
		}
		var to contract.UserLetter
		err := sidecar.Call(ctx, s.Invoker, "users", http.MethodGet, "/internal/mails/"+url.PathEscape(fact.MailID), nil, nil, &to)
		if fault.Is(err, "not-found") {
			return mail.Message{}, errVoid
		} else if err != nil {
			return mail.Message{}, err
		}
		letter, err := write(to.Name, to.Token)
		return message(event, "", to.Email, letter), err
	})
}

func message(event contract.Event, name, address string, l letters.Letter) mail.Message {
	return mail.Message{ID: event.ID, At: event.At, Name: name, To: address, Subject: l.Subject, Text: l.Text, HTML: l.HTML}
}
