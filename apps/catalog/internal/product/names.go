package product

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxHandle = 255 // bytes
	maxSKU    = 100 // bytes
)

// folded spells the letters that names in Europe use beside a–z.
var folded = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "ø", "o", "å", "a", "œ", "oe",
	"á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ă", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "ğ", "g", "í", "i", "ì", "i", "î", "i",
	"ï", "i", "ı", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o",
	"ő", "o", "ř", "r", "ś", "s", "š", "s", "ş", "s", "ș", "s", "ť", "t", "ț", "t", "ú", "u", "ù", "u",
	"û", "u", "ů", "u", "ű", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z", "'", "", "’", "",
)

// Slug makes a handle of a name: "Crème & Café" becomes "creme-cafe". Letters of other scripts stay.
// The result is empty if the name has neither letter nor digit.
func Slug(name string) string {
	return slug(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }, maxHandle)
}

func slug(name string, keep func(rune) bool, max int) string {
	var b strings.Builder
	dash := false
	for _, r := range folded.Replace(strings.ToLower(name)) {
		if !keep(r) {
			dash = true
			continue
		}
		if dash && b.Len() > 0 {
			b.WriteByte('-')
		}
		dash = false
		if b.Len()+utf8.RuneLen(r) > max {
			break
		}
		b.WriteRune(r)
	}
	return strings.Trim(b.String(), "-")
}

// DeriveSKU makes a SKU for a variant that has none: handle and option values in ASCII, and a short
// hash of them where the result would be taken already, or empty. The same input gives the same SKU as long
// as what is taken stays.
func DeriveSKU(handle string, values []string, taken func(sku string) bool) string {
	ascii := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	parts := make([]string, 0, len(values)+1)
	for _, s := range append([]string{handle}, values...) {
		if s = slug(s, ascii, maxSKU); s != "" {
			parts = append(parts, s)
		}
	}
	sku := strings.ToUpper(strings.Join(parts, "-"))
	if len(parts) == len(values)+1 && len(sku) <= maxSKU && !taken(sku) {
		return sku
	}
	if len(sku) > maxSKU-13 {
		sku = strings.Trim(sku[:maxSKU-13], "-")
	}
	// Another variant's SKU in the way is rare; the same hash in the way is not to be expected.
	sum := sha256.Sum256([]byte(handle + "\x00" + strings.Join(values, "\x00")))
	return strings.TrimPrefix(sku+"-"+strings.ToUpper(hex.EncodeToString(sum[:6])), "-")
}

// CleanHandle makes a proper handle of what a file gives as one; empty if it has nothing to offer.
func CleanHandle(s string) string {
	if s = strings.ToLower(strings.TrimSpace(s)); checkHandle(s) == "" {
		return s
	}
	return Slug(s)
}

// checkHandle gives what is wrong with a handle, or nothing.
func checkHandle(h string) string {
	if h == "" || len(h) > maxHandle {
		return "must have 1 to 255 bytes"
	}
	for i, r := range h {
		inner := r == '-' || r == '_'
		if i == 0 && inner || !inner && !unicode.IsDigit(r) && !unicode.IsMark(r) && !unicode.IsLetter(r) || unicode.ToLower(r) != r {
			return "may have small letters, digits, - and _, and begins with a letter or digit"
		}
	}
	return ""
}

// checkSKU gives what is wrong with a SKU, or nothing. SKUs stand in URLs and keys.
func checkSKU(sku string) string {
	if sku == "" || len(sku) > maxSKU {
		return "must have 1 to 100 characters"
	}
	for _, r := range sku {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" -_.:+()=@,*&~!", r)) {
			return "may have letters a to z, digits, spaces and -_.:+()=@,*&~!"
		}
	}
	if strings.TrimSpace(sku) != sku || strings.Trim(sku, ".") == "" {
		return "must not begin or end with a space, nor be dots alone"
	}
	return ""
}
