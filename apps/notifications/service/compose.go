package service

import (
	"context"
	"encoding/json"
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
)

func (s *Service) orderConfirmed(_ context.Context, event contract.Event) (mail.Message, error) {
	var fact contract.OrderFact
	// Texts of decoding errors quote the data: they stay out of the log.
	if json.Unmarshal(event.Data, &fact) != nil {
		return mail.Message{}, errBadData
	}
	if fact.OrderID == "" || fact.Number == "" || len(fact.Lines) == 0 || !money.Known(fact.Total.Currency) {
		return mail.Message{}, fmt.Errorf("%w: the order lacks its id, number, lines or currency", errBadData)
	}
	a := fact.ShippingAddress
	order := letters.Order{
		ID: fact.OrderID, Number: fact.Number, Subtotal: fact.Subtotal, Discount: fact.Discount,
		Shipping: fact.Shipping, Tax: fact.Tax, Total: fact.Total,
		Address: []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.Region, a.Country},
	}
	if fact.Customer == "" {
		order.Token = fact.AccessToken
	}
	for _, l := range fact.Lines {
		order.Lines = append(order.Lines, letters.Line{Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: l.Total})
	}
	letter, err := s.Letters.OrderConfirmed(order)
	return message(event, a.Name, fact.Email, letter), err
}

// userMail asks the users service for what the mail needs: the event has ids alone.
func (s *Service) userMail(write func(name, token string) (letters.Letter, error)) composer {
	return func(ctx context.Context, event contract.Event) (mail.Message, error) {
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
	}
}

func message(event contract.Event, name, address string, l letters.Letter) mail.Message {
	return mail.Message{ID: event.ID, At: event.At, Name: name, To: address, Subject: l.Subject, Text: l.Text, HTML: l.HTML}
}
