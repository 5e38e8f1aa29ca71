package e2e

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// letter is a mail with all its text parts decoded.
type letter struct{ to, subject, text string }

// letters reads the mails to an address.
func letters(t require.TestingT, dir, to string) []letter {
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	require.NoError(t, err)
	var found []letter
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		l, err := readLetter(f)
		f.Close()
		require.NoError(t, err, path)
		if l.to == to {
			found = append(found, l)
		}
	}
	return found
}

func readLetter(r io.Reader) (letter, error) {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return letter{}, err
	}
	to, err := m.Header.AddressList("To")
	if err != nil {
		return letter{}, err
	}
	if _, err := m.Header.Date(); err != nil {
		return letter{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return letter{}, err
	}
	text, err := textOf(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return letter{to[0].Address, subject, text}, err
}

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

// confirmation waits for the mail that tells of an order.
func confirmation(t *testing.T, dir, to, number string) letter {
	t.Helper()
	var found letter
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		all := letters(c, dir, to)
		require.Len(c, all, 1, "mails to %s", to)
		found = all[0]
	}, soon, tick)
	require.Contains(t, found.subject+"\n"+found.text, number)
	return found
}
