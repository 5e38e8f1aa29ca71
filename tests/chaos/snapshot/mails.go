package snapshot

import (
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
)

// Mail is a mail in the shop's mail directory. The shop may send a mail more than once, but always to the same file.
type Mail struct{ File, To, Subject string }

func readMails(dir string) (mails []Mail, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		m, err := readMail(path)
		if err != nil {
			return nil, fmt.Errorf("mail %s: %w", filepath.Base(path), err)
		}
		mails = append(mails, m)
	}
	return mails, nil
}

func readMail(path string) (Mail, error) {
	f, err := os.Open(path)
	if err != nil {
		return Mail{}, err
	}
	defer f.Close()
	m, err := mail.ReadMessage(f)
	if err != nil {
		return Mail{}, err
	}
	to, err := m.Header.AddressList("To")
	if err != nil {
		return Mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	return Mail{filepath.Base(path), to[0].Address, subject}, err
}
