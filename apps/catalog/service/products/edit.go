package products

import (
	"context"

	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

type createInput struct{ Body ProductForm }

func (s *Service) create(ctx context.Context, in *createInput) (*productOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	p, version, err := s.Catalog.Create(ctx, in.Body.Product(s.Sanitise))
	if err != nil {
		return nil, err
	}
	out, err := s.show(ctx, p, version)
	if err == nil {
		out.Location = "/api/v1/products/" + p.ID
	}
	return out, err
}

type replaceInput struct {
	ID      string `path:"idOrHandle" maxLength:"255"`
	IfMatch string `header:"If-Match" mandatory:"true" doc:"The ETag that was read"`
	Body    ProductForm
}

// replace keeps the handle and the status of a product if the form has none.
func (s *Service) replace(ctx context.Context, in *replaceInput) (*productOutput, error) {
	before, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p := in.Body.Product(s.Sanitise)
	if p.Handle == "" {
		p.Handle = before.Handle
	}
	if p.Status == "" {
		p.Status = before.Status
	}
	p, version, err := s.Catalog.Replace(ctx, before.ID, p, resource.IfMatch(in.IfMatch))
	if err != nil {
		return nil, err
	}
	return s.show(ctx, p, version)
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
	return nil, s.Catalog.Delete(ctx, before.ID, resource.IfMatch(in.IfMatch))
}

// find finds the product that staff want to change.
func (s *Service) find(ctx context.Context, idOrHandle string) (product.Product, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return product.Product{}, err
	}
	if err := s.Listing.CatchUp(ctx); err != nil {
		return product.Product{}, err
	}
	e := s.Listing.Get(idOrHandle)
	if e == nil {
		return product.Product{}, fault.Missing("product")
	}
	return e.Product, nil
}
