package mail

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/emailaddress"
)

var (
	shop = mail.Address{Name: "Haberdash", Address: "shop@haberdash.test"}
	at   = time.Date(2026, 3, 1, 12, 30, 0, 0, time.FixedZone("CET", 3600))
)

func valid() Message {
	return Message{ID: "orders/0/12/1", At: at, To: "zoe@example.com", Subject: "Your order “H-1”",
		Text: "Grüße\n=token\n.\nFrom here", HTML: "<p>Grüße</p>"}
}

type part struct{ kind, body string }

// parse decodes a message as a mail program does.
func parse(t require.TestingT, raw []byte) (mail.Header, []part) {
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	var parts []part
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, parts
		}
		require.NoError(t, err)
		require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		require.NoError(t, err)
		parts = append(parts, part{p.Header.Get("Content-Type"), strings.ReplaceAll(string(body), "\r\n", "\n")})
	}
}

func TestAComposedMessageCanBeDecoded(t *testing.T) {
	t.Parallel()
	raw, err := Compose(shop, valid())
	require.NoError(t, err)
	h, parts := parse(t, raw)
	to, err := h.AddressList("To")
	require.NoError(t, err)
	assert.Equal(t, []*mail.Address{{Address: "zoe@example.com"}}, to)
	from, err := h.AddressList("From")
	require.NoError(t, err)
	assert.Equal(t, []*mail.Address{&shop}, from)
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	require.NoError(t, err)
	assert.Equal(t, "Your order “H-1”", subject)
	date, err := h.Date()
	require.NoError(t, err)
	assert.True(t, date.Equal(at))
	assert.Regexp(t, `^<[0-9a-f]{32}@haberdash\.test>$`, h.Get("Message-ID"))
	assert.Equal(t, "auto-generated", h.Get("Auto-Submitted"))
	assert.Equal(t, "All", h.Get("X-Auto-Response-Suppress"))
	assert.Equal(t, []part{{"text/plain; charset=UTF-8", valid().Text}, {"text/html; charset=UTF-8", valid().HTML}}, parts)
	for _, line := range strings.Split(string(raw), "\r\n") {
		assert.LessOrEqual(t, len(line), 78)
		assert.NotContains(t, line, "\n")
	}

	second, err := Compose(shop, valid())
	require.NoError(t, err)
	assert.Equal(t, raw, second, "the same event makes the same bytes")
	assert.Equal(t, "20260301T113000Z-orders-0-12-1-"+valid().digest()[:8]+".eml", valid().FileName())
}

func TestNoTextCanAddAHeaderOrRecipient(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := valid()
		nasty := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"x\r\nBcc: e@vil.test\r\n\r\nhi", `a" <e@vil.test>, "b`, "=?utf-8?q?=0ABcc?="}))
		m.Subject, m.Text, m.HTML = nasty.Draw(t, "subject"), nasty.Draw(t, "text"), nasty.Draw(t, "html")
		raw, err := Compose(shop, m)
		require.NoError(t, err)
		h, parts := parse(t, raw)
		assert.Len(t, h, 9, "%v", h)
		assert.Len(t, parts, 2)
		to, err := h.AddressList("To")
		require.NoError(t, err, h.Get("To"))
		require.Len(t, to, 1)
		assert.Equal(t, "zoe@example.com", to[0].Address)
	})
}

func TestInvalidAddressesAreUnsendable(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"", "zoe", "a@b, c@d", "a@b;c@d", "Zoë <a@b.test>", "a@b\r\nBcc: c@d", `"a b"@c.test`,
		"a@b (c)", strings.Repeat("a", 250) + "@b.test", "josé@example.com", "a@[127.0.0.1]", " a@b.test"} {
		m := valid()
		m.To = to
		_, err := Compose(shop, m)
		assert.ErrorIs(t, err, ErrUnsendable, to)
		if to != "" {
			assert.NotContains(t, err.Error(), to)
		}
	}
	timeless, nameless := valid(), valid()
	timeless.At, nameless.ID = time.Time{}, ""
	for _, m := range []Message{timeless, nameless} {
		_, err := Compose(shop, m)
		assert.ErrorIs(t, err, ErrUnsendable)
	}
}

