package product

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Problem is a broken rule: the field, as a JSON path such as variants[2].price.amount, and what is wrong with it.
type Problem struct{ Field, Message string }

// Problems lists what is wrong with a value.
type Problems []Problem

// Err is an invalid-request fault (422) that names up to 20 wrong fields, or nil if nothing is wrong.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	f := fault.New(fault.Invalid, "invalid-request", "The request is not valid.")
	for _, bad := range p[:min(len(p), 20)] {
		f = f.WithField(bad.Field, bad.Message)
	}
	return f
}

// Reason describes the first three problems in one line, for the report of an import.
func (p Problems) Reason() string {
	texts := make([]string, 0, 3)
	for _, bad := range p[:min(len(p), 3)] {
		if bad.Field != "" {
			bad.Message = bad.Field + ": " + bad.Message
		}
		texts = append(texts, bad.Message)
	}
	return strings.Join(texts, "; ")
}

func (p *Problems) add(field, message string, args ...any) {
	*p = append(*p, Problem{field, fmt.Sprintf(message, args...)})
}

// text trims a text and checks it; least and most are its length in characters.
func (p *Problems) text(field string, s *string, least, most int) {
	*s = strings.TrimSpace(*s)
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
	n := utf8.RuneCountInString(*s)
	switch {
	case !utf8.ValidString(*s):
		p.add(field, "is not valid UTF-8")
	case n < least:
		p.add(field, "is missing")
	case n > most:
		p.add(field, "is longer than %d characters", most)
	case strings.IndexFunc(*s, control) >= 0:
		p.add(field, "has control characters")
	}
}

// texts checks a list of texts and drops empty and repeated ones.
func (p *Problems) texts(field string, list *[]string, most, length int) {
	kept := make([]string, 0, len(*list))
	for i, s := range *list {
		p.text(fmt.Sprintf("%s[%d]", field, i), &s, 0, length)
		if s != "" && !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
		if len(kept) > most {
			p.add(field, "must be at most %d", most)
			break
		}
	}
	*list = kept
}

func (p *Problems) price(field string, m money.Money) {
	if !money.Known(m.Currency) {
		p.add(field+".currency", "is not a currency this shop knows")
	}
	if m.Amount < 0 || m.Amount > maxPrice {
		p.add(field+".amount", "must be 0 to %d", maxPrice)
	}
}

// url checks the address of a picture. A local one is a path, which browsers must not read as another host: they treat
// a backslash like a slash, and skip line breaks and tabs (WHATWG URL, section 4.4). Encoded slashes and backslashes
// are refused too where a storefront that decodes them would make another host of the path.
func (p *Problems) url(field, s string) {
	u, err := url.Parse(s)
	valid := err == nil && len(s) <= 2000 && strings.IndexFunc(s, notInURL) < 0 && u.User == nil
	absolute := valid && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
	local := valid && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") &&
		!strings.HasPrefix(u.Path, "//") && !strings.Contains(u.Path, `\`)
	if !absolute && !local {
		p.add(field, "must be an http or https address, or a path of this shop, of at most 2000 bytes")
	}
}

// notInURL reports whether a character must be encoded in a URL, because browsers and other programs read it
// differently.
func notInURL(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) }
