package roster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Joined is what the apps of the shop know of an app that has joined it: see docs/joining.md.
type Joined struct {
	App         string   `json:"app"`
	Serves      []string `json:"serves,omitempty"`      // public addresses, in the syntax of chi
	OpenAPI     string   `json:"openapi,omitempty"`     // path of its description of them
	DeadLetters bool     `json:"deadLetters,omitempty"` // it follows topics
}

// JoinedApps are the apps that have joined a shop. In a variable they are a JSON array.
type JoinedApps []Joined

var validID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,38}[a-z0-9]$`)

// IsID reports whether a text can be the name of an app that joins: a Dapr app id that is also a part of addresses.
func IsID(text string) bool { return validID.MatchString(text) }

// UnmarshalText reads the JSON array. It refuses an app with the name, or with an address, of one of the shop.
func (j *JoinedApps) UnmarshalText(text []byte) error {
	var list []Joined
	if len(text) > 0 {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&list); err != nil {
			return fmt.Errorf("apps that join are a JSON array: %w", err)
		}
	}
	for i, app := range list {
		if _, own := Find(app.App); own || !IsID(app.App) {
			return fmt.Errorf("%q is not a name for an app that joins", app.App)
		}
		if slices.ContainsFunc(list[:i], func(other Joined) bool { return other.App == app.App }) {
			return fmt.Errorf("the app %q is there twice", app.App)
		}
		for _, pattern := range app.Serves {
			if base := "/api/v1/" + app.App; pattern != base && !strings.HasPrefix(pattern, base+"/") {
				return fmt.Errorf("%q of the app %s is not below %s", pattern, app.App, base)
			}
		}
		if len(app.Serves) > 0 && IsServed("/api/v1/"+app.App) {
			return fmt.Errorf("/api/v1/%s belongs to the shop", app.App)
		}
	}
	*j = list
	return nil
}

// IsServed reports whether an app of the shop serves addresses at or below a path.
func IsServed(base string) bool {
	for _, app := range IDs() {
		for _, pattern := range PublicPatterns(app) {
			if exact := strings.TrimSuffix(pattern, "/*"); exact == base || strings.HasPrefix(exact, base+"/") {
				return true
			}
		}
	}
	return false
}

// Patterns returns the address patterns that the gateway routes to the app.
func (j Joined) Patterns() []string {
	patterns := slices.Clone(j.Serves)
	if j.DeadLetters {
		patterns = append(patterns, "/api/v1/dead-letters/"+j.App, "/api/v1/dead-letters/"+j.App+"/*")
	}
	return patterns
}
