// Package categories serves the tree of categories over HTTP, and its edits by staff.
package categories

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Deps are the dependencies of the service.
type Deps struct {
	Catalog *catalog.Catalog // changes categories
	Listing *listing.Listing
}

// Service serves categories.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	const all, one = "/api/v1/categories", "/api/v1/categories/{handle}"
	httpx.Register(api, resource.Public("list-categories", all, "The tree of categories"), s.tree)
	httpx.Register(api, resource.Public("get-category", one, "One category"), s.get)
	create := resource.Staff("create-category", http.MethodPost, all, "Add a category",
		http.StatusCreated, http.StatusConflict)
	httpx.Register(api, create, s.create)
	httpx.Register(api, resource.Staff("replace-category", http.MethodPut, one, "Rename or move a category", 0), s.replace)
	remove := resource.Staff("delete-category", http.MethodDelete, one, "Remove an empty category",
		http.StatusNoContent, http.StatusConflict)
	httpx.Register(api, remove, s.delete)
}

type categoryBranchView struct {
	Handle       string               `json:"handle"`
	Name         string               `json:"name"`
	ProductCount int                  `json:"productCount" doc:"Active products in it or below it"`
	Children     []categoryBranchView `json:"children" nullable:"false"`
}

type treeOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         []categoryBranchView
}

func (s *Service) tree(ctx context.Context, _ *struct{}) (*treeOutput, error) {
	shown := branches(s.Listing.Tree())
	if len(shown) == 0 || identity.Of(ctx).Has(identity.Staff) {
		if err := s.Listing.CatchUp(ctx); err != nil {
			return nil, err
		}
		shown = branches(s.Listing.Tree())
	}
	return &treeOutput{ETag: resource.DigestETag(shown), CacheControl: resource.PublicCache, Body: shown}, nil
}

func branches(list []listing.Branch) []categoryBranchView {
	views := make([]categoryBranchView, len(list))
	for i, b := range list {
		views[i] = categoryBranchView{b.Handle, b.Name, b.Products, branches(b.Children)}
	}
	return views
}

type categoryView struct {
	Handle string `json:"handle"`
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty" doc:"Handle; missing at the top"`
}

type categoryOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Location     string `header:"Location"`
	Body         categoryView
}

func show(c product.Category, version uint64) *categoryOutput {
	shown := categoryView(c)
	return &categoryOutput{ETag: resource.ETag(version, shown), CacheControl: resource.PrivateCache, Body: shown}
}

type categoryInput struct {
	Handle string `path:"handle" maxLength:"255"`
}

func (s *Service) get(ctx context.Context, in *categoryInput) (*categoryOutput, error) {
	n, ok := s.Listing.Category(in.Handle)
	if !ok || identity.Of(ctx).Has(identity.Staff) {
		if err := s.Listing.CatchUp(ctx); err != nil {
			return nil, err
		}
		if n, ok = s.Listing.Category(in.Handle); !ok {
			return nil, fault.Missing("category")
		}
	}
	out := show(n.Category, n.Seq)
	out.CacheControl = resource.PublicCache
	return out, nil
}

type createCategoryInput struct {
	Body struct {
		Handle string `json:"handle,omitempty" maxLength:"255" doc:"Made of the name if missing"`
		Name   string `json:"name" minLength:"1" maxLength:"250"`
		Parent string `json:"parent,omitempty" maxLength:"255" doc:"Handle; missing: at the top"`
	}
}

func (s *Service) create(ctx context.Context, in *createCategoryInput) (*categoryOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	c, version, err := s.Catalog.CreateCategory(ctx, product.Category(in.Body))
	if err != nil {
		return nil, err
	}
	out := show(c, version)
	out.Location = "/api/v1/categories/" + c.Handle
	return out, nil
}

type replaceCategoryInput struct {
	Handle  string `path:"handle" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read; without it later changes are overwritten"`
	Body    struct {
		Handle string `json:"handle,omitempty" maxLength:"255" doc:"Must be the present handle, if it is sent"`
		Name   string `json:"name" minLength:"1" maxLength:"250"`
		Parent string `json:"parent,omitempty" maxLength:"255" doc:"Handle; missing: at the top"`
	}
}

func (s *Service) replace(ctx context.Context, in *replaceCategoryInput) (*categoryOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	if in.Body.Handle != "" && in.Body.Handle != in.Handle {
		return nil, fault.BadField("handle", "cannot be changed")
	}
	changed := product.Category{Handle: in.Handle, Name: in.Body.Name, Parent: in.Body.Parent}
	c, version, err := s.Catalog.ReplaceCategory(ctx, changed, resource.IfMatchSent(in.IfMatch))
	if err != nil {
		return nil, err
	}
	return show(c, version), nil
}

type deleteCategoryInput struct {
	Handle  string `path:"handle" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read; without it the category is deleted in any version"`
}

// delete removes a category that nothing uses. Otherwise: category-in-use (409, categories, products).
func (s *Service) delete(ctx context.Context, in *deleteCategoryInput) (*struct{}, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	if err := s.Listing.CatchUp(ctx); err != nil {
		return nil, err
	}
	if below, products := s.Listing.Uses(in.Handle); below+products > 0 {
		return nil, fault.New(fault.Conflict, "category-in-use", "There are still products or categories in it.").
			With("categories", below).With("products", products)
	}
	return nil, s.Catalog.DeleteCategory(ctx, in.Handle, resource.IfMatchSent(in.IfMatch))
}
