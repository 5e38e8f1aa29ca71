package httpx

import (
	"encoding/base64"
	"encoding/json"

	"haberdash/internal/fault"
)

// Page selects a page of a list. Embed it in the input of an operation.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Items per page"`
	Cursor string `query:"cursor" maxLength:"512" doc:"nextCursor of the page before"`
}

// List is a page of items.
type List[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"nextCursor" doc:"Cursor of the next page, null on the last"`
}

// Cursor encodes the position where the next page begins. Clients treat it as opaque.
func Cursor(position any) *string {
	b, err := json.Marshal(position)
	if err != nil {
		panic(err) // positions are structs that can be encoded
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	return &s
}

// Position decodes the cursor into position, a pointer. Without a cursor it leaves position as it is. A cursor that
// cannot be decoded is the problem invalid-request (422) at query.cursor.
func (p Page) Position(position any) error {
	if p.Cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(b, position)
	}
	if err != nil {
		return fault.BadField("query.cursor", "is not a cursor of this list").Because(err)
	}
	return nil
}