// An address that orders and users accept goes to a mail server as one mailbox, with both senders. Dapr's SMTP binding
// encodes the address like a subject and reads it again (gomail.v2).
func TestEveryAcceptedAddressCanBeSent(t *testing.T) {
	t.Parallel()
	mailbox := regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*" +
		`@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	part := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9]{1,70}`), rapid.SampledFrom([]string{
		"a", "Z", ".", "-", "_", "+", "=?utf-8?q?a?=", `"`, `\`, ";", ",", " ", "\t", "\r\n", "\x00", "é", "ß", "\u00a0",
		"\u202e", "\u200d", "(x)", "<", ">", "[192.0.2.1]", "127.0.0.1", "xn--", "ä", "。", "example", "com", ".test", "@"}))
	text := func(t *rapid.T, label string) string {
		return strings.Join(rapid.SliceOfN(part, 1, 5).Draw(t, label), "")
	}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		m := valid()
		top := rapid.SampledFrom([]string{"", ".test", ".example"}).Draw(t, "top")
		m.To = text(t, "local") + "@" + text(t, "domain") + top
		if strings.TrimSpace(m.To) != m.To {
			return
		}
		to, err := emailaddress.Deliverable(m.To)
		b := &binder{}
		for _, kind := range []string{"files", "smtp"} {
			sender, _ := NewSender(kind, shop.String(), b)
			sent := sender.Send(context.Background(), m)
			require.Equal(t, err != nil, errors.Is(sent, ErrUnsendable), "%v", sent)
			require.Equal(t, err == nil, sent == nil)
		}
		if err != nil {
			require.Nil(t, b.data)
			return
		}
		accepted++
		raw, err := Compose(shop, m)
		require.NoError(t, err)
		h, _ := parse(t, raw)
		list, err := h.AddressList("To")
		require.NoError(t, err)
		require.Equal(t, []*mail.Address{{Address: to}}, list)
		require.Equal(t, to, b.metadata["emailTo"])
		read, err := mail.ParseAddress(mime.QEncoding.Encode("UTF-8", to))
		require.NoError(t, err)
		require.Equal(t, to, read.Address)
		require.Regexp(t, mailbox, to)
		require.LessOrEqual(t, len(to), 254)
		require.LessOrEqual(t, strings.LastIndexByte(to, '@'), 64)
	})
	require.NotZero(t, accepted)
}

// Only the answers that concern one recipient are final. A wrong setting concerns all mails, which wait.
func TestARefusedRecipientIsUnsendable(t *testing.T) {
	t.Parallel()
	b := &binder{}
	sender, err := NewSender("smtp", shop.String(), b)
	require.NoError(t, err)
	const binding = "error invoking output binding mail: error from smtp binding, sending email failed: "
	for text, final := range map[string]bool{
		"gomail: could not send email 1: 550 5.1.1 <zoe@example.com>: no such user": true,
		"gomail: could not send email 1: 553 bad mailbox":                           true,
		"gomail: could not send email 1: 450 4.2.0 greylisted, see 550 ":            false,
		"gomail: could not send email 1: 554 5.7.1 relay access denied":             false,
		"535 5.7.8 authentication failed":                                           false,
		"dial tcp: connection refused":                                              false,
	} {
		b.err = errors.New(binding + text)
		err := sender.Send(t.Context(), valid())
		require.Error(t, err)
		assert.Equal(t, final, errors.Is(err, ErrUnsendable), text)
		assert.NotContains(t, err.Error(), "zoe@")
	}
}

// binder records the last message, and fails on demand.
type binder struct {
	mu       sync.Mutex
	err      error
	data     []byte
	metadata map[string]string
	busy     bool
}

func (b *binder) Bind(_ context.Context, binding, operation string, data []byte, metadata map[string]string) error {
	b.mu.Lock()
	if b.busy || binding != Binding || operation != "create" {
		panic("two calls at the same time, or the wrong binding")
	}
	b.busy = true
	b.mu.Unlock()
	defer func() { b.busy = false }()
	b.data, b.metadata = data, metadata
	return b.err
}

func TestSendersUseTheBinding(t *testing.T) {
	t.Parallel()
	b := &binder{}
	files, err := NewSender("files", shop.String(), b)
	require.NoError(t, err)
	require.NoError(t, files.Send(t.Context(), valid()))
	raw, _ := Compose(shop, valid())
	assert.Equal(t, raw, b.data)
	assert.Equal(t, map[string]string{"fileName": valid().FileName()}, b.metadata)

	smtp, err := NewSender("smtp", shop.String(), b)
	require.NoError(t, err)
	m := valid()
	m.Subject = "a\r\nb"
	require.NoError(t, smtp.Send(t.Context(), m))
	assert.Equal(t, m.HTML, string(b.data))
	assert.Equal(t, map[string]string{"emailFrom": shop.String(), "emailTo": "zoe@example.com", "subject": "a b"},
		b.metadata)

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.NoError(t, smtp.Send(t.Context(), valid())) })
	}
	wg.Wait()

	b.err = errors.New("550 <zoe@example.com> unknown")
	for _, s := range []Sender{files, smtp} {
		assert.EqualError(t, s.Send(t.Context(), valid()), "550 <(receiver)> unknown")
		m.To = "nobody"
		assert.ErrorIs(t, s.Send(t.Context(), m), ErrUnsendable)
	}
	for _, wrong := range [][2]string{{"pigeon", shop.String()}, {"files", "nobody"}, {"files", ""}} {
		_, err := NewSender(wrong[0], wrong[1], b)
		assert.Error(t, err)
	}
}
