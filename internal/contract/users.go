package contract

import (
	"encoding/json"
	"errors"
)

// Types of the events on TopicUsers. The aggregate is "user/<id>", the data a UserFact.
const (
	UserVerificationRequested = "user.verification-requested" // with a mail
	UserPasswordResetAsked    = "user.password-reset-asked"   // with a mail
	UserEmailChangeAsked      = "user.email-change-asked"     // with a mail, to the new mailbox
	UserEmailChanged          = "user.email-changed"          // with a mail, to the former one
	UserDeleted               = "user.deleted"                // whoever keeps anything of the user erases it
)

// UserFact is what other services learn of a user: ids. Brokers and logs keep what they are given, so nothing of
// the person goes there, and no token.
type UserFact struct {
	UserID string `json:"userId"`
	MailID string `json:"mailId,omitempty"` // of the mail to be written: see UserLetter
}

// DecodeUserFact reads the data of a user event.
func DecodeUserFact(e Event) (fact UserFact, err error) {
	if json.Unmarshal(e.Data, &fact) != nil || fact.UserID == "" {
		return fact, errors.New("the event's data is not that of a user")
	}
	return fact, nil
}

// UserLetter is what a mail to a user needs: GET users/internal/mails/{mailId}. Problem: not-found (404), when
// there is nothing to be written any more: the token was used, has expired, or the account is deleted.
type UserLetter struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Token string `json:"token"` // serves once; for nothing, where a mail only tells
}

// Concerns reports whether an event's data names the user: as its customer, or as the user it is about.
func Concerns(e Event, user string) bool {
	var named struct{ UserID, Customer string }
	return json.Unmarshal(e.Data, &named) == nil && user != "" && (named.UserID == user || named.Customer == user)
}
