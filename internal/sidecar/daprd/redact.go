package daprd

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
)

// The path and the query of a call stay out of errors, because errors are logged. They can have secrets, such as the id
// of a guest's cart, and what a person has searched for.

// withoutAddress returns the reason of an error of net/http, without the address of the request.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// pathInText is the path and the query of an address in a text.
var pathInText = regexp.MustCompile(`(https?://[^/?\s"']+)[^\s"']*`)

// reasonOfSidecar returns what the sidecar says in the body of an error, without paths.
func reasonOfSidecar(body []byte) string {
	var said struct{ ErrorCode, Message string }
	if err := json.Unmarshal(body, &said); err != nil {
		return "the sidecar's error is no JSON"
	}
	return said.ErrorCode + ": " + pathInText.ReplaceAllString(said.Message, "$1")
}
