package service

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCategoriesAreEditedByStaff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	assert.Equal(t, "[]", string(f.call("GET", "/api/v1/categories", "").body))
	made := f.call("POST", "staff /api/v1/categories", `{"name":"Hats & Caps"}`)
	require.Equal(t, 201, made.status, "%s", made.body)
	assert.Equal(t, "hats-caps", made.json(t)["handle"])
	below := `{"handle":"felt","name":"Felt","parent":"hats-caps"}`
	assert.Equal(t, 201, f.call("POST", "staff /api/v1/categories", below).status)
	for body, want := range map[string]string{
		`{"name":"Felt"}`:              "409 conflict body.handle",
		`{"name":"x","parent":"none"}`: "422 invalid-request body.parent",
		`{"name":""}`:                  "422 invalid-request body.name",
		`{"name":"!"}`:                 "422 invalid-request body.handle",
		`{"nom":"x"}`:                  "422",
	} {
		a := f.call("POST", "staff /api/v1/categories", body)
		assert.Contains(t, fmt.Sprint(a.status, " ", a.problem()), want, body)
	}
	f.add(strings.Replace(hat, `{"title"`, `{"categories":["felt"],"title"`, 1))
	assert.JSONEq(t, `[{"handle":"hats-caps","name":"Hats & Caps","productCount":1,
		"children":[{"handle":"felt","name":"Felt","productCount":1,"children":[]}]}]`,
		string(f.call("GET", "/api/v1/categories", "").body))
	const felt = "staff /api/v1/categories/felt"
	tag := f.call("GET", "/api/v1/categories/felt", "").header.Get("ETag")
	put := f.call("PUT", felt, `{"name":"Felt hats"}`, "If-Match: "+tag)
	require.Equal(t, 200, put.status, "%s", put.body)
	assert.Equal(t, 412, f.call("PUT", felt, `{"name":"x"}`, "If-Match: "+tag).status)
	inUse := f.call("DELETE", felt, "")
	assert.Equal(t, "409 category-in-use", fmt.Sprint(inUse.status, " ", inUse.problem()))
	assert.Equal(t, 204, f.call("DELETE", "staff /api/v1/categories/hats-caps", "").status)
	assert.Equal(t, 404, f.call("DELETE", "staff /api/v1/categories/hats-caps", "").status)
}
