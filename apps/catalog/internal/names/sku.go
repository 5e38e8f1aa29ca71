package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const maxSKU = 100 // bytes

// DeriveSKU makes a SKU for a variant that has none, of the product's handle and the variant's option values in ASCII.
// It adds a short hash of them where the SKU would be taken or a part would be empty. The same input gives the same SKU
// as long as the same SKUs are taken.
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
	// That another variant has the SKU with the hash too is not to be expected.
	sum := sha256.Sum256([]byte(handle + "\x00" + strings.Join(values, "\x00")))
	return strings.TrimPrefix(sku+"-"+strings.ToUpper(hex.EncodeToString(sum[:6])), "-")
}

// CheckSKU says what is wrong with a SKU, which is part of addresses and store keys. It returns an empty string for a
// valid one.
func CheckSKU(sku string) string {
	if sku == "" || len(sku) > maxSKU {
		return "must have 1 to 100 characters"
	}
	for _, r := range sku {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && !strings.ContainsRune(" -_.:+()=@,*&~!", r) {
			return "may have letters a to z, digits, spaces and -_.:+()=@,*&~!"
		}
	}
	if strings.TrimSpace(sku) != sku || strings.Trim(sku, ".") == "" {
		return "must not begin or end with a space, nor be dots alone"
	}
	return ""
}
