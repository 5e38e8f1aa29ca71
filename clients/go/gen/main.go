// Command gen writes the Go client's types and methods from api/openapi.json.
package main

import (
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	_ "embed"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
)

//go:embed operations.tmpl
var operations string

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: gen openapi.json generated.go")
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		log.Fatal("gen: ", err)
	}
}

func generate(from, to string) error {
	spec, err := openapi3.NewLoader().LoadFromFile(from)
	if err != nil {
		return err
	}
	for _, item := range spec.Paths.Map() {
		for _, op := range item.Operations() {
			simplify(op)
		}
	}
	spec.Components.Responses, spec.Components.Headers = nil, nil // of errors
	delete(spec.Components.Schemas, "Problem")
	delete(spec.Components.Schemas, "Field")
	for _, s := range spec.Components.Schemas {
		plain(s.Value)
	}
	codegen.TemplateFunctions["address"] = address
	code, err := codegen.Generate(spec, codegen.Configuration{
		PackageName: "client",
		Generate:    codegen.GenerateOptions{Client: true, Models: true},
		OutputOptions: codegen.OutputOptions{
			UserTemplates:         map[string]string{"client.tmpl": operations, "client-with-responses.tmpl": "{{/* operations.tmpl has them all */ -}}\n{{\"\"}}"},
			NameNormalizer:        string(codegen.NameNormalizerFunctionToCamelCaseWithInitialisms),
			AdditionalInitialisms: []string{"SKU", "JWK", "JWKS"},
			// These are not JSON both ways: streams.go has the first two; a picture is fetched from its URL.
			ExcludeOperationIDs:                       []string{"import-products", "stream-order", "get-media"},
			PreferSkipOptionalPointerOnContainerTypes: true,
			SkipPrune: true, // their types are wanted all the same
		},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(to, []byte(code), 0o644)
}

// simplify leaves what a method gives back: errors are *Problem, whatever their status, and 304 is told by the answer.
func simplify(op *openapi3.Operation) {
	for status := range op.Responses.Map() {
		if !strings.HasPrefix(status, "2") {
			op.Responses.Delete(status)
		}
	}
	if op.Responses.Value("202") != nil && op.Responses.Value("201") != nil {
		op.Responses.Delete("202") // of the same type
	}
	for _, p := range op.Parameters {
		plain(p.Value.Schema.Value)
		if !p.Value.Required {
			spare(p.Value.Schema.Value)
		}
	}
}

// plain drops what would need types of a library, and spares pointers to texts that may be missing: an empty one is
// left out.
func plain(s *openapi3.Schema) {
	if s.Format == "email" {
		s.Format = ""
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if p := s.Properties[name]; p.Ref == "" {
			plain(p.Value)
			if !slices.Contains(s.Required, name) && p.Value.Type.Is("string") && p.Value.Format == "" {
				spare(p.Value)
			}
		}
	}
	if s.Items != nil && s.Items.Ref == "" {
		plain(s.Items.Value)
	}
}

func spare(s *openapi3.Schema) {
	if s.Type.Is("string") {
		if s.Extensions == nil {
			s.Extensions = map[string]any{}
		}
		s.Extensions["x-go-type-skip-optional-pointer"] = true
	}
}

// address is the Go expression of an operation's path.
func address(op codegen.OperationDefinition) string {
	text := fmt.Sprintf("%q", op.Path)
	for _, p := range op.PathParams {
		text = strings.ReplaceAll(text, "{"+p.ParamName+"}", `" + url.PathEscape(`+p.GoVariableName()+`) + "`)
	}
	return strings.TrimSuffix(text, ` + ""`)
}
