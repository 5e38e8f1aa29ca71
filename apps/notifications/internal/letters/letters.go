// Package letters writes the content of mails: the subject, and the same letter as text and as HTML. The templates
// escape everything that is inserted.
package letters

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	text "text/template"
	"time"

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

// NewWriter makes a writer whose links begin with the URL of the storefront.
func NewWriter(shop string) (*Writer, error) {
	var err error
	functions := map[string]any{"money": Amount, "plain": oneLine}
	w := &Writer{shop: strings.TrimRight(shop, "/")}
	if w.html, err = template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"); err != nil {
		return nil, err
	}
	if w.text, err = text.New("").Funcs(functions).ParseFS(templates, "templates/*.txt"); err != nil {
		return nil, err
	}
	return w, nil
}

// OrderConfirmed writes the confirmation of an order. A stranger may have written the address.
func (w *Writer) OrderConfirmed(o Order) (Letter, error) {
	o.Number = harmless(o.Number, maxName)
	o.Lines, o.Address = slices.Clone(o.Lines), slices.Clone(o.Address)
	for i := range o.Lines {
		o.Lines[i].Title = harmless(o.Lines[i].Title, maxTitle)
	}
	for i := range o.Address {
		o.Address[i] = harmless(o.Address[i], maxLine)
	}
	return w.letter("order", "Your order "+o.Number, map[string]any{
		"Order": o, "Link": w.link("/orders/"+url.PathEscape(o.ID), o.Token),
	})
}

// Verify writes the letter that asks a new user to confirm their e-mail address. It names the time of the registration,
// because somebody else may have registered the address too, with another password. A zero time is left out.
func (w *Writer) Verify(name, token string, registered time.Time) (Letter, error) {
	at := ""
	if !registered.IsZero() {
		at = registered.UTC().Format("2 January 2006, 15:04:05 UTC")
	}
	return w.letter("verify", "Please confirm your e-mail address", map[string]any{
		"Name": greeting(name), "Token": token, "Link": w.link("/verify-email", token), "Registered": at,
	})
}

// RegistrationRepeated writes the letter to the owner of an account whose e-mail address somebody has registered again.
func (w *Writer) RegistrationRepeated(name string) (Letter, error) {
	return w.letter("repeated", "You have an account with us already", map[string]any{
		"Name": greeting(name), "SignIn": w.link("/login", ""), "Forgot": w.link("/forgot-password", ""),
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

// SecondFactorAdded writes the letter after the account has got a second factor.
func (w *Writer) SecondFactorAdded(name string) (Letter, error) {
	return w.letter("factor-added", "Your account has a new second factor", map[string]any{"Name": greeting(name)})
}

// SecondFactorRemoved writes the letter after a second factor was removed from the account.
func (w *Writer) SecondFactorRemoved(name string) (Letter, error) {
	return w.letter("factor-removed", "A second factor was removed", map[string]any{"Name": greeting(name)})
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
