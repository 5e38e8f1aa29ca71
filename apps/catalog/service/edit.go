package service

import (
	"context"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
)

func (s *Service) mountEdits(api huma.API) {
	httpx.Register(api, staff("create-product", http.MethodPost, "/api/v1/products", "Add a product", http.StatusCreated, 409), s.create)
	httpx.Register(api, staff("replace-product", http.MethodPut, "/api/v1/products/{idOrHandle}", "Replace a product", 0, 409), s.replace)
	httpx.Register(api, staff("delete-product", http.MethodDelete, "/api/v1/products/{idOrHandle}", "Remove a product; its handle and SKUs are free again", http.StatusNoContent), s.delete)
}

// staff names an operation that needs the staff role.
func staff(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Catalog"}, DefaultStatus: status, Security: httpx.Bearer,
		Errors: append([]int{403}, errors...), Middlewares: huma.Middlewares{httpx.Only(identity.Staff)}}
}

type variantForm struct {
	SKU              string            `json:"sku,omitempty" maxLength:"100" doc:"Derived from handle and options if missing"`
	Title            string            `json:"title,omitempty" maxLength:"250" doc:"Made of the options if missing"`
	Options          map[string]string `json:"options,omitempty" doc:"Option name to value, one for each option"`
	Price            money.Money       `json:"price"`
	CompareAtPrice   *money.Money      `json:"compareAtPrice,omitempty"`
	Barcode          string            `json:"barcode,omitempty" maxLength:"100"`
	Image            string            `json:"image,omitempty" maxLength:"2000"`
	Grams            int64             `json:"grams,omitempty" minimum:"0" maximum:"100000000"`
	Taxable          *bool             `json:"taxable,omitempty" doc:"true if missing"`
	RequiresShipping *bool             `json:"requiresShipping,omitempty" doc:"true if missing"`
}

type optionForm struct {
	Name   string   `json:"name" minLength:"1" maxLength:"50"`
	Values []string `json:"values,omitempty" maxItems:"100" doc:"Those of the variants if missing"`
}

type imageForm struct {
	URL string `json:"url" minLength:"1" maxLength:"2000"`
	Alt string `json:"alt,omitempty" maxLength:"500"`
}

// productForm is a product as staff write it, and a line of an x-ndjson import.
type productForm struct {
	Handle      string        `json:"handle,omitempty" maxLength:"255" doc:"Made of the title if missing; a change keeps the present one"`
	Title       string        `json:"title" minLength:"1" maxLength:"250"`
	Description string        `json:"description,omitempty" maxLength:"20000" doc:"HTML; what could do harm is taken out"`
	Brand       string        `json:"brand,omitempty" maxLength:"250"`
	Categories  []string      `json:"categories,omitempty" maxItems:"20" doc:"Handles"`
	Tags        []string      `json:"tags,omitempty" maxItems:"50"`
	Options     []optionForm  `json:"options,omitempty" maxItems:"3"`
	Variants    []variantForm `json:"variants" nullable:"false" minItems:"1" maxItems:"100"`
	Images      []imageForm   `json:"images,omitempty" maxItems:"50"`
	Status      string        `json:"status,omitempty" enum:"active,draft,archived" doc:"active if missing; a change keeps the present one"`
}

// product makes the domain's product of a form. The domain checks it.
func (f productForm) product(clean func(string) string) product.Product {
	p := product.Product{
		Handle: f.Handle, Title: f.Title, Description: clean(f.Description), Brand: f.Brand, Categories: f.Categories,
		Tags: f.Tags, Status: f.Status,
	}
	for _, o := range f.Options {
		p.Options = append(p.Options, product.Option(o))
	}
	for _, i := range f.Images {
		p.Images = append(p.Images, product.Image(i))
	}
	for _, v := range f.Variants {
		p.Variants = append(p.Variants, product.Variant{
			SKU: v.SKU, Title: v.Title, Options: maps.Clone(v.Options), Price: v.Price, CompareAt: v.CompareAtPrice, Barcode: v.Barcode,
			Image: v.Image, Grams: v.Grams, Taxable: v.Taxable == nil || *v.Taxable, RequiresShipping: v.RequiresShipping == nil || *v.RequiresShipping,
		})
	}
	return p
}

type createInput struct{ Body productForm }

func (s *Service) create(ctx context.Context, in *createInput) (*productOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	p, seq, err := s.catalog.Create(ctx, in.Body.product(s.clean))
	if err != nil {
		return nil, err
	}
	out, err := s.show(ctx, p, seq)
	if err == nil {
		out.Location = "/api/v1/products/" + p.ID
	}
	return out, err
}

type replaceInput struct {
	ID      string `path:"idOrHandle" maxLength:"255"`
	IfMatch string `header:"If-Match" mandatory:"true" doc:"The ETag that was read"`
	Body    productForm
}

// find gives the product that staff mean by an id or handle.
func (s *Service) find(ctx context.Context, idOrHandle string) (product.Product, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return product.Product{}, err
	}
	e := s.listing.Get(idOrHandle)
	if e == nil {
		return product.Product{}, fault.Missing("product")
	}
	return e.Product, nil
}

func matcher(ifMatch string) func(seq uint64) error {
	return func(seq uint64) error { return httpx.IfMatch(versions(ifMatch), version(seq)) }
}

func (s *Service) replace(ctx context.Context, in *replaceInput) (*productOutput, error) {
	before, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p := in.Body.product(s.clean)
	if p.Handle == "" {
		p.Handle = before.Handle
	}
	if p.Status == "" {
		p.Status = before.Status
	}
	p, seq, err := s.catalog.Replace(ctx, before.ID, p, matcher(in.IfMatch))
	if err != nil {
		return nil, err
	}
	return s.show(ctx, p, seq)
}

type deleteInput struct {
	ID      string `path:"idOrHandle" maxLength:"255"`
	IfMatch string `header:"If-Match" mandatory:"true" doc:"The ETag that was read"`
}

func (s *Service) delete(ctx context.Context, in *deleteInput) (*struct{}, error) {
	before, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.catalog.Delete(ctx, before.ID, matcher(in.IfMatch))
}
