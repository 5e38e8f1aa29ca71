package httpx

import (
	"encoding/base64"
	"encoding/json"

	"haberdash/internal/fault"
)

// Page is the paging of a list. Embed it in an input.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Items per page"`
	Cursor string `query:"cursor" maxLength:"512" doc:"nextCursor of the page before"`
}

// List is a page of items.
type List[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"nextCursor" doc:"Cursor of the next page, null on the last"`
}

// Cursor encodes a position for clients, who see it as opaque.
func Cursor(position any) *string {
	b, err := json.Marshal(position)
	if err != nil {
		panic(err) // positions are plain structs
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	return &s
}

// Position decodes a cursor into position; an empty cursor leaves it as it is. A cursor that this
// list did not make is an invalid-request that blames query.cursor.
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
