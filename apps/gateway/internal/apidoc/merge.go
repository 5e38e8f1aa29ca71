// Package apidoc merges the OpenAPI documents of the services into one OpenAPI 3.1 document, and renders it as a
// page.
package apidoc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Document is an OpenAPI document, decoded from JSON.
type Document = map[string]any

// Source is one service's document.
type Source struct {
	Service string
	Doc     Document
	// Joined is set for an app that has joined the shop. Its components never change the names of others: all of them
	// have the app's name as a prefix.
	Joined bool
}

// Parse decodes a document. It fails if b is not a JSON object with paths.
func Parse(b []byte) (Document, error) {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	if _, ok := d["paths"].(Document); !ok {
		return nil, fmt.Errorf("OpenAPI document: no paths")
	}
	return d, nil
}

// Merge merges the public parts of the documents under a title and a version. A path belongs to the first source that
// has it. If components of the same name differ between services, the service's name becomes a prefix of theirs.
// Components that no public path refers to are left out. Merge does not change the sources.
func Merge(title, version string, sources []Source, public func(service, path string) bool) Document {
	paths, components := Document{}, Document{}
	clashing := clashes(sources)
	operationIDs := map[string]bool{}
	for _, s := range sources {
		rename := func(section, name string) string {
			if clashing[section+"/"+name] || s.Joined && section != securitySchemes {
				return capital(s.Service) + name
			}
			return name
		}
		picked := Document{}
		for path, item := range child(s.Doc, "paths") {
			if _, taken := paths[path]; !taken && public(s.Service, path) {
				picked[path] = renamed(item, rename)
			}
		}
		for path, item := range picked {
			uniqueIDs(item, s.Service, operationIDs)
			paths[path] = item
		}
		for section, entries := range child(s.Doc, "components") {
			into := child(components, section)
			components[section] = into
			for name, entry := range asDoc(entries) {
				if _, taken := into[rename(section, name)]; !taken || !s.Joined {
					into[rename(section, name)] = renamed(entry, rename)
				}
			}
		}
	}
	prune(paths, components)
	return Document{
		"openapi":    "3.1.0",
		"info":       Document{"title": title, "version": version},
		"servers":    []any{Document{"url": "/"}},
		"paths":      paths,
		"components": components,
	}
}

// clashes returns the components ("schemas/Money") that mean different things in different sources: components that
// differ, and components that refer to them.
func clashes(sources []Source) map[string]bool {
	seen, clashing, entries := Document{}, map[string]bool{}, map[string][]any{}
	for _, s := range sources {
		if s.Joined {
			continue
		}
		for section, list := range child(s.Doc, "components") {
			for name, entry := range asDoc(list) {
				key := section + "/" + name
				if other, ok := seen[key]; ok && !reflect.DeepEqual(other, entry) {
					clashing[key] = true
				}
				seen[key] = entry
				entries[key] = append(entries[key], entry)
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for key, list := range entries {
			if clashing[key] || len(list) < 2 {
				continue
			}
			walkRefs(list[0], func(ref string) {
				if clashing[ref] {
					clashing[key], grown = true, true
				}
			})
		}
	}
	return clashing
}

const refPrefix = "#/components/"

// securitySchemes is the section whose components operations name without a reference.
const securitySchemes = "securitySchemes"

// Tag describes a group of operations.
type Tag struct{ Name, Description string }

// Introduce adds a description of the whole document and of its tags.
func Introduce(d Document, description string, tags []Tag) {
	asDoc(d["info"])["description"] = description
	list := make([]any, len(tags))
	for i, t := range tags {
		list[i] = Document{"name": t.Name, "description": t.Description}
	}
	d["tags"] = list
}

// walkRefs calls visit with each reference in v, such as "schemas/Money".
func walkRefs(v any, visit func(ref string)) {
	switch v := v.(type) {
	case Document:
		for k, e := range v {
			if ref, ok := e.(string); ok && k == "$ref" && strings.HasPrefix(ref, refPrefix) {
				visit(strings.TrimPrefix(ref, refPrefix))
			}
			walkRefs(e, visit)
		}
	case []any:
		for _, e := range v {
			walkRefs(e, visit)
		}
	}
}

// renamed returns a copy of v with its references renamed.
func renamed(v any, rename func(section, name string) string) any {
	switch v := v.(type) {
	case Document:
		c := make(Document, len(v))
		for k, e := range v {
			if k == "patternDescription" { // Huma adds it; JSON Schema has no such keyword
				continue
			}
			if ref, ok := e.(string); ok && k == "$ref" && strings.HasPrefix(ref, refPrefix) {
				section, name, _ := strings.Cut(strings.TrimPrefix(ref, refPrefix), "/")
				c[k] = refPrefix + section + "/" + rename(section, name)
				continue
			}
			c[k] = renamed(e, rename)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = renamed(e, rename)
		}
		return c
	}
	return v
}

// uniqueIDs adds the service's name to operation ids that are taken, because they must be unique (OpenAPI 3.1,
// section 4.8.10).
func uniqueIDs(item any, service string, taken map[string]bool) {
	for _, op := range asDoc(item) {
		if o, ok := op.(Document); ok {
			id, _ := o["operationId"].(string)
			if id != "" && taken[id] {
				id = service + "-" + id
				o["operationId"] = id
			}
			taken[id] = true
		}
	}
}

// prune removes the components that no path refers to. It keeps the security schemes, which operations name without a
// reference.
func prune(paths, components Document) {
	needed := map[string]bool{}
	var need func(ref string)
	need = func(ref string) {
		if needed[ref] {
			return
		}
		needed[ref] = true
		section, name, _ := strings.Cut(ref, "/")
		walkRefs(child(components, section)[name], need)
	}
	walkRefs(paths, need)
	for section, entries := range components {
		if section == securitySchemes {
			continue
		}
		for name := range asDoc(entries) {
			if !needed[section+"/"+name] {
				delete(asDoc(entries), name)
			}
		}
	}
}

// child returns an object within d, or an empty one.
func child(d Document, name string) Document {
	if c := asDoc(d[name]); c != nil {
		return c
	}
	return Document{}
}

func asDoc(v any) Document { d, _ := v.(Document); return d }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
