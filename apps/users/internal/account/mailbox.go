package account

// Uses reports whether the mailbox is the account's. It is not if the account was deleted, or has changed to another
// mailbox and this one is not released yet. A nil account uses no mailbox.
func (a *Account) Uses(mailbox Email) bool {
	return a != nil && !a.s.Deleted && a.s.Former != mailbox
}

// Verify marks the mailbox as proven.
func (a *Account) Verify() {
	if !a.s.Verified {
		a.s.Verified = true
		a.s.Version++
	}
}

// ChangeEmail makes another mailbox, which was proven, the account's. The former one is remembered until it is
// released: see ForgetFormerEmail.
func (a *Account) ChangeEmail(to Email) {
	if a.s.Email != to {
		a.s.Email, a.s.Former, a.s.Verified = to, a.s.Email, true
		a.s.Version++
	}
}

// ForgetFormerEmail forgets the former mailbox, which other accounts may have now.
func (a *Account) ForgetFormerEmail() {
	if a.s.Former != "" {
		a.s.Former = ""
		a.s.Version++
	}
}
