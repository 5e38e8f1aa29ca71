package httpx

import (
	"encoding/json"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/strictjson"
)

// strictJSON is the format of all bodies: see strictjson. It also refuses bodies that contain null, because the OpenAPI
// document allows null nowhere.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if err := strictjson.Unmarshal(data, v); err != nil {
			return err
		}
		if body, ok := v.(*any); ok { // huma decodes the body into an any and validates that
			*body = markNulls(*body)
		}
		return nil
	},
}

// null stands for null while huma validates a body. It is of no JSON type, so that no schema accepts it. Huma would
// accept nil for a member that is not required, and decode it as the zero value of its type.
type null struct{}

func markNulls(v any) any {
	switch v := v.(type) {
	case nil:
		return null{}
	case []any:
		for i := range v {
			v[i] = markNulls(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = markNulls(v[name])
		}
	}
	return v
}
