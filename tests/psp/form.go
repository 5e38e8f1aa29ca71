package psp

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxForm = 64 << 10

// form is the parameters of a request. It records which parameters the endpoint reads, because all others are unknown
// parameters.
type form struct {
	values      url.Values
	known       map[string]bool
	bad         *result // the refusal of the first wrong parameter; nil if there is none
	fingerprint string  // hash of the endpoint and the parameters
}

// readForm reads the parameters of a request: from the query of a GET request, and from the body of others.
func readForm(r *http.Request) (*form, *apiError) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(raw) > maxForm {
		return nil, &apiError{Type: invalidRequest, Message: "The request body cannot be read."}
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil || r.Method == http.MethodGet && len(raw) > 0 {
		return nil, &apiError{Type: invalidRequest, Message: "The request body is not form-encoded."}
	}
	if r.Method == http.MethodGet {
		values = r.URL.Query()
	}
	sum := sha256.Sum256([]byte(r.Method + " " + r.URL.Path + "?" + values.Encode()))
	return &form{values: values, known: map[string]bool{}, fingerprint: hex.EncodeToString(sum[:])}, nil
}

func emptyForm() *form { return &form{known: map[string]bool{}} }

// text reads a parameter; empty if it is missing.
func (f *form) text(name string) string {
	f.known[name] = true
	return f.values.Get(name)
}

// required reads a parameter that must not be missing.
func (f *form) required(name string) string {
	v := f.text(name)
	if v == "" {
		f.fail(invalid(name, "parameter_missing", "Missing required param: %s.", name))
	}
	return v
}

// choice reads a parameter that has one of the given values. The first is the default.
func (f *form) choice(name string, values ...string) string {
	v := f.text(name)
	if v == "" {
		return values[0]
	}
	if !slices.Contains(values, v) {
		f.fail(invalid(name, "", "Invalid %s: must be one of %s", name, strings.Join(values, ", ")))
	}
	return v
}

// integer reads a number that is not negative. missing is the value of a missing parameter.
func (f *form) integer(name string, missing int64) int64 {
	v := f.text(name)
	if v == "" {
		return missing
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		f.fail(invalid(name, "parameter_invalid_integer", "Invalid integer: %s", v))
	}
	return n
}

// metadata reads metadata[name]=value, within Stripe's limits.
func (f *form) metadata() map[string]string {
	m := map[string]string{}
	for name, values := range f.values {
		inner, ok := strings.CutPrefix(name, "metadata[")
		if inner, ok = cutSuffixIf(inner, "]", ok); !ok {
			continue
		}
		f.known[name] = true
		if inner == "" || len(inner) > 40 || len(values[0]) > 500 {
			f.fail(invalid(name, "", "Metadata names have up to 40 characters, values up to 500."))
		}
		m[inner] = values[0]
	}
	return m
}

func cutSuffixIf(s, suffix string, ok bool) (string, bool) {
	if !ok {
		return s, false
	}
	return strings.CutSuffix(s, suffix)
}

// list reads a list, whose items are parameters such as name[]=… or name[0]=….
func (f *form) list(name string) []string {
	var all []string
	for key, values := range f.values {
		if index, ok := strings.CutPrefix(key, name+"["); ok && strings.HasSuffix(index, "]") {
			f.known[key] = true
			all = append(all, values...)
		}
	}
	return all
}

// expanded reports whether the parameter expand contains path. For the items of a list, it contains data.path.
func (f *form) expanded(path string) bool {
	all := f.list("expand")
	return slices.Contains(all, path) || slices.Contains(all, "data."+path)
}

// fail records the refusal of a parameter. The first one counts.
func (f *form) fail(res result) {
	if f.bad == nil {
		f.bad = &res
	}
}

// checked returns res, or a refusal if a parameter is wrong or unknown.
func (f *form) checked(res result) result {
	f.list("expand")
	for name := range f.values {
		if !f.known[name] {
			f.fail(invalid(name, "parameter_unknown", "Received unknown parameter: %s", name))
		}
	}
	if f.bad != nil {
		return *f.bad
	}
	return res
}
