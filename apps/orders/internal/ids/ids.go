// Package ids derives ids, access tokens and fingerprints from the service's secret. They are the same on every replica
// and after every restart, so none of them needs to be stored to be found again.
package ids

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Deriver derives values from a secret: see the package comment. It is safe for concurrent use.
type Deriver struct{ secret []byte }

// NewDeriver makes a deriver. Another secret derives other values.
func NewDeriver(secret string) Deriver { return Deriver{[]byte(secret)} }

// encoding is lower-case base32: safe in paths, keys and mails.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// OrderID is the id of the order that a caller places with an idempotency key. Because the same key of the same caller
// is the same order everywhere, the orders log also stores which keys were used.
func (d Deriver) OrderID(caller, key string) string {
	return encoding.EncodeToString(d.mac("order", caller, key)[:20])
}

// PartID is the id of the fulfilment, return or refund (the kind) that a caller adds to an order with an idempotency
// key.
func (d Deriver) PartID(kind, orderID, caller, key string) string {
	return encoding.EncodeToString(d.mac(kind, orderID, caller, key)[:15])
}

// AccessToken lets a guest read the order.
func (d Deriver) AccessToken(orderID string) string {
	return hex.EncodeToString(d.mac("access", orderID))
}

// Mailbox identifies a mailbox where its address must not be stored. It depends on the secret like Fingerprint.
func (d Deriver) Mailbox(address string) string {
	return encoding.EncodeToString(d.mac("mailbox", address)[:20])
}

// Fingerprint identifies the body of a request after decoding, so the order of its members and white space do not
// matter. It depends on the secret: with a plain hash, a reader of the store could guess an address and compare.
// Renaming or reordering the fields of body changes the fingerprint, and repeated requests are refused.
func (d Deriver) Fingerprint(body any) string {
	canonical, err := json.Marshal(body)
	if err != nil {
		panic(err) // bodies are plain structs of strings and numbers
	}
	return hex.EncodeToString(d.mac("request", string(canonical)))
}

// mac is an HMAC-SHA-256 of the parts. Each part has its length in front, so that different lists of parts differ.
func (d Deriver) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, d.secret)
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(strings.ToValidUTF8(p, "?")))
	}
	return h.Sum(nil)
}
