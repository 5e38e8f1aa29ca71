// Package api has the reviewed description of the public API. A test compares it with the running shop.
package api

import _ "embed"

// OpenAPI is the OpenAPI document.
//
//go:embed openapi.json
var OpenAPI []byte
