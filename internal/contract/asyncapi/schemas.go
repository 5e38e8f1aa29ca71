package asyncapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

// schemas makes JSON Schemas of Go types. They allow members that they do not name, because a new member is no new
// version (see docs/contract.md).
type schemas struct {
	registry huma.Registry
	comments comments
	types    map[string]reflect.Type // by the names of their schemas
}

func newSchemas(c comments) *schemas {
	s := &schemas{comments: c, types: map[string]reflect.Type{}}
	s.registry = huma.NewMapRegistry(schemaPrefix, func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		s.types[name] = t
		return name
	})
	return s
}

// refTo returns a reference to the schema of a type, which is added if it is new.
func (s *schemas) refTo(t reflect.Type) object {
	return ref(s.registry.Schema(t, true, t.Name()).Ref)
}

// all returns the schemas of the types that were asked for, and of those that they refer to, in order of their names.
func (s *schemas) all() (list object, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.registry.Map())) {
		schema, err := s.describe(name, s.registry.Map()[name])
		if err != nil {
			return nil, err
		}
		list = append(list, member{name, schema})
	}
	return list, nil
}

// describe returns the schema of a struct with the comments of the source, and with its members in the order of the
// source.
func (s *schemas) describe(name string, schema *huma.Schema) (object, error) {
	t := s.types[name]
	described := object{{"type", "object"}}.with("description", s.comments[t.Name()])
	var properties object
	for _, f := range reflect.VisibleFields(t) {
		memberName, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := schema.Properties[memberName]
		if f.Anonymous || property == nil {
			continue
		}
		members, err := plain(property)
		if err != nil {
			return nil, err
		}
		owner := t.Name()
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:len(f.Index)-1]).Type.Name()
		}
		comment := s.comments[owner+"."+f.Name]
		switch {
		case comment == "" || property.Description != "":
		case property.Ref != "": // a reference has no siblings before draft 2019-09
			members = map[string]any{"allOf": []any{members}, "description": comment}
		default:
			members["description"] = comment
		}
		properties = append(properties, member{memberName, members})
	}
	described = append(described, member{"properties", properties})
	if len(schema.Required) > 0 {
		described = append(described, member{"required", schema.Required})
	}
	return described, nil
}

// plain returns a schema as maps. References of a member keep no siblings.
func plain(schema *huma.Schema) (members map[string]any, err error) {
	text, err := json.Marshal(schema)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	delete(members, "additionalProperties")
	if schema.AdditionalProperties != nil && schema.Type == huma.TypeObject {
		if of, ok := schema.AdditionalProperties.(*huma.Schema); ok {
			members["additionalProperties"], err = plain(of)
		}
	}
	return members, err
}
