package apidoc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"slices"
	"strings"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"css": func() template.CSS { return template.CSS(pageCSS) },
}).Parse(pageHTML))

// StyleHash returns the source expression that permits the page's own style in a Content-Security-Policy.
func StyleHash() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

type group struct {
	Tag, Anchor string
	Operations  []operation
}

type operation struct {
	ID, Method, Path, Summary, Description string
	Bearer                                 bool
	Parameters                             []field
	Bodies                                 []content
	Responses                              []response
}

type content struct {
	Type   string
	Fields []field
}

type response struct {
	Status, Description string
	Headers             []string
	Contents            []content
}

// Page renders the document as one HTML page without scripts and without links to other hosts.
func Page(d Document) ([]byte, error) {
	info := child(d, "info")
	var out bytes.Buffer
	err := page.Execute(&out, map[string]any{
		"Title": info["title"], "Version": info["version"], "Groups": groups(d), "Schemas": schemas(d),
	})
	return out.Bytes(), err
}

var methodOrder = []string{"get", "head", "post", "put", "patch", "delete", "options"}

// order is the place of an operation among those of its path.
func (o operation) order() int { return slices.Index(methodOrder, strings.ToLower(o.Method)) }

// groups returns the operations by their first tag.
func groups(d Document) []group {
	byTag := map[string][]operation{}
	for path, item := range child(d, "paths") {
		for _, method := range methodOrder {
			if op := asDoc(asDoc(item)[method]); op != nil {
				tag := "Other"
				if tags, _ := op["tags"].([]any); len(tags) > 0 {
					tag = text(tags[0])
				}
				byTag[tag] = append(byTag[tag], describe(d, method, path, op))
			}
		}
	}
	var all []group
	for tag, ops := range byTag {
		slices.SortFunc(ops, func(a, b operation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.order(), b.order()))
		})
		anchor := "tag-" + strings.ReplaceAll(strings.ToLower(tag), " ", "-")
		all = append(all, group{Tag: tag, Anchor: anchor, Operations: ops})
	}
	slices.SortFunc(all, func(a, b group) int { return cmp.Compare(a.Tag, b.Tag) })
	return all
}

func describe(d Document, method, path string, op Document) operation {
	o := operation{
		ID: text(op["operationId"]), Method: strings.ToUpper(method), Path: path,
		Summary: text(op["summary"]), Description: text(op["description"]),
	}
	if o.ID == "" {
		o.ID = method + path
	}
	if security, _ := op["security"].([]any); len(security) > 0 {
		o.Bearer = true
	}
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		p := resolve(d, asDoc(p))
		f := describeField(text(p["name"]), asDoc(p["schema"]), p["required"] == true)
		f.In, f.Doc = text(p["in"]), cmp.Or(text(p["description"]), f.Doc)
		o.Parameters = append(o.Parameters, f)
	}
	o.Bodies = contents(d, resolve(d, asDoc(op["requestBody"])))
	for _, status := range sortedKeys(child(op, "responses")) {
		r := resolve(d, asDoc(child(op, "responses")[status]))
		o.Responses = append(o.Responses, response{
			Status: status, Description: text(r["description"]),
			Headers: sortedKeys(child(r, "headers")), Contents: contents(d, r),
		})
	}
	return o
}

func contents(d Document, holder Document) []content {
	var all []content
	for _, media := range sortedKeys(child(holder, "content")) {
		schema := asDoc(asDoc(child(holder, "content")[media])["schema"])
		c := content{Type: media}
		if len(child(resolve(d, schema), "properties")) > 0 && schema["$ref"] == nil {
			c.Fields = fields(schema)
		} else if schema != nil {
			c.Fields = []field{describeField("", schema, true)}
		}
		all = append(all, c)
	}
	return all
}
