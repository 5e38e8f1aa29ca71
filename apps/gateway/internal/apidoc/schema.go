package apidoc

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// field is a parameter, or a member of an object.
type field struct {
	Name, In, Type, Link, Doc, Rules string
	Required                         bool
}

type schema struct {
	Name, Doc string
	Fields    []field
	Alias     *field // the type of a schema that is not an object
}

func schemas(d Document) []schema {
	var all []schema
	list := child(child(d, "components"), "schemas")
	for _, name := range sortedKeys(list) {
		s := asDoc(list[name])
		entry := schema{Name: name, Doc: text(s["description"]), Fields: fields(s)}
		if len(entry.Fields) == 0 {
			f := describeField("", s, true)
			entry.Alias = &f
		}
		all = append(all, entry)
	}
	return all
}

func fields(s Document) []field {
	required, _ := s["required"].([]any)
	var all []field
	for _, name := range sortedKeys(child(s, "properties")) {
		property := asDoc(child(s, "properties")[name])
		all = append(all, describeField(name, property, slices.Contains(required, any(name))))
	}
	return all
}

func describeField(name string, s Document, required bool) field {
	f := field{Name: name, Required: required, Doc: text(s["description"]), Rules: rules(s)}
	f.Type, f.Link = typeOf(s)
	return f
}

// typeOf returns the name of a schema's type, and of the component that it refers to, if any.
func typeOf(s Document) (name, link string) {
	if ref := text(s["$ref"]); ref != "" {
		link = ref[strings.LastIndex(ref, "/")+1:]
		return link, link
	}
	switch t := s["type"].(type) {
	case string:
		name = t
	case []any: // such as ["string", "null"]
		words := make([]string, len(t))
		for i, w := range t {
			words[i] = text(w)
		}
		name = strings.Join(words, " or ")
	}
	if strings.HasPrefix(name, "array") {
		of, to := typeOf(asDoc(s["items"]))
		return "list of " + of, to
	}
	if extra := asDoc(s["additionalProperties"]); name == "object" && extra != nil {
		of, to := typeOf(extra)
		return "object of " + of, to
	}
	for _, word := range []string{"oneOf", "anyOf", "allOf"} {
		if list, _ := s[word].([]any); len(list) > 0 && name == "" {
			return typeOf(asDoc(list[0]))
		}
	}
	if format := text(s["format"]); format != "" {
		name += " (" + format + ")"
	}
	return name, ""
}

var ruleNames = []struct{ key, words string }{
	{"minimum", "at least %v"}, {"maximum", "at most %v"},
	{"minLength", "length at least %v"}, {"maxLength", "length at most %v"},
	{"minItems", "at least %v items"}, {"maxItems", "at most %v items"},
	{"pattern", "matches %v"}, {"default", "default %v"},
}

// rules describes what values a schema permits.
func rules(s Document) string {
	var all []string
	if values, _ := s["enum"].([]any); len(values) > 0 {
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = text(v)
		}
		all = append(all, "one of "+strings.Join(words, ", "))
	}
	for _, r := range ruleNames {
		if v, ok := s[r.key]; ok {
			all = append(all, fmt.Sprintf(r.words, number(v)))
		}
	}
	return strings.Join(all, "; ")
}

// number formats JSON numbers without an exponent: 1000000, not 1e+06.
func number(v any) any {
	if f, ok := v.(float64); ok {
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%f", f), "0"), ".")
	}
	return v
}

// resolve returns the component that s refers to, or s.
func resolve(d, s Document) Document {
	ref, ok := s["$ref"].(string)
	if !ok || !strings.HasPrefix(ref, refPrefix) {
		return s
	}
	section, name, _ := strings.Cut(strings.TrimPrefix(ref, refPrefix), "/")
	return asDoc(child(child(d, "components"), section)[name])
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func sortedKeys(d Document) []string { return slices.Sorted(maps.Keys(d)) }
