// Package names makes and checks the names of the catalogue: handles, which name products and categories in addresses,
// and SKUs, which name variants.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxHandle is the length of a handle in bytes.
const MaxHandle = 255

// transliterated spells the letters that European names use beside a to z.
var transliterated = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "ø", "o", "å", "a", "œ", "oe",
	"á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ă", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "ğ", "g", "í", "i", "ì", "i", "î", "i",
	"ï", "i", "ı", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o",
	"ő", "o", "ř", "r", "ś", "s", "š", "s", "ş", "s", "ș", "s", "ť", "t", "ț", "t", "ú", "u", "ù", "u",
	"û", "u", "ů", "u", "ű", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z", "'", "", "’", "",
)

// Slug makes a handle of a name: "Crème & Café" becomes "creme-cafe". Letters of other scripts stay. The result is
// empty if the name has neither a letter nor a digit.
func Slug(name string) string {
	keep := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return slug(name, keep, MaxHandle)
}

func slug(name string, keep func(rune) bool, maxBytes int) string {
	var b strings.Builder
	dash := false
	for _, r := range transliterated.Replace(strings.ToLower(name)) {
		if !keep(r) {
			dash = true
			continue
		}
		if dash && b.Len() > 0 {
			b.WriteByte('-')
		}
		dash = false
		if b.Len()+utf8.RuneLen(r) > maxBytes {
			break
		}
		b.WriteRune(r)
	}
	return strings.Trim(b.String(), "-")
}

// CleanHandle makes a valid handle of a text that should be one: the text in small letters if that is valid, else its
// slug, which may be empty.
func CleanHandle(s string) string {
	if s = strings.ToLower(strings.TrimSpace(s)); CheckHandle(s) == "" {
		return s
	}
	return Slug(s)
}

// CheckHandle says what is wrong with a handle. It returns an empty string for a valid one.
func CheckHandle(h string) string {
	if h == "" || len(h) > MaxHandle {
		return "must have 1 to 255 bytes"
	}
	for i, r := range h {
		inner := r == '-' || r == '_'
		alphanumeric := unicode.IsDigit(r) || unicode.IsMark(r) || unicode.IsLetter(r)
		if i == 0 && inner || !inner && !alphanumeric || unicode.ToLower(r) != r {
			return "may have small letters, digits, - and _, and begins with a letter or digit"
		}
	}
	return ""
}
