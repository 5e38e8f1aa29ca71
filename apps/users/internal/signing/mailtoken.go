package signing

// MailTokens computes the tokens in mails from the ids of the mails. So the token of a mail that is not sent yet is not
// stored anywhere: the store has its digest, and the log and the broker have the id of the mail.
type MailTokens struct{ deriver }

// NewMailTokens derives the key from a secret of any length. It fails only for an empty secret.
func NewMailTokens(secret string) (MailTokens, error) {
	d, err := newDeriver(secret, "haberdash users mailed tokens 1")
	return MailTokens{d}, err
}

// Token returns the token of a mail: 52 letters and digits, which look random without the secret.
func (m MailTokens) Token(mailID string) string { return m.derive(mailID) }
