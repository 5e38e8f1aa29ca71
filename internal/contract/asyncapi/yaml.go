package asyncapi

import (
	"bytes"
	"reflect"

	"gopkg.in/yaml.v3"
)

// object is a mapping in YAML with its members in order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalYAML implements yaml.Marshaler.
func (o object) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range o {
		key, value := &yaml.Node{}, &yaml.Node{}
		if err := key.Encode(m.name); err != nil {
			return nil, err
		}
		if err := value.Encode(m.value); err != nil {
			return nil, err
		}
		n.Content = append(n.Content, key, value)
	}
	return n, nil
}

// with appends a member, unless its value is empty.
func (o object) with(name string, value string) object {
	if value == "" {
		return o
	}
	return append(o, member{name, value})
}

func ref(to string) object { return object{{"$ref", to}} }

func encode(note string, document any) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(note)
	out := yaml.NewEncoder(&text)
	out.SetIndent(2)
	if err := out.Encode(document); err != nil {
		return nil, err
	}
	return text.Bytes(), out.Close()
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
