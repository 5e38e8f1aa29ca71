package contract

import (
	"encoding/json"
	"errors"
	"time"

	"haberdash/internal/strictjson"
)

// Types of the events on TopicUsers. The aggregate is "user/<id>", the data an AccountFact, of which
// consumers need the UserFact.
const (
	UserVerificationRequested = "user.verification-requested" // with a mail
	UserPasswordResetAsked    = "user.password-reset-asked"   // with a mail
	UserEmailChangeAsked      = "user.email-change-asked"     // with a mail, to the new mailbox
	UserRegistrationRepeated  = "user.registration-repeated"  // with a mail; somebody has registered the mailbox again
	UserEmailChanged          = "user.email-changed"          // with a mail, to the former mailbox
	UserSecondFactorAdded     = "user.second-factor-added"    // with a mail
	UserSecondFactorRemoved   = "user.second-factor-removed"  // with a mail
	UserDeleted               = "user.deleted"                // each service erases its data of the user
)

// UserFact is the data of a user in events. Brokers and logs cannot erase data, so it has ids only: neither personal
// data nor tokens.
type UserFact struct {
	UserID string `json:"userId"`
	MailID string `json:"mailId,omitempty"` // of the mail to send: see UserLetter
}

// AccountFact is all of the data of a user in events: beside the UserFact, who acted.
type AccountFact struct {
	UserFact
	By           string `json:"by,omitempty"`           // id of the user who acted; empty if nobody was signed in
	Session      string `json:"sessionId,omitempty"`    // in which the user acted
	SecondFactor string `json:"secondFactor,omitempty"` // the kind of the factor that was added or removed
}

// DecodeUserFact decodes the data of a user event. The error does not quote the data.
func DecodeUserFact(e Event) (fact UserFact, err error) {
	if strictjson.Unmarshal(e.Data, &fact) != nil || fact.UserID == "" {
		return fact, errors.New("the event's data is not that of a user")
	}
	return fact, nil
}

// UserLetter is the recipient and the token of a mail to a user: GET users/internal/mails/{mailId}. Problem: not-found
// (404) if the mail is not needed any more, because the token was used or has expired, or the account was deleted.
type UserLetter struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Token string `json:"token"` // valid once; without a use in a mail that only informs

	// RegisteredAt is the time of the registration that the token confirms. It is zero in other mails.
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
}

// Concerns reports whether an event's data contains the user id, as its customer or as its user.
func Concerns(e Event, user string) bool {
	var ids struct{ UserID, Customer string }
	return json.Unmarshal(e.Data, &ids) == nil && user != "" && (ids.UserID == user || ids.Customer == user)
}
