package e2e

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// message is a mail with all its text parts decoded.
type message struct{ to, subject, text string }

// readMails reads the mails to an address.
func readMails(t require.TestingT, dir, to string) []message {
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	require.NoError(t, err)
	var found []message
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		m, err := readMessage(f)
		f.Close()
		require.NoError(t, err, path)
		if m.to == to {
			found = append(found, m)
		}
	}
	return found
}

func readMessage(r io.Reader) (message, error) {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return message{}, err
	}
	to, err := m.Header.AddressList("To")
	if err != nil {
		return message{}, err
	}
	if _, err := m.Header.Date(); err != nil {
		return message{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return message{}, err
	}
	text, err := textOf(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return message{to[0].Address, subject, text}, err
}

// textOf returns the text of a mail or of a part of one. If it has several parts, it returns all of them.
func textOf(contentType, encoding string, body io.Reader) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(kind, "multipart/") {
		var all strings.Builder
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return all.String(), nil
			}
			if err != nil {
				return "", err
			}
			text, err := textOf(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
			if err != nil {
				return "", err
			}
			all.WriteString(text + "\n")
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	return string(b), err
}

// confirmation waits for the mail that confirms an order.
func confirmation(t *testing.T, dir, to, number string) message {
	t.Helper()
	var found message
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		all := readMails(c, dir, to)
		require.Len(c, all, 1, "mails to %s", to)
		found = all[0]
	}, timeout, interval)
	require.Contains(t, found.subject+"\n"+found.text, number)
	return found
}

// Anybody can order for any mailbox, under any name. Its owner gets a bounded number of mails, which link only to the
// shop, and every order is placed.
func TestNobodyIsFloodedWithMailAboutOrders(t *testing.T) {
	c, ctx := guest(t), t.Context()
	const orders, allowance = 14, 10
	sku, victim := importProduct(t, orders), api.NewEmail()
	var numbers []string
	for range orders {
		body := api.NewPlacement(cartWith(t, c, sku), api.Visa)
		body.Email = strings.Replace(victim, "@", "+"+api.NewKey()[:8]+"@", 1)
		body.ShippingAddress.Name, body.ShippingAddress.City = "http://evil.test/win", "www.evil.test win@evil.test"
		answer, err := c.Place(ctx, api.NewKey(), body)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, answer.Status, "%s", answer.Body)
		var order api.Order
		require.NoError(t, answer.Decode(&order))
		numbers = append(numbers, order.Number)
	}
	last := api.NewPlacement(cartWith(t, c, importProduct(t, 1)), api.Visa)
	answer, err := c.Place(ctx, api.NewKey(), last)
	require.NoError(t, err)
	var order api.Order
	require.NoError(t, answer.Decode(&order))
	confirmation(t, sharedShop.MailDir(), last.Email, order.Number) // mails are sent in the order of the log
	about := func(numbers ...string) (found int) {
		files, err := filepath.Glob(filepath.Join(sharedShop.MailDir(), "*.eml"))
		require.NoError(t, err)
		for _, path := range files {
			f, err := os.Open(path)
			require.NoError(t, err)
			m, err := readMessage(f)
			f.Close()
			require.NoError(t, err, path)
			for _, n := range numbers {
				if strings.HasSuffix(m.subject, " "+n) {
					found++
					require.NotContains(t, m.text, "evil.test")
					require.NotContains(t, m.text, "@")
				}
			}
		}
		return found
	}
	require.Equal(t, allowance, about(numbers...))
}
