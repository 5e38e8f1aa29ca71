// Package letters words the mails: what they say as text and as HTML, from templates that escape
// whatever is put into them.
package letters

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	text "text/template"

	"haberdash/internal/money"
)

//go:embed templates
var templates embed.FS

// Letter is a mail's content.
type Letter struct{ Subject, Text, HTML string }

// Line of an order.
type Line struct {
	Title            string
	Quantity         int64
	UnitPrice, Total money.Money
}

// Order is what a confirmation tells. Token, of a guest's order, lets its holder read it.
type Order struct {
	ID, Number, Token                        string
	Lines                                    []Line
	Subtotal, Discount, Shipping, Tax, Total money.Money
	Address                                  []string // the lines of an envelope; empty ones are left out
}

// Writer words letters of one shop.
type Writer struct {
	shop string // URL without a slash at its end
	html *template.Template
	text *text.Template
}

// NewWriter makes a writer whose links lead to the shop's URL.
func NewWriter(shop string) (*Writer, error) {
	u, err := url.Parse(shop)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("SHOP_URL is not an http or https address: %q", shop)
	}
	functions := map[string]any{"money": Amount, "plain": plain}
	w := &Writer{shop: strings.TrimRight(shop, "/")}
	if w.html, err = template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"); err != nil {
		return nil, err
	}
	if w.text, err = text.New("").Funcs(functions).ParseFS(templates, "templates/*.txt"); err != nil {
		return nil, err
	}
	return w, nil
}

// OrderConfirmed is the confirmation of an order.
func (w *Writer) OrderConfirmed(o Order) (Letter, error) {
	return w.letter("order", "Your order "+plain(o.Number), map[string]any{
		"Order": o, "Link": w.link("/orders/"+url.PathEscape(o.ID), o.Token),
	})
}

// Verify asks a new user to prove that the address is theirs.
func (w *Writer) Verify(name, token string) (Letter, error) {
	return w.letter("verify", "Please confirm your e-mail address", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/verify-email", token),
	})
}

// Reset lets a user choose a new password.
func (w *Writer) Reset(name, token string) (Letter, error) {
	return w.letter("reset", "Choose a new password", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/reset-password", token),
	})
}

// ChangeEmail asks a user to prove a new address, to which the account then moves.
func (w *Writer) ChangeEmail(name, token string) (Letter, error) {
	return w.letter("change", "Please confirm your new e-mail address", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/verify-email", token),
	})
}

// EmailChanged tells a user, at the former address, that the account has another one.
func (w *Writer) EmailChanged(name string) (Letter, error) {
	return w.letter("changed", "Your e-mail address was changed", map[string]any{"Name": greeting(name)})
}

// link carries the token in the fragment, which browsers do not send: it stays out of servers' logs.
func (w *Writer) link(path, token string) string {
	if token == "" {
		return w.shop + path
	}
	return w.shop + path + "#token=" + url.QueryEscape(token)
}

func (w *Writer) letter(name, subject string, data map[string]any) (Letter, error) {
	var plain, rich strings.Builder
	data["Subject"] = subject
	if err := w.text.ExecuteTemplate(&plain, name+".txt", data); err != nil {
		return Letter{}, fmt.Errorf("word %s: %w", name, err)
	}
	if err := w.html.ExecuteTemplate(&rich, name+".html", data); err != nil {
		return Letter{}, fmt.Errorf("word %s: %w", name, err)
	}
	return Letter{subject, strings.TrimSpace(plain.String()) + "\n", strings.TrimSpace(rich.String()) + "\n"}, nil
}
