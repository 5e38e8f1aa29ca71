package proxy

import "errors"

// maxNesting bounds how deep objects and arrays of JSON may be nested. Those of the API have up to five levels.
const maxNesting = 64

var errTooDeep = errors.New("nested too deeply")

// nesting measures the depth of JSON while it streams. It does not check the syntax; the app does.
type nesting struct {
	depth            int
	inText, escaping bool // in a string; after a backslash
}

// scan reads the next bytes and reports whether the depth is within maxNesting.
func (n *nesting) scan(p []byte) bool {
	for _, c := range p {
		switch {
		case n.escaping:
			n.escaping = false
		case n.inText:
			n.escaping, n.inText = c == '\\', c != '"'
		case c == '"':
			n.inText = true
		case c == '{' || c == '[':
			if n.depth++; n.depth > maxNesting {
				return false
			}
		case c == '}' || c == ']':
			n.depth--
		}
	}
	return true
}
