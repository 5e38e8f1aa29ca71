// Package letters writes the content of mails: the subject, and the same letter as text and as HTML. The templates
// escape everything that is inserted.
package letters

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/netip"
	"net/url"
	"strings"
	text "text/template"

	"haberdash/internal/money"
)

//go:embed templates
var templates embed.FS

// Letter is the content of a mail.
type Letter struct{ Subject, Text, HTML string }

// Line of an order.
type Line struct {
	Title            string
	Quantity         int64
	UnitPrice, Total money.Money
}

// Order is the content of a confirmation. Token is for a guest's order: everybody who has it may read the order.
type Order struct {
	ID, Number, Token                        string
	Lines                                    []Line
	Subtotal, Discount, Shipping, Tax, Total money.Money
	Address                                  []string // lines; empty ones are left out
}

// Writer writes letters. It is safe for concurrent use.
type Writer struct {
	shop string // the URL of the storefront, without a slash at the end
	html *template.Template
	text *text.Template
}

// CheckShop checks the URL of the storefront. It must be an absolute https URL without user, query and fragment. For
// this machine http is enough; elsewhere everybody on the way could read the tokens of the shop's pages.
func CheckShop(shop string) error {
	u, err := url.Parse(shop)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%q is not an absolute http or https URL", shop)
	case u.User != nil:
		return errors.New("the URL contains a user") // perhaps with a password, which no log may contain
	case strings.ContainsAny(shop, "?#"):
		return fmt.Errorf("%q has a query or a fragment", shop)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%q is not https", shop)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// NewWriter makes a writer whose links begin with the URL of the storefront. Error: that of CheckShop.
func NewWriter(shop string) (*Writer, error) {
	err := CheckShop(shop)
	if err != nil {
		return nil, err
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

// OrderConfirmed writes the confirmation of an order.
func (w *Writer) OrderConfirmed(o Order) (Letter, error) {
	return w.letter("order", "Your order "+plain(o.Number), map[string]any{
		"Order": o, "Link": w.link("/orders/"+url.PathEscape(o.ID), o.Token),
	})
}

// Verify writes the letter that asks a new user to confirm their e-mail address.
func (w *Writer) Verify(name, token string) (Letter, error) {
	return w.letter("verify", "Please confirm your e-mail address", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/verify-email", token),
	})
}

// Reset writes the letter that lets a user choose a new password.
func (w *Writer) Reset(name, token string) (Letter, error) {
	return w.letter("reset", "Choose a new password", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/reset-password", token),
	})
}

// ChangeEmail writes the letter that asks a user to confirm a new e-mail address before the account gets it.
func (w *Writer) ChangeEmail(name, token string) (Letter, error) {
	return w.letter("change", "Please confirm your new e-mail address", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/verify-email", token),
	})
}

// EmailChanged writes the letter to the former address after the account has got another one.
func (w *Writer) EmailChanged(name string) (Letter, error) {
	return w.letter("changed", "Your e-mail address was changed", map[string]any{"Name": greeting(name)})
}

// link puts the token into the fragment, which browsers do not send, so that no server logs it.
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
		return Letter{}, fmt.Errorf("write %s: %w", name, err)
	}
	if err := w.html.ExecuteTemplate(&rich, name+".html", data); err != nil {
		return Letter{}, fmt.Errorf("write %s: %w", name, err)
	}
	return Letter{subject, strings.TrimSpace(plain.String()) + "\n", strings.TrimSpace(rich.String()) + "\n"}, nil
}
